"""
Internal: quiet hours on the page on which people choose: what it shows of them, and what its form says.
"""

from __future__ import annotations

from datetime import time

import attrs

from edx_ace import Recipient
from edx_ace.preferences import reset_quiet_hours, set_quiet_hours
from edx_ace.preferences.conf import settings
from edx_ace.preferences.lookup import site_hours
from edx_ace.preferences.models import QuietHours
from edx_ace.preferences.moments import Hours
from edx_ace.preferences.places import places_of
from edx_ace.utils import date as clock
from edx_ace.web.pages import BadFormError

#: How people choose their quiet hours: as the site has them, none at all, or their own.
SITE, NONE, OWN = "site", "none", "own"

#: Names of fields of the form; those of categories have a colon.
HOW, START, END = "quiet", "quiet_start", "quiet_end"

#: What the form proposes where neither the person nor the site has hours.
_NIGHT = (time(22), time(7))


@attrs.frozen
class QuietChoice:
    """
    When a person is to be left alone, as they chose it.

    Attributes:
        how: `SITE`, `NONE` or `OWN`.

        start, end: From when to when, with `OWN` alone.
    """

    how: str
    start: time | None = None
    end: time | None = None

    @classmethod
    def of(cls, person: str) -> QuietChoice:
        """Return what *person* has chosen, with one query; whoever has not goes by the site."""
        row = QuietHours.objects.filter(person=person).first()
        if row is None:
            return cls(SITE)
        return cls(NONE if row.start is None else OWN, row.start, row.end)

    @classmethod
    def taken_from(cls, fields: dict[str, list[str]]) -> QuietChoice | None:
        """
        Take what is chosen out of the *fields* of a form; None: there is nothing of it.

        Raises:
            BadFormError: If the page offers no such fields.
        """
        if not fields.keys() & {HOW, START, END}:
            return None
        how, start, end = (_only(fields.pop(name, [])) for name in (HOW, START, END))
        if how not in (SITE, NONE, OWN):
            raise BadFormError
        # Browsers post the times whatever is chosen.
        hours = _time(start), _time(end)
        return cls(how, *hours) if how == OWN else cls(how)

    @property
    def is_wrong(self) -> bool:
        """Whether these are no hours: a time is missing, or it is the same twice."""
        return self.how == OWN and (self.start is None or self.end is None or self.start == self.end)

    @property
    def shown(self) -> str:
        """What the form shows as chosen: there is no way of a site that has no hours."""
        return NONE if self.how == SITE and self.of_site is None else self.how

    @property
    def of_site(self) -> Hours | None:
        """When people are left alone who have chosen nothing."""
        return site_hours()

    @property
    def proposed(self) -> list[str]:
        """What stands in the form as start and end: the person's own, else what they might begin with."""
        hours = (self.start, self.end) if self.how == OWN else self.of_site or _NIGHT
        return [_text(one) for one in hours]

    @property
    def fields(self) -> list[tuple[str, str]]:
        """What a form posts that chooses it."""
        times = [(START, _text(self.start)), (END, _text(self.end))] if self.how == OWN else []
        return [(HOW, self.how), *times]

    def write(self, person: str) -> None:
        """Let *person* have it so from now on, unless it is so already; a part of the caller's transaction."""
        now = QuietChoice.of(person)
        if self == now or self.shown == now.shown == NONE:
            return
        if self.how == SITE:
            reset_quiet_hours(person)
        else:
            set_quiet_hours(person, self.start, self.end)


@attrs.frozen
class Clock:
    """
    The clock by which a person's hours go.

    Attributes:
        zone: The name of its time zone.

        now: What it shows.
    """

    zone: str
    now: time

    @classmethod
    def of(cls, recipient: Recipient | None) -> Clock | None:
        """Return that of *recipient*; None: the host alone knows it, of an address that is not kept."""
        if recipient is None and settings.PEOPLE:
            return None
        [place] = places_of([recipient or Recipient(None)])
        return cls(place.zone.key.replace("_", " "), clock.get_current_time().astimezone(place.zone).time())


def _only(values: list[str]) -> str:
    if len(values) > 1:
        raise BadFormError
    return values[0] if values else ""


def _time(text: str) -> time | None:
    """Return the time of the day that a browser posts as *text*, with or without seconds; None: it was left empty."""
    if not text:
        return None
    try:
        found = time.fromisoformat(text)
    except ValueError:
        raise BadFormError from None
    if found.isoformat() not in (text, f"{text}:00") or found.tzinfo:
        raise BadFormError
    return found


def _text(at: time | None) -> str:
    return "" if at is None else at.isoformat().removesuffix(":00")
