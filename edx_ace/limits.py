"""
Internal: how settings write limits: a number, a slash and a length of time, with commas between several of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_LIMIT = re.compile(r"\s*(\d{1,9})\s*/\s*(\w+)\s*", re.ASCII)


def parse(text: str, periods: Collection[str], example: str) -> list[tuple[int, str]]:
    """
    Return the number and the period of each limit in *text*.

    Args:
        text: Such as *example*.

        periods: Which lengths of time there are; each may have one limit.

        example: For the error.

    Raises:
        TypeError, ValueError: If it is none.
    """
    if not isinstance(text, str):
        raise TypeError(f"Expected a text such as {example!r}, given {text!r}.")
    limits = []
    for part in text.split(","):
        found = _LIMIT.fullmatch(part)
        if found is None or int(found[1]) == 0 or found[2] not in periods:
            raise ValueError(
                f"Expected a number above 0, a slash and one of {', '.join(periods)}, such as {example!r}; given "
                f"{part.strip()!r}."
            )
        limits.append((int(found[1]), found[2]))
    if len({period for _, period in limits}) < len(limits):
        raise ValueError(f"Expected one limit for each length of time, given {text!r}.")
    return limits
