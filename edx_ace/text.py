"""
Internal: what may stand in a text that is sent, how it is put on one line, shown in an error, and counted.
"""

from __future__ import annotations

import re

from edx_ace.errors import InvalidMessageError

#: NUL, and halves of surrogate pairs, which no encoding can carry.
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")


def one_line(text: str) -> str:
    """Return *text* with every run of white space and line separators as one space, and none at the ends."""
    # NUL, too, as some programs take it for an end.
    return " ".join(text.replace("\0", " ").split())


def shown(value: object) -> str:
    """Return *value* for an error's text: escaped to ASCII, on one line, cut where it is long."""
    text = ascii(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def counted(number: int, one: str, many: str) -> str:
    """Return *number* with what goes with it, *one* or *many*: for commands and errors, which speak English."""
    return f"{number:,} {one if number == 1 else many}"


def is_sendable(text: str) -> bool:
    """Whether *text* holds no NUL and no half of a surrogate pair."""
    if text.isascii():
        return "\0" not in text
    # On long texts many times as fast as a search, and bytes are looked through faster than wide characters.
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def check_text(text: str, where: str, *, code: str = "bad_text") -> str:
    """
    Return *text*.

    Args:
        text: Anything that will be sent.

        where: What it is, for the error.

        code: Of the error.

    Raises:
        InvalidMessageError: If it is not sendable, naming the character and its place.
    """
    if is_sendable(text):
        return text
    found = _UNSENDABLE.search(text)
    assert found is not None
    advice = (
        ". Remove it before sending."
        if found.group() == "\0"
        else ", half of a surrogate pair. Decode the text where it comes from."
    )
    place = f"{found.group()!a} at character {found.start()}"
    raise InvalidMessageError(f"{where} must be text that can be encoded, but it holds {place}{advice}", code=code)
