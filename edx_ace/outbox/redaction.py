"""
Internal: what is kept of a channel's words.
"""

from __future__ import annotations

import re

#: Longest text that is kept, in characters.
MAX_LENGTH = 500

_ADDRESS = re.compile(r"[^\s<>'\"]+@[^\s<>'\"]+")


def redacted(text: str) -> str:
    """Return *text* without mail addresses, and not too long."""
    return _ADDRESS.sub("(address)", text)[:MAX_LENGTH]
