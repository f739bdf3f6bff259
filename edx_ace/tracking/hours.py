"""
Public: the estimator ``reading_hours`` for the policy ``send_time``: messages go in the hours in which a person read
before.

It is found under the entry-point group ``openedx.ace.send_time``; a site enables it with ACE_SEND_TIME. What it goes by
are the first opens and clicks of a person (`edx_ace.tracking.engagement`), hour by hour of their own day. Somebody of
whom little is known gets the message at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from edx_ace.tracking.models import Engagement

#: How many first opens and clicks somebody must have for their hours to mean anything.
ENOUGH = 5

#: Which part of the reading of the best hour an hour must have to be as good.
GOOD_SHARE = 0.5

_HOUR = timedelta(hours=1)


class Question(Protocol):
    """Who, and between which moments (aware, UTC); what the policy asks says more."""

    @property
    def person(self) -> str: ...
    @property
    def zone(self) -> ZoneInfo: ...
    @property
    def earliest(self) -> datetime: ...
    @property
    def latest(self) -> datetime: ...


class ReadingHours:
    """Names the first hour, from the earliest moment on, that is about as good as the person's best."""

    @classmethod
    def enabled(cls) -> bool:
        """Needs no setting of its own."""
        return True

    def best_moments(self, questions: Sequence[Question]) -> list[datetime | None]:
        """Return the moment for each of *questions*, with one query for all of them; None: at once."""
        read = _readings_of({question.person for question in questions})
        return [_moment(question, read[question.person]) for question in questions]


def _readings_of(people: set[str]) -> defaultdict[str, list[datetime]]:
    """Return when each of *people* read."""
    rows = Engagement.objects.filter(person__in=people, is_machine=False).order_by()
    found: defaultdict[str, list[datetime]] = defaultdict(list)
    for person, at in rows.values_list("person", "at"):
        assert person is not None
        found[person].append(at)
    return found


def _moment(question: Question, read: Sequence[datetime]) -> datetime | None:
    if len(read) < ENOUGH:
        return None
    by_hour = Counter(at.astimezone(question.zone).hour for at in read)
    enough = max(by_hour.values()) * GOOD_SHARE
    good = {hour for hour, number in by_hour.items() if number >= enough}
    moment = question.earliest
    while moment <= question.latest:
        if moment.astimezone(question.zone).hour in good:
            return moment
        moment = _next_hour(moment, question.zone)
    return None


def _next_hour(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return when the next hour begins by the clock of *zone*; not everywhere when one does in UTC."""
    local = moment.astimezone(zone)
    return moment + _HOUR - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
