"""
Internal: from the hours on somebody's clock to moments, on the days on which clocks are changed, too.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)

#: From when to when, on somebody's clock; the second may be on the next day.
Hours = tuple[time, time]


def moment(day: date, at: time, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """
    Return when it is *at* on that *day* in *zone* (aware, UTC).

    An hour that clocks leave out is over when they do; of one that they repeat it is the first, or the *last*.
    """
    local = datetime.combine(day, at, zone)
    found = local.replace(fold=int(last)).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return found
    # Taken by the offset after the change and by that before it, the time lies on either side of the change.
    before, after = (local.replace(fold=fold).astimezone(UTC) for fold in (1, 0))
    offset = after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def end_of_quiet(now: datetime, hours: Hours, zone: ZoneInfo) -> datetime | None:
    """Return when the quiet *hours* are over in which it is *now*; None: it is not in them."""
    start, end = hours
    today = now.astimezone(zone).date()
    until = None
    # Where a whole day is left out, those of one day end when those of the next begin.
    for day in (today - _DAY, today, today + _DAY):
        over = moment(day if start < end else day + _DAY, end, zone, last=True)
        if moment(day, start, zone) <= (until or now) < over:
            until = over
    return until


def next_at(now: datetime, at: time, zone: ZoneInfo, weekday: int | None = None) -> datetime:
    """Return the first moment after *now* when it is *at* in *zone*, on that *weekday* (0: Monday) if one is given."""
    day = now.astimezone(zone).date()
    while (weekday is not None and day.weekday() != weekday) or moment(day, at, zone) <= now:
        day += _DAY
    return moment(day, at, zone)


def monday_of(day: date) -> date:
    """Return the day with which the week of *day* begins."""
    return day - timedelta(days=day.weekday())
