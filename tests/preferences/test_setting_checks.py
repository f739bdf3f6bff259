"""
Internal: what the system checks say about settings of preferences that cannot be used.
"""

import pytest
from django.test import override_settings

from edx_ace.preferences.checks import check_settings


@pytest.fixture(autouse=True)
def defaults(settings):
    """No category has a digest."""
    settings.ACE_CATEGORIES = {}


def found():
    return [(message.id, message.msg) for message in check_settings()]


def test_the_defaults_are_fine():
    """
    Nothing has to be set.
    """
    assert found() == []


def test_what_the_howto_sets_is_fine():
    """
    All of it.
    """
    with override_settings(
        ACE_ENABLED_POLICIES=["preference", "quiet_hours", "frequency_cap", "digest"],
        ACE_CATEGORIES={"news": {"digest": True}},
        ACE_PEOPLE="tests.preferences.test_places.of_ann_alone",
        ACE_SCOPE_NAMES="tests.preferences.test_scopes.of_courses",
        ACE_QUIET_HOURS=["22:00", "07:00"],
        ACE_FREQUENCY_CAPS={"all": "5/day", "email": "3/day, 10/week"},
        ACE_DIGEST_TIME="06:30",
        ACE_DIGEST_WEEKDAY="Friday",
    ):
        assert found() == []


@pytest.mark.parametrize(
    ("name", "value", "number", "text"),
    [
        ("PEOPLE", "tests.preferences.test_places.nobody", 6, "ACE_PEOPLE cannot be imported"),
        ("PEOPLE", "tests.preferences.test_places.calls", 6, "which cannot be called"),
        ("SCOPE_NAMES", "tests.preferences.test_scopes.nobody", 10, "ACE_SCOPE_NAMES cannot be imported"),
        ("SCOPE_NAMES", "tests.preferences.test_scopes.calls", 10, "which cannot be called"),
        ("QUIET_HOURS", "22:00", 7, "must be two times of the day"),
        ("QUIET_HOURS", ("22:00", "25:00"), 7, "must be two times of the day"),
        ("QUIET_HOURS", ("22:00", "22:00"), 7, "must be two times of the day"),
        ("DIGEST_TIME", 8, 7, "must be a time of the day, given 8"),
        ("DIGEST_WEEKDAY", 0, 7, "must be one of monday"),
        ("FREQUENCY_CAPS", "3/day", 8, "must be a dict"),
        ("FREQUENCY_CAPS", {"mail": "3/day"}, 8, "neither a channel type nor 'all'"),
        ("FREQUENCY_CAPS", {"email": "3 a day"}, 8, "ACE_FREQUENCY_CAPS['email']: Expected a number above 0"),
        ("FREQUENCY_CAPS", {"email": 3}, 8, "ACE_FREQUENCY_CAPS['email']: Expected a text"),
        ("SEND_TIME", "evening", 9, "ACE_SEND_TIME names 'evening'"),
        ("SEND_TIME_HOURS", 0, 9, "must be a number above 0"),
        ("ENABLED_POLICIES", ["send_time"], 9, "has nothing to ask"),
    ],
)
def test_what_cannot_be_used_is_an_error(name, value, number, text):
    """
    It says what was expected and what was given.
    """
    with override_settings(**{f"ACE_{name}": value}):
        [(identifier, message)] = [one for one in found() if ".E" in one[0]]

    assert identifier == f"ace_preferences.E{number:03}"
    assert text in message


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("QUIET_HOURS", ("22:00", "07:00"), "ACE_ENABLED_POLICIES lacks 'quiet_hours'"),
        ("FREQUENCY_CAPS", {"all": "3/day"}, "ACE_ENABLED_POLICIES lacks 'frequency_cap'"),
        ("SEND_TIME", "reading_hours", "ACE_ENABLED_POLICIES lacks 'send_time'"),
        ("CATEGORIES", {"news": {"digest": True}}, "People may take 'news' once a day or a week"),
    ],
)
def test_a_setting_that_no_policy_keeps_to_is_warned_about(name, value, text):
    """
    Until the policy is enabled.
    """
    with override_settings(ACE_ENABLED_POLICIES=["preference"], **{f"ACE_{name}": value}):
        [(identifier, message)] = found()

    assert identifier == "ace_preferences.W002"
    assert text in message


def test_a_link_to_unsubscribe_that_no_policy_keeps_to_is_warned_about():
    """
    A list of policies that was written anew for another purpose easily lacks it.
    """
    with override_settings(ACE_ENABLED_POLICIES=["suppression"], ACE_CONTENT_STEPS=["unsubscribe"]):
        texts = [text for identifier, text in found() if identifier == "ace_preferences.W002"]

    assert texts == ["People may unsubscribe, but ACE_ENABLED_POLICIES lacks 'preference': they get all the same."]
