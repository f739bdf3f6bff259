"""
Internal: what is kept of the words of channels, policies and sources: no address, and nothing that a table refuses.
"""

from __future__ import annotations

import re

#: Longest text and longest code that are kept, in characters.
MAX_LENGTH = 500
MAX_CODE_LENGTH = 64

_ADDRESS = re.compile(r"[^\s<>'\"]+@[^\s<>'\"]+")

#: NUL, and halves of surrogate pairs: PostgreSQL keeps neither.
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")


def redacted(text: object, longest: int = MAX_LENGTH) -> str:
    """Return *text* without mail addresses, and not too long."""
    # Cut first, too: looking for addresses in a long word takes the square of its length.
    return _ADDRESS.sub("(address)", keepable(text, 4 * longest))[:longest]


def redacted_code(code: object) -> str:
    """Return *code* as its column takes it."""
    return redacted(code, MAX_CODE_LENGTH)


def keepable(text: object, longest: int) -> str:
    """Return *text*, whatever somebody's code gave for it, as a column of that length takes it."""
    return _UNKEEPABLE.sub("\N{REPLACEMENT CHARACTER}", "" if text is None else str(text))[:longest]
