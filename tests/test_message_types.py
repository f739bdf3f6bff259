"""
Internal: what the registry of message types promises.
"""

import pytest
from django.test import override_settings

from edx_ace import Message, MessageType
from edx_ace.errors import UnknownMessageTypeError
from edx_ace.message_types import info, is_essential, known, registered, resolve, sample


class CourseUpdate(MessageType):
    """Lives in the app of the tests."""

    NAME = "course_update"
    CATEGORY = "general"
    ESSENTIAL = False

    @classmethod
    def sample_context(cls):
        return {"course": "Bread"}


class Homeless(MessageType):
    """Says it lives elsewhere."""

    __module__ = "nowhere"


def test_types_of_installed_apps_are_registered():
    """
    A class is found by its app and name; one that lives in no installed app has no place.
    """
    assert registered()["tests", "course_update"] is CourseUpdate
    assert Homeless not in registered().values()


def test_the_last_class_of_a_place_counts():
    """
    A class that derives from another and takes its place is the one that is found.
    """

    class Replacement(CourseUpdate):
        pass

    assert registered()["tests", "course_update"] is Replacement
    assert info("tests", "course_update").message_type is Replacement

    Replacement.APP_LABEL = "elsewhere"  # Leaves the place again: classes of a test outlive it.


@override_settings(
    ACE_MESSAGE_TYPES={
        "tests.course_update": {"essential": True, "sample_context": {"course": "Wine"}},
        "shop.sale": {"category": "sales"},
    }
)
def test_the_setting_wins_over_the_class_and_knows_more_types():
    """
    What ACE_MESSAGE_TYPES says replaces what the class says, key by key.
    """
    about = info("tests", "course_update")

    assert (about.category, about.essential, about.sample_context) == ("general", True, {"course": "Wine"})
    assert info("shop", "sale").category == "sales"
    assert {("shop", "sale"), ("tests", "course_update")} <= set(known())


@pytest.mark.parametrize(
    ("configured", "options", "essential"),
    [
        ({}, {}, False),
        ({}, {"transactional": True}, True),
        ({"category": "sales"}, {"transactional": True}, False),  # a category is a choice people have
        ({"essential": False}, {"transactional": True}, False),
        ({"essential": True, "category": "sales"}, {}, True),
    ],
)
def test_what_is_essential(configured, options, essential):
    """
    The type says so; else a transactional message without category is.
    """
    with override_settings(ACE_MESSAGE_TYPES={"shop.sale": configured}):
        assert is_essential(Message("shop", "sale", None, options=options)) is essential


def test_to_ask_what_a_type_is_makes_no_sample(monkeypatch):
    """
    It is the site's code, which may be slow or fail, and is asked about every message that is sent.
    """
    monkeypatch.setattr(CourseUpdate, "sample_context", lambda: 1 / 0)

    assert not is_essential(Message("tests", "course_update", None))


@pytest.mark.parametrize("text", ["tests.course_update", "tests.CourseUpdate"])
def test_a_type_is_found_by_its_name_or_its_class(text):
    """
    Both forms lead to the place of the templates.
    """
    assert resolve(text) == ("tests", "course_update")


@pytest.mark.parametrize("text", ["tests.course_updat", "test.course_update", "tests.CourseUpdates"])
def test_a_mistyped_type_is_refused(text):
    """
    The error suggests the nearest name, lists all and says where an unknown one may be.
    """
    with pytest.raises(UnknownMessageTypeError) as refusal:
        resolve(text)

    assert f"Expected a message type as app_label.name, given {text!r}. Did you mean 'tests." in str(refusal.value)
    assert "tests.course_update" in str(refusal.value)
    assert "move it to the module message_types of an installed app" in str(refusal.value)


def test_a_sample_is_what_the_type_makes():
    """
    A sample message is personalized by its class, over its sample context.
    """

    class Signed(MessageType):
        def personalize(self, recipient, language, user_context):
            message = super().personalize(recipient, language, user_context)
            message.headers["X-Signed"] = "yes"
            return message

        @classmethod
        def sample_context(cls):
            return {"name": "Ann", "age": 30}

    message = sample(Signed, None, "de", {"age": 31})

    assert (message.unique_name, message.language) == ("tests.signed", "de")
    assert message.context == {"name": "Ann", "age": 31}
    assert message.headers == {"X-Signed": "yes"}
