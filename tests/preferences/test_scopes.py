"""
Internal: the host says what scopes are called.
"""

import pytest

from edx_ace.errors import ConfigurationError
from edx_ace.preferences.scopes import name_of, names_of

HERE = "tests.preferences.test_scopes."

calls = []


def of_courses(scopes):
    calls.append(scopes)
    return ["Astronomy" if one == "course:1" else "" for one in scopes]


def too_few(scopes):
    return []


def one_text(scopes):
    return "Astronomy"


def test_without_a_hook_nothing_has_a_name():
    """
    Nobody can know it.
    """
    assert names_of(["course:1", "course:2"]) == [None, None]


def test_the_host_is_asked_once_for_many(settings):
    """
    And not at all about nothing.
    """
    settings.ACE_SCOPE_NAMES = f"{HERE}of_courses"
    calls.clear()

    assert names_of(["course:1", "course:2"]) == ["Astronomy", None]
    assert (name_of("course:1"), name_of("course:2"), name_of("")) == ("Astronomy", None, None)
    assert names_of([]) == []
    assert calls == [["course:1", "course:2"], ["course:1"], ["course:2"]]


@pytest.mark.parametrize(("hook", "given"), [("too_few", "0 list"), ("one_text", "a str")])
def test_an_answer_that_is_none_is_refused(settings, hook, given):
    """
    With what was expected.
    """
    settings.ACE_SCOPE_NAMES = HERE + hook

    with pytest.raises(ConfigurationError, match=f"one name for each of 1 scopes, in order, given {given}"):
        names_of(["course:1"])
