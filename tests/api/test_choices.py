"""
Internal: endpoints for what there is to choose from.
"""

from __future__ import annotations

import pytest
from django import forms
from django.contrib.auth.models import User

from edx_ace.api.parameters import schema_of

pytestmark = pytest.mark.django_db


def test_scopes_say_what_may_be_done(client_of, ann):
    """
    Each has what the user may do in it.
    """
    answer = client_of(ann).get("/api/scopes/").json()

    assert [(one["key"], one["label"]) for one in answer] == [("a", "A")]
    assert set(answer[0]["actions"]) == {"view", "write", "send", "approve", "see_people"}


def test_audiences_have_the_schema_of_their_parameters(client_of, ann):
    """
    A front end can make a form of it.
    """
    answer = client_of(ann).get("/api/audiences/", {"scope": "a"}).json()

    (pupils,) = [one for one in answer if one["name"] == "pupils"]
    assert pupils["label"] == "Pupils"
    assert pupils["params"] == {
        "type": "object",
        "properties": {
            "start": {"type": "string", "title": "Beginning of the name", "maxLength": 10},
            "year": {"oneOf": [{"const": 1, "title": "First"}, {"const": 2, "title": "Second"}]},
        },
        "required": [],
        "additionalProperties": False,
    }


def test_keywords_dates_and_categories_are_those_of_the_host(client_of, ann):
    """
    And of the site's settings.
    """
    client = client_of(ann)

    assert client.get("/api/keywords/", {"scope": "a"}).json() == [
        {"name": "first_name", "sample": "Sam", "label": "First name"}
    ]
    (date,) = client.get("/api/dates/", {"scope": "a"}).json()
    assert (date["name"], date["label"], date["at"][-1]) == ("start", "Start of term", "Z")
    assert "general" in [one["name"] for one in client.get("/api/categories/").json()]


class AllForm(forms.Form):
    """One field of each kind."""

    text = forms.CharField(min_length=2, help_text="Any")
    number = forms.IntegerField(min_value=0, max_value=9, initial=3)
    share = forms.FloatField()
    day = forms.DateField()
    moment = forms.DateTimeField()
    yes = forms.BooleanField(required=False)
    some = forms.MultipleChoiceField(choices=[("Group", [("x", "X"), ("y", "Y")])])
    user = forms.ModelChoiceField(User.objects.all())
    users = forms.ModelMultipleChoiceField(User.objects.all())


def test_each_kind_of_field_has_its_type(ann):
    """
    Limits, choices, groups of them and rows are as the form has them.
    """
    schema = schema_of(AllForm())
    choice = {"oneOf": [{"const": ann.pk, "title": "a-ann"}]}

    assert schema["required"] == ["text", "number", "share", "day", "moment", "some", "user", "users"]
    assert schema["properties"] == {
        "text": {"type": "string", "minLength": 2, "description": "Any"},
        "number": {"type": "integer", "minimum": 0, "maximum": 9, "default": 3},
        "share": {"type": "number"},
        "day": {"type": "string", "format": "date"},
        "moment": {"type": "string", "format": "date-time"},
        "yes": {"type": "boolean"},
        "some": {"type": "array", "items": {"oneOf": [{"const": "x", "title": "X"}, {"const": "y", "title": "Y"}]}},
        "user": choice,
        "users": {"type": "array", "items": choice},
    }


def test_too_many_rows_are_not_listed(ann, monkeypatch):
    """
    A front end has to know the key of one then.
    """
    monkeypatch.setattr("edx_ace.api.parameters.MAX_CHOICES", 0)

    assert schema_of(AllForm())["properties"]["user"] == {}
