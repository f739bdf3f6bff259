"""
Internal: what the tests of the endpoints share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from edx_ace import Recipient
from edx_ace.campaigns import audiences, editing
from edx_ace.campaigns.audiences import Audience, Person
from edx_ace.campaigns.host import Host, Keyword, Scope
from edx_ace.campaigns.models import Campaign
from tests.pipeline import Recorder

TEXT = {"channel_type": "email", "language": "en", "subject": "News", "source": "<p>Hello {{ first_name|you }}.</p>"}


class Schools(Host):
    """Everybody may do all in the scope that their name begins with."""

    def may(self, user, action, scope, campaign=None):
        assert campaign is None or campaign.scope == scope
        return user.username.partition("-")[0] == scope

    def scopes(self, user):
        scope = user.username.partition("-")[0]
        return [Scope(scope, scope.title())]

    def label(self, scope):
        return scope.title()

    def keywords(self, scope):
        return [Keyword("first_name", "First name", "Sam")]

    def dates(self, scope):
        return {"start": ("Start of term", timezone.now())}


class PupilsForm(forms.Form):
    """Whose names begin how."""

    start = forms.CharField(label="Beginning of the name", max_length=10, required=False)
    year = forms.TypedChoiceField(choices=[("", "any"), (1, "First"), (2, "Second")], required=False)


class Pupils(Audience):
    """Everybody with an account whose name begins with a text."""

    name = "pupils"
    label = "Pupils"
    form_class = PupilsForm
    search_fields = ("username", "email")

    def resolve(self, scope: str, params: Any, requester: Any) -> Any:
        return User.objects.filter(username__startswith=params.get("start") or "pupil")

    def person(self, row: Any) -> Person:
        return Person(Recipient(row.pk, row.email), values={"first_name": row.first_name}, language="en")


@pytest.fixture(autouse=True)
def site(settings: Settings, use_channels: Any) -> Iterator[Recorder]:
    """A site with two schools and an audience, whose mail goes to the channel that is given."""
    settings.ACE_CAMPAIGN_HOST = f"{__name__}.Schools"
    channel = Recorder()
    use_channels(mail=channel)
    audiences.register(Pupils)
    yield channel
    audiences.unregister("pupils")


@pytest.fixture
def ann() -> User:
    """May do everything in the scope "a"."""
    return User.objects.create_user("a-ann", "ann@example.com", "secret")


@pytest.fixture
def bob() -> User:
    """May do everything in the scope "a", too."""
    return User.objects.create_user("a-bob", "bob@example.com", "secret")


@pytest.fixture
def eve() -> User:
    """May do everything in the scope "b"."""
    return User.objects.create_user("b-eve", "eve@example.com", "secret")


@pytest.fixture
def pupils() -> list[User]:
    """Three people that campaigns can go to."""
    return [
        User.objects.create(username=f"pupil{index}", email=f"pupil{index}@example.com", first_name=f"Pupil {index}")
        for index in range(3)
    ]


@pytest.fixture
def draft(ann: User) -> Callable[..., Campaign]:
    """Return a function that makes a campaign of Ann's to all pupils."""

    def make(user: User = ann, scope: str = "a", **fields: Any) -> Campaign:
        parts = [{"audience": "pupils", "params": {}}]
        return editing.create(user, scope=scope, **{"name": "News", "variants": [TEXT], "parts": parts, **fields})

    return make


@pytest.fixture
def client_of() -> Callable[[User], APIClient]:
    """Return a function that gives the client of a user who is logged in."""

    def make(user: User) -> APIClient:
        client = APIClient(raise_request_exception=True)
        client.force_authenticate(user)
        return client

    return make
