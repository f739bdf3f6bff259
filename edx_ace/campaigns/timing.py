"""
Public: when a campaign starts, and when each of its recipients gets it.

A wall-clock time that a zone's clocks leave out does not exist: in the campaign's own zone it is refused, in that of a
recipient it is over at the first moment after. Of one that they repeat it is the first.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings as django_settings
from django.utils.translation import gettext as _

from edx_ace.campaigns.errors import Problem, RefusedError, with_nearest
from edx_ace.campaigns.host import host
from edx_ace.campaigns.models import Campaign, Timing
from edx_ace.preferences.moments import moment

#: Where a time of the day comes first in the world, and where last.
FIRST_ZONE = timezone(timedelta(hours=14))
LAST_ZONE = timezone(timedelta(hours=-12))

_MINUTE = timedelta(minutes=1)


def due_at(campaign: Campaign, now: datetime) -> datetime:
    """
    Return when *campaign* starts, if it is scheduled *now*.

    With each recipient's local time that is when the first zone in the world comes to it, or *now* if that has passed
    and there is a zone in which it has not.

    Raises:
        RefusedError: If its time is malformed, does not exist or has passed, or the date that it goes by is gone.
    """
    starts = starts_at(campaign, now)
    ends = _at(_wall_time(campaign), LAST_ZONE) if campaign.timing == Timing.LOCAL else starts
    if ends < now:
        there = ends.astimezone(_zone_of(campaign))
        text = _("%(time)s has passed. Choose a later time, or send it now.") % {"time": _shown(there)}
        raise RefusedError([Problem("past", text, _field(campaign))])
    return max(starts, now)


def starts_at(campaign: Campaign, now: datetime) -> datetime:
    """
    Return when *campaign* starts, even if that has passed; *now* if it has no time.

    Raises:
        RefusedError: If its time is malformed or does not exist, or the date that it goes by is gone.
    """
    match campaign.timing:
        case Timing.AT:
            wall_time, zone = _wall_time(campaign), _zone(campaign.zone, "zone")
            found = _at(wall_time, zone)
            _refuse_gap(wall_time, zone, found)
            return found
        case Timing.LOCAL:
            return _at(_wall_time(campaign), FIRST_ZONE)
        case Timing.RELATIVE:
            try:
                return _date(campaign) + timedelta(minutes=campaign.offset_minutes)
            except OverflowError:
                reason = _("So long before or after there are no dates. Choose fewer minutes.")
                raise RefusedError([Problem("bad_time", reason, "offset_minutes")]) from None
        case _:
            return now


def local_moment(campaign: Campaign, zone: str | None) -> datetime:
    """
    Return when whoever lives in *zone* gets *campaign*, which goes by local times; what has passed goes at once.

    Args:
        campaign: Its time is well formed.

        zone: Name of a time zone; the site's own stands for None and for one that does not exist.
    """
    try:
        place = ZoneInfo(zone or django_settings.TIME_ZONE)
    except (KeyError, ValueError, OSError):
        # People's profiles hold what they hold; their messages go all the same.
        place = ZoneInfo(django_settings.TIME_ZONE)
    return _at(_wall_time(campaign), place)


def problems(campaign: Campaign, now: datetime) -> list[Problem]:
    """Return what is wrong with the schedule of *campaign*, but that it has passed: drafts outlive their times."""
    try:
        starts_at(campaign, now)
        if campaign.zone:
            _zone(campaign.zone, "zone")
    except RefusedError as error:
        return error.problems
    return []


def comes_twice(campaign: Campaign) -> bool:
    """Return whether the clocks of the zone of *campaign*, which goes by it, show its time twice."""
    wall_time, zone = _wall_time(campaign), _zone(campaign.zone, "zone")
    return moment(wall_time.date(), wall_time.time(), zone, last=True) != _at(wall_time, zone)


def _at(wall_time: datetime, zone: tzinfo) -> datetime:
    if isinstance(zone, ZoneInfo):
        return moment(wall_time.date(), wall_time.time(), zone)
    return wall_time.replace(tzinfo=zone).astimezone(UTC)


def _wall_time(campaign: Campaign) -> datetime:
    text = campaign.wall_time
    try:
        # A year before the first or after the last has no moment in every zone.
        if len(text) == 16 and "1970" < text < "9999":
            return datetime.strptime(text, "%Y-%m-%dT%H:%M")
    except ValueError:
        pass
    reason = _("Expected a date and a time such as 2027-03-28T10:00.") if text else _("Choose a date and a time.")
    raise RefusedError([Problem("bad_time", reason, "wall_time")])


def _zone(name: str, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        reason = _("There is no time zone “%(name)s”.") % {"name": name} if name else _("Choose a time zone.")
        raise RefusedError([Problem("bad_zone", with_nearest(reason, name, available_timezones()), where)]) from None


def _zone_of(campaign: Campaign) -> tzinfo:
    return LAST_ZONE if campaign.timing == Timing.LOCAL else ZoneInfo(campaign.zone or django_settings.TIME_ZONE)


def _refuse_gap(wall_time: datetime, zone: ZoneInfo, found: datetime) -> None:
    """Refuse *wall_time* if clocks leave it out; *found* is then the first moment after."""
    after = found.astimezone(zone).replace(tzinfo=None)
    if after == wall_time:
        return
    before = (found - _MINUTE).astimezone(zone).replace(tzinfo=None)
    text = _(
        "%(time)s does not exist in %(zone)s: clocks go from %(start)s to %(end)s. Choose %(before)s or earlier, or "
        "%(end)s or later."
    )
    said = {"time": wall_time, "start": before + _MINUTE, "end": after, "before": before}
    values = {name: _shown(moment) for name, moment in said.items()}
    raise RefusedError([Problem("no_such_time", text % {**values, "zone": zone.key}, "wall_time")])


def _date(campaign: Campaign) -> datetime:
    dates = host().dates(campaign.scope)
    if campaign.anchor not in dates:
        reason = (
            _("The date “%(name)s” is gone. Choose another, or a time of its own.") % {"name": campaign.anchor}
            if campaign.anchor
            else _("Choose the date that it goes by.")
        )
        raise RefusedError([Problem("date_gone", reason, "anchor")])
    return dates[campaign.anchor][1].astimezone(UTC)


def _field(campaign: Campaign) -> str:
    return "anchor" if campaign.timing == Timing.RELATIVE else "wall_time"


def _shown(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M")
