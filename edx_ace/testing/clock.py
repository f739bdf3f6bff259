"""
Internal: the frozen clock of `edx_ace.testing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from unittest.mock import patch

from edx_ace import batch, delivery
from edx_ace.utils import date


class Clock:
    """
    A clock that moves only when it is told to, or slept on.

    Attributes:
        now: Its time, aware.
    """

    def __init__(self, now: datetime) -> None:
        self.now = date.as_utc(now)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now += timedelta(seconds=seconds)


@contextmanager
def frozen_clock(at: datetime | None = None) -> Iterator[Clock]:
    """
    Stop the clock that `edx_ace.utils.date.get_current_time` reads; a wait before a retry moves it and takes no time.

    Nothing else is stopped: ``datetime.now()`` and Django's ``timezone.now()`` go on.

    Args:
        at: The moment at which it stands; a naive one is read as UTC. None: now.
    """
    clock = Clock(at or datetime.now(tz=UTC))
    sleeping = _Time(clock)
    with (
        patch.object(date, "datetime", _Datetime(clock)),
        patch.object(delivery, "time", sleeping),
        patch.object(batch, "time", sleeping),
    ):
        yield clock


class _Datetime:
    """Stands in for the class `datetime` where the current time is read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self, tz: tzinfo | None = None) -> datetime:
        return self._clock.now.astimezone(tz)

    def __getattr__(self, name: str) -> Any:
        return getattr(datetime, name)


class _Time:
    """Stands in for the module `time` where a retry is waited for."""

    def __init__(self, clock: Clock) -> None:
        self.sleep = clock.advance
