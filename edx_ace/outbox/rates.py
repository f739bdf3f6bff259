"""
Internal: how many messages a channel may take in a time, over all workers (``ACE_RATE_LIMITS``).

A worker *takes* before it claims, and claims no more than it got: what exceeds a limit is not touched and waits in its
place. What it claims and then does not hand over it gives back. A window slides: of any stretch of time as long as the
period of a limit it counts twentieths, and the one that has just fallen out in part it counts in full. So a limit is
never exceeded by what is taken, and a twentieth of it may be left unused. How many were taken is kept by
`edx_ace.outbox.usage`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

import attrs

from edx_ace.limits import parse as parse_limits
from edx_ace.outbox import usage
from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.usage import Usage

#: Into how many parts a window is divided.
PARTS = 20

#: Which share of a limit one worker may take at a time, so that many workers share it and few are late with it.
SHARE_AT_A_TIME = 0.1

#: Which share of a limit holds for all workers together while the store that is set cannot be reached.
SHARE_WITHOUT_STORE = 0.1

Answer = TypeVar("Answer")

_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86400}


@attrs.frozen
class Rate:
    """
    A limit.

    Attributes:
        number: How many messages.

        seconds: In how long a time.
    """

    number: int
    seconds: int

    def part(self, now: float) -> int:
        """Return the number of the part of a window in which *now* (seconds since 1970) lies."""
        return int(now * PARTS // self.seconds)

    @property
    def at_a_time(self) -> int:
        """How many one worker may take at a time."""
        return max(1, int(self.number * SHARE_AT_A_TIME))

    def reduced(self) -> Rate:
        """Return what is left of it while the store that is set cannot be reached."""
        return attrs.evolve(self, number=max(1, int(self.number * SHARE_WITHOUT_STORE)))

    def allows(self, is_essential: bool) -> int:
        """Return how many it allows: a part is kept for essential messages."""
        kept = math.ceil(self.number * settings.RATE_LIMITS_RESERVE)
        return self.number if is_essential else max(1, self.number - kept)

    def window(self, used: Usage, now: float) -> dict[int, int]:
        """Return how many were taken in each part of the window that ends *now*."""
        current = self.part(now)
        # Later than the current one is what somebody took whose statement began a moment later.
        return {part: number for part, number in used.get(self.seconds, {}).items() if abs(current - part) <= PARTS}

    def wait(self, used: Usage, now: float) -> float:
        """Return for how many seconds nothing but essential messages is allowed."""
        window = self.window(used, now)
        free = self.allows(is_essential=False) - sum(window.values())
        free_at = now
        for part in sorted(window):
            if free > 0:
                break
            free += window[part]
            free_at = (part + PARTS + 1) * self.seconds / PARTS
        return max(0.0, free_at - now)


def parse(text: str) -> tuple[Rate, ...]:
    """
    Return what a text such as ``"14/s, 50000/day"`` means.

    Raises:
        TypeError, ValueError: If it is none.
    """
    limits = parse_limits(text, _SECONDS, "14/s, 50000/day")
    return tuple(Rate(number, _SECONDS[period]) for number, period in limits)


def limited() -> dict[str, tuple[Rate, ...]]:
    """Return the limits of each channel that has some."""
    return {name: _parsed(text) for name, text in settings.RATE_LIMITS.items()}


_parsed = lru_cache(maxsize=64)(parse)


def take(name: str, wanted: int, *, is_essential: bool) -> int:
    """
    Return how many of *wanted* messages the channel *name* may be given now, and count them as given.

    Args:
        name: A channel that has limits.

        wanted: How many at most.

        is_essential: Whether what is kept for essential messages may be taken.
    """

    def change(used: Usage, rates: Sequence[Rate], now: float) -> int:
        windows = [rate.window(used, now) for rate in rates]
        free = min(
            rate.allows(is_essential) - sum(window.values()) for rate, window in zip(rates, windows, strict=True)
        )
        taken = max(0, min(wanted, free, *(rate.at_a_time for rate in rates)))
        if taken:
            for rate, window in zip(rates, windows, strict=True):
                window[rate.part(now)] = window.get(rate.part(now), 0) + taken
                used[rate.seconds] = window
        return taken

    return _change(name, change)


def give_back(name: str, number: int, age: float = 0) -> None:
    """
    Count messages that were taken for the channel *name*, and not handed over, as not given.

    Args:
        name: A channel that has limits.

        number: How many.

        age: How long ago they were taken, in seconds: of a window that they have left by now nothing is given back.
    """

    def change(used: Usage, rates: Sequence[Rate], now: float) -> None:
        for rate in rates:
            window = rate.window(used, now)
            left = number
            # From the oldest: those that went later are counted for the longer.
            for part in sorted(part for part in window if part <= rate.part(now - age)):
                given_back = min(left, window[part])
                window[part] -= given_back
                left -= given_back
            used[rate.seconds] = {part: taken for part, taken in window.items() if taken}

    _change(name, change)


def give_back_unused(rows: Iterable[Delivery], age: float) -> None:
    """Give back what was taken for *rows*, which were claimed *age* seconds ago and not handed over."""
    unused = Counter(row.channel for row in rows)
    for name in unused.keys() & limited().keys():
        give_back(name, unused[name], age)


def seconds_until_free(name: str) -> float:
    """Return after how many seconds the channel *name* may be given other than essential messages."""
    return _change(name, lambda used, rates, now: max(rate.wait(used, now) for rate in rates))


def _change(name: str, change: Callable[[Usage, Sequence[Rate], float], Answer]) -> Answer:
    rates = limited()[name]

    def with_rates(used: Usage, now: float, is_substitute: bool) -> Answer:
        return change(used, [rate.reduced() for rate in rates] if is_substitute else rates, now)

    return usage.change(name, with_rates)
