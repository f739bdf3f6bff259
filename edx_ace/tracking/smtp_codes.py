"""
Internal: what the status codes of mail servers say about an address.
"""

from __future__ import annotations

import re

#: An enhanced status code of a failure. Source: RFC 3463, 2.
_STATUS = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])")

#: Codes that are about the address itself. The others (a full mailbox, a message that is too large, a policy, a
#: network) say nothing about the next message. Source: RFC 3463, 3.2 and 3.3.
_HARD = re.compile(r"5\.(?:1\.(?!7|8)\d+|2\.1|0\.0)")


def status_in(text: str | None) -> str:
    """Return the first enhanced status code of a failure in *text*; empty: there is none."""
    found = _STATUS.search(text or "")
    return found[1] if found else ""


def is_hard(status: str) -> bool:
    """Return whether an enhanced status code says that there is no such mailbox, not only that it refused this time."""
    return bool(_HARD.fullmatch(status))
