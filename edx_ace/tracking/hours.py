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
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from django.db.models import Count
from django.db.models.functions import TruncHour

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
        read = _hours_of({question.person for question in questions})
        return [_moment(question, read[question.person]) for question in questions]


def _hours_of(people: set[str]) -> defaultdict[str, Counter[datetime]]:
    """Return how often each of *people* read, by the hour of their readings (UTC)."""
    rows = Engagement.objects.filter(person__in=people, is_machine=False)
    found: defaultdict[str, Counter[datetime]] = defaultdict(Counter)
    # In UTC: MariaDB may know no other time zone.
    for person, hour, number in (
        rows.values_list("person", TruncHour("at", tzinfo=UTC)).annotate(number=Count("pk")).order_by()
    ):
        assert person is not None
        found[person][hour] += number
    return found


def _moment(question: Question, read: Counter[datetime]) -> datetime | None:
    if read.total() < ENOUGH:
        return None
    by_hour: Counter[int] = Counter()
    for hour, number in read.items():
        by_hour[hour.astimezone(question.zone).hour] += number
    enough = max(by_hour.values()) * GOOD_SHARE
    good = {hour for hour, number in by_hour.items() if number >= enough}
    moment = question.earliest
    while moment <= question.latest:
        if moment.astimezone(question.zone).hour in good:
            return moment
        moment = _next_hour(moment)
    return None


def _next_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0) + _HOUR
