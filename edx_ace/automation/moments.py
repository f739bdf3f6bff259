"""
Public: when a message goes: now, before or after a date at a time of the day, or by a rule again and again.

All moments returned are aware and in UTC. A time of the day that a zone's clocks leave out is over at the first moment
after; of one that they repeat it is the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from dateutil.relativedelta import relativedelta
from dateutil.rrule import rrule, rrulestr
from django.conf import settings as django_settings
from django.utils import timezone

from edx_ace.automation.errors import AutomationError
from edx_ace.errors import did_you_mean
from edx_ace.preferences.moments import moment

#: As RFC 5545 has it where the first occurrence has a zone; python-dateutil wants it without.
_UNTIL = re.compile(r"(?<=UNTIL=)\d{8}T\d{6}Z", re.I)

_MICROSECOND = timedelta(microseconds=1)


#: When the message that is looked at was scheduled, or brought back last. None: there is none yet.
_began: ContextVar[datetime | None] = ContextVar("_began", default=None)


def now(cool_off: timedelta = timedelta()) -> datetime:
    """
    Return this moment, or the one after *cool_off*, in which whatever led to the message may be taken back.

    Where a message is brought up to date, this moment is still the one at which it was scheduled, so that no change of
    its object puts it off.
    """
    return (_began.get() or timezone.now()).astimezone(UTC) + cool_off


@contextmanager
def counted_from(began: datetime) -> Iterator[None]:
    """Let `now` be *began* meanwhile."""
    token = _began.set(began)
    try:
        yield
    finally:
        _began.reset(token)


def before(
    day: date,
    at: time | str = "09:00",
    zone: ZoneInfo | str | None = None,
    *,
    days: int = 0,
    weeks: int = 0,
    months: int = 0,
) -> datetime:
    """
    Return when it is *at* in *zone*, so long before *day*.

    Args:
        day: A date, or a moment, of which the date in *zone* is taken.

        at: Time of the day, such as ``"09:00"``.

        zone: A time zone or its name. None: the site's.

        days, weeks, months: How long before. A month before 31 March is the last of February.

    Raises:
        AutomationError: If there is no such time or zone.
    """
    return _shifted(day, at, zone, -relativedelta(days=days, weeks=weeks, months=months))


def after(
    day: date,
    at: time | str = "09:00",
    zone: ZoneInfo | str | None = None,
    *,
    days: int = 0,
    weeks: int = 0,
    months: int = 0,
) -> datetime:
    """Return when it is *at* in *zone*, so long after *day*; all else is as for `before`."""
    return _shifted(day, at, zone, relativedelta(days=days, weeks=weeks, months=months))


class Rule:
    """
    Says when something happens again and again, by a clock on a wall.

    Its occurrences are counted from the first on, with each question.

    Args:
        text: The value of an RRULE of RFC 5545, such as ``"FREQ=MONTHLY;INTERVAL=3"``.

        start: When it begins, which sets the time of the day; the first occurrence, if the rule has it. A naive one is
            read as in *zone*.

        zone: A time zone or its name, whose clocks it goes by. None: the site's.

    Raises:
        AutomationError: If there is no such zone, or *text* is no such rule.
    """

    def __init__(self, text: str, start: datetime, zone: ZoneInfo | str | None = None) -> None:
        self.text = text
        self.zone = _zone(zone)
        self.start = _wall_time(start, self.zone)
        self._rule = _parsed(text, self.start, self.zone)

    def __contains__(self, occurrence: datetime) -> bool:
        return self.next_after(occurrence - _MICROSECOND) == occurrence

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first occurrence that is later than *moment* (aware); None: there is none any more."""
        # Clocks are put back by less than a day, so that no occurrence is missed.
        for wall_time in self._rule.xafter(_wall_time(moment, self.zone) - timedelta(days=1), inc=True):
            occurrence = _at(wall_time, self.zone)
            # Of those that the clocks leave out, several may fall together: then this is one.
            if occurrence > moment:
                return occurrence
        return None


@lru_cache(maxsize=1000)
def _parsed(text: str, start: datetime, zone: ZoneInfo) -> rrule:
    def local(until: re.Match[str]) -> str:
        utc = datetime.strptime(until[0].upper(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return utc.astimezone(zone).strftime("%Y%m%dT%H%M%S")

    try:
        found = rrulestr(_UNTIL.sub(local, text), dtstart=start)
    except (ValueError, TypeError, AttributeError) as error:
        raise AutomationError(
            f"Expected a rule of RFC 5545 such as 'FREQ=MONTHLY;INTERVAL=3', given {text!r}: {error}", code="bad_rule"
        ) from None
    if not isinstance(found, rrule):
        raise AutomationError(f"Expected one rule alone, without dates of its own, given {text!r}.", code="bad_rule")
    return found


def _shifted(day: date, at: time | str, zone: ZoneInfo | str | None, offset: relativedelta) -> datetime:
    place = _zone(zone)
    if isinstance(day, datetime):
        day = _wall_time(day, place).date()
    elif not isinstance(day, date):
        raise AutomationError(f"Expected a date or a datetime, given {day!r}.", code="bad_time")
    return _at(datetime.combine(day + offset, _time(at)), place)


def _at(wall_time: datetime, zone: ZoneInfo) -> datetime:
    return moment(wall_time.date(), wall_time.time(), zone)


def _wall_time(given: datetime, zone: ZoneInfo) -> datetime:
    """Return what clocks in *zone* show at *given*; a naive one is that already."""
    return given.astimezone(zone).replace(tzinfo=None) if timezone.is_aware(given) else given


def _time(given: time | str) -> time:
    try:
        found = time.fromisoformat(given) if isinstance(given, str) else given
        if isinstance(found, time) and found.tzinfo is None:
            return found
    except ValueError:
        pass
    raise AutomationError(f"Expected a time of the day such as '09:00', given {given!r}.", code="bad_time")


def _zone(given: ZoneInfo | str | None) -> ZoneInfo:
    if isinstance(given, ZoneInfo):
        return given
    name = django_settings.TIME_ZONE if given is None else given
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        hint = did_you_mean(name, available_timezones())
        raise AutomationError(
            f"Expected the name of a time zone such as 'Europe/Berlin', given {name!r}.{hint}", code="bad_zone"
        ) from None
