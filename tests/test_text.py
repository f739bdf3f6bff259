"""
Internal: what may stand in a text, and how it is put on one line and shown.
"""

import pytest

from edx_ace.errors import InvalidMessageError
from edx_ace.text import check_text, one_line, shown


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a\0b", r"'\\x00' at character 1"),
        # Text that is not ASCII is tried by encoding it.
        ("aü\udc80b", r"'\\udc80' at character 2"),
        ("\ud83d", r"'\\ud83d' at character 0"),
    ],
)
def test_text_that_no_encoding_can_carry_is_refused_by_its_place(text, place):
    """
    NUL and halves of surrogate pairs stay out of whatever is sent.
    """
    with pytest.raises(InvalidMessageError, match=f"the subject must be text .* {place}") as caught:
        check_text(text, "the subject")
    assert caught.value.code == "bad_text"


@pytest.mark.parametrize("text", ["", "plain\r\n\ttext", "Zoë", "\U0001f600"])
def test_text_that_can_be_sent_comes_back_as_it_is(text):
    """
    Lines, tabs and every script are text.
    """
    assert check_text(text, "the body") is text


@pytest.mark.parametrize(
    "separator", ["\n", "\r\n", "\t", "\0", "\v", "\x1c", "\x85", "\u2028", "\u2029", "\xa0", "  "]
)
def test_whatever_may_end_a_line_becomes_one_space(separator):
    """
    For Python, for Unicode and for a mail server; none stays at the ends.
    """
    assert one_line(f"{separator}a{separator}b{separator}") == "a b"


def test_a_value_is_shown_on_one_line_of_ascii_and_cut():
    """
    An error cannot forge a line of the log, nor fill it.
    """
    assert shown("ü\n") == r"'\xfc\n'"
    assert len(shown("x" * 1000)) == 103
