"""
Internal: choosing, and which choice wins.
"""

import pytest

from edx_ace import Recipient
from edx_ace.errors import UnknownCategoryError
from edx_ace.preferences import Taking, choose, taking
from edx_ace.preferences.choices import EVERYTHING
from edx_ace.preferences.errors import ChoiceError
from edx_ace.preferences.models import Choice
from edx_ace.signals import choice_changed

pytestmark = pytest.mark.django_db

OFF, ON, DAILY = Taking.OFF, Taking.IMMEDIATE, Taking.DAILY


def test_without_a_choice_the_category_s_default_counts():
    """
    Some have to be asked for.
    """
    assert taking("7", "news", "email") is ON
    assert taking("7", "offers", "email") is OFF


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ([("news", OFF, "")], OFF),
        ([("news", DAILY, "")], DAILY),
        # Another category, and another course, are not meant.
        ([("offers", OFF, "")], ON),
        ([("news", OFF, "course:2")], ON),
        # The more specific wins, whatever was chosen last.
        ([("news", OFF, "course:1"), ("news", ON, "")], OFF),
        ([("news", OFF, ""), ("news", ON, "course:1")], ON),
        ([(EVERYTHING, OFF, "course:1"), ("news", ON, "")], OFF),
        ([(EVERYTHING, OFF, ""), ("news", ON, "")], ON),
        # Turning off turns off all of it.
        ([("news", ON, "course:1"), ("news", OFF, "")], OFF),
        ([("news", ON, "course:1"), (EVERYTHING, OFF, "")], OFF),
        ([("news", ON, "course:1"), (EVERYTHING, OFF, "course:1")], OFF),
        # What is taken back is as if it had not been chosen.
        ([(EVERYTHING, OFF, ""), (EVERYTHING, ON, "")], ON),
        ([("news", OFF, ""), (EVERYTHING, OFF, ""), (EVERYTHING, ON, "")], OFF),
    ],
)
def test_the_more_specific_choice_wins(choices, expected):
    """
    For news of the first course.
    """
    for category, value, scope in choices:
        choose("7", category, "email", value, scope=scope)

    assert taking("7", "news", "email", scope="course:1") is expected


def test_a_choice_is_one_person_s_for_one_channel():
    """
    Others, and other channels, are not meant.
    """
    choose("7", "news", "email", OFF)

    assert taking("8", "news", "email") is ON
    assert taking("7", "news", "push") is ON


def test_a_person_without_an_account_is_known_by_their_address():
    """
    However it is written.
    """
    choose(Recipient(None, "ann@example.com"), "news", "email", OFF)

    assert taking(Recipient(None, "ANN@Example.com"), "news", "email") is OFF
    assert "ann" not in Choice.objects.get().person


def test_choosing_again_changes_the_choice():
    """
    There is one row.
    """
    choose("7", "news", "email", OFF)
    choose("7", "news", "email", DAILY, source="page")

    assert list(Choice.objects.values_list("taking", "source")) == [("daily", "page")]


@pytest.mark.parametrize(
    ("choice", "error", "text"),
    [
        (("7", "new", "email", OFF), UnknownCategoryError, "Did you mean 'news'"),
        (("7", "security", "email", OFF), ChoiceError, "cannot be turned off"),
        (("7", "offers", "push", ON), ChoiceError, "go over email and not over push"),
        (("7", "offers", "email", DAILY), ChoiceError, "has no digest"),
        (("7", EVERYTHING, "email", DAILY), ChoiceError, "not be taken daily"),
        (("7", "news", "mail", OFF), ChoiceError, "Expected a channel type"),
        (("7", "news", "email", "never"), ChoiceError, "Expected one of off, immediate, daily, weekly"),
        (("", "news", "email", OFF), ChoiceError, "neither an account nor an address"),
        ((Recipient(None), "news", "email", OFF), ChoiceError, "neither an account nor an address"),
    ],
)
def test_what_nobody_can_choose_is_refused(choice, error, text):
    """
    And nothing is written.
    """
    with pytest.raises(error, match=text):
        choose(*choice)

    assert not Choice.objects.exists()


def test_what_changed_is_told_once():
    """
    Whoever counts hears nothing of what was so already.
    """
    told = []

    def hear(sender, **kwargs):
        told.append((kwargs["category"], kwargs["taking"], kwargs["source"]))

    choice_changed.connect(hear)
    choose("7", "news", "email", OFF, source="one_click")
    choose("7", "news", "email", OFF, source="one_click")
    choose("7", EVERYTHING, "email", ON)
    choose("7", "news", "email", ON, source="page")
    choice_changed.disconnect(hear)

    assert told == [("news", "off", "one_click"), ("news", "immediate", "page")]
