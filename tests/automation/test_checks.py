"""
Internal: what is said when a site starts whose actions have faults.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

import pytest
from django.contrib.auth.models import Group

from edx_ace import MessageType
from edx_ace.automation import actions, receivers
from edx_ace.automation.actions import Action
from edx_ace.automation.checks import check_automation
from edx_ace.errors import ConfigurationError
from tests.automation_site.models import Task, Workshop

RIGHT = {
    "signal": "right",
    "track": [Workshop],
    "template": {"en": {"subject": "Hello", "body": "Hello"}},
    "should_exist": lambda self, workshop: True,
    "scheduled_at": lambda self, workshop: workshop.ends_at,
    "recipients": lambda self, workshop: [],
}


@pytest.fixture
def found() -> Iterator[object]:
    """Return a function that checks an action which is right but for its arguments; None: without that attribute."""

    def check(**attributes):
        given = {name: value for name, value in {**RIGHT, **attributes}.items() if value is not None}
        type("Tried", (Action,), {"__module__": "shop.actions", **given})
        return [(one.id, one.msg) for one in check_automation()]

    yield check
    for name in actions.all_actions():
        if name != "follow_up":
            actions.unregister(name)


def test_what_is_right_is_not_mentioned(found):
    """
    By any of the checks.
    """
    assert found() == []


def test_two_actions_of_one_name_are_an_error(found):
    """
    Which names both; the first is used.
    """
    found()
    first = actions.get("right")

    assert found(track=[Task]) == [
        (
            "ace_automation.E002",
            "Two actions are called 'right': shop.actions.Tried and shop.actions.Tried. The second is not used.",
        )
    ]
    assert actions.get("right") is first


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"message_type": MessageType()}, "message_type must be a subclass of MessageType"),
        ({"template": None}, "says neither what its messages say (`template`) nor which files do (`message_type`)."),
        ({"template": {"en": {"subject": "Hello"}}}, "Tried.template: Expected for each language a subject and a body"),
        (
            {"template": {"subject": "Hello", "body": "Hello"}},
            "Tried.template: Expected for each language a subject and a body",
        ),
        ({"recipients": None}, "does not define recipients(obj)."),
        ({"scheduled_at": None}, "does not define scheduled_at(obj)."),
        ({"track": None}, "does not say of which model its objects are."),
    ],
)
def test_what_an_action_lacks_is_an_error(found, attributes, text):
    """
    Said when the site starts, not when a message is to be scheduled.
    """
    [(code, said)] = [one for one in found(**attributes) if not one[0].startswith("ace_automation.W")]

    assert code == "ace_automation.E004"
    assert text in said


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"signal": ""}, "Tried.signal must be a text of 1 to 100 characters, given ''."),
        ({"signal": "x" * 101}, "Tried.signal must be a text of 1 to 100 characters"),
        ({"track": [int]}, "Tried names <class 'int'>, which is no model."),
        ({"track": Workshop}, "Tried.track must list models"),
        ({"model": "shop.Workshop"}, "Tried names 'shop.Workshop', which is no model."),
    ],
)
def test_what_cannot_be_an_action_is_refused(found, attributes, text):
    """
    Where it is defined: the site does not start.
    """
    with pytest.raises(ConfigurationError) as caught:
        found(**attributes)

    assert text in str(caught.value)


def test_what_is_tracked_has_a_relation_to_the_objects(found):
    """
    Or the action says which objects are concerned.
    """
    [(code, said)] = found(track=[Workshop, Group])

    assert code == "ace_automation.E005"
    assert said == "shop.actions.Tried tracks auth.Group, which has no relation to automation_site.Workshop."


def test_what_is_tracked_may_be_put_to_objects_by_the_action(found):
    """
    As it knows.
    """
    assert found(track=[Workshop, Group], objects_of=lambda self, instance: []) == []


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"related_object": lambda self, workshop: workshop}, "ace_automation.W001"),
        ({"template": {"xx": {"subject": "Hello", "body": "Hello"}}}, "ace_automation.W002"),
    ],
)
def test_what_may_be_meant_is_a_warning(found, attributes, code):
    """
    It works all the same.
    """
    assert [one for one, _said in found(**attributes)] == [code]


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        (
            {"template": {"en": {"subject": "Hello", "body": "x\n{{ name|uper }}"}}},
            "Tried.template: en.body, line 2: There is no filter “uper”. Did you mean “upper”?",
        ),
        (
            {
                "template": {"en": {"subject": "{{ recipient }}", "body": "{{ wrokshop }}"}},
                "Context": TypedDict("Context", {"workshop": Workshop}),
            },
            "Tried.template: en.body, line 1: There is no “wrokshop”. Did you mean “workshop”?",
        ),
    ],
)
def test_what_an_action_ships_can_be_rendered(found, attributes, text):
    """
    As far as that can be said before there is an object.
    """
    assert found(**attributes) == [("ace_automation.E006", f"shop.actions.{text}")]


@pytest.mark.parametrize(
    ("readable", "text"),
    [
        ({"automation_site.Workshop": ["tasks", "helpers", "title", "get_deferred_fields"]}, None),
        ({"auth.user": ("groups",)}, None),
        (["auth.User"], "must map labels of models to lists of names"),
        ({"shop.Order": ["lines"]}, "names 'shop.Order', which is no model"),
        ({"auth.User": ["nmae"]}, "names 'nmae' of auth.User"),
        ({"auth.User": ["_meta"]}, "names '_meta' of auth.User"),
        ({"auth.User": "groups"}, "names 'groups' of auth.User, but not in a list"),
    ],
)
def test_what_templates_may_read_is_there(settings, readable, text):
    """
    A name that is written wrongly would be found by nobody.
    """
    settings.ACE_AUTOMATION_READABLE = readable

    found = check_automation()

    assert [one.id for one in found] == ([] if text is None else ["ace_automation.E007"])
    assert text is None or text in found[0].msg


@pytest.mark.parametrize("hosts", ["img.example.com", ["https://img.example.com"], ["*"]])
def test_hosts_of_pictures_are_hosts(settings, hosts):
    """
    In a list, without a scheme.
    """
    settings.ACE_AUTOMATION_IMAGE_HOSTS = hosts

    assert {one.id for one in check_automation()} == {"ace_automation.E008"}


def test_a_receiver_of_the_long_form_names_an_action(monkeypatch):
    """
    That is there.
    """
    tried = type("Tried", (), {"signal": "follow-up", "__module__": "shop.receivers"})
    monkeypatch.setattr(receivers, "of_the_site", lambda: [tried])

    [found] = check_automation()

    assert (found.id, found.msg) == (
        "ace_automation.E003",
        "shop.receivers.Tried.signal is 'follow-up', which is no action. Did you mean 'follow_up'?",
    )
