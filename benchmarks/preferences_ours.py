"""
Internal: an outbox whose people have preferences: fills its tables, delivers, and says what it took.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import queue_ours
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from messages import messages
from queue_ours import LEASE, migrate, put_in  # noqa: F401  # `serve` answers with them
from serving import serve, timed

from edx_ace.channel import ChannelType
from edx_ace.outbox import guards, leases, processing
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import State
from edx_ace.outbox.worker import Worker
from edx_ace.policy import channels_for_many
from edx_ace.preferences import send_time
from edx_ace.preferences.models import Choice, QuietHours, Slot
from edx_ace.preferences.moments import monday_of
from edx_ace.preferences.policies import OPTED_OUT

POLICIES = ["preference", "quiet_hours", "frequency_cap", "digest", "send_time"]


class NoBetterMoment(send_time.Estimator):
    """Is asked, and lets everything go at once."""

    def best_moments(self, questions: Any) -> list[None]:
        return [None for _ in questions]


send_time.estimator = NoBetterMoment


def clear() -> None:
    """Empty the tables."""
    queue_ours.clear()
    with connection.cursor() as cursor:
        for model in (Choice, QuietHours, Slot):
            cursor.execute(f"TRUNCATE {model._meta.db_table}")


def fill(count: int) -> None:
    """
    Give *count* people realistic preferences.

    Every third chose something, one in twenty turned news off and one in fifty takes them once a day; every fifth has
    quiet hours, which it is not now, and every third got one to three messages this week.
    """
    now = datetime.now(tz=UTC)
    choices, quiet, slots = [], [], []
    for number in range(1, count + 1):
        person = str(number)
        if number % 3 == 0:
            choices.append(_choice(person, "offers", "immediate", now))
        if number % 6 == 0:
            choices.append(_choice(person, "news", "off", now, scope="course:2"))
        if number % 20 == 1:
            choices.append(_choice(person, "news", "off", now))
        if number % 50 == 2:
            choices.append(_choice(person, "news", "daily", now))
        if number % 5 == 0:
            start = now + timedelta(hours=6)
            quiet.append(QuietHours(person=person, start=start.time(), end=(start + timedelta(hours=8)).time()))
        if number % 3 == 1:
            slots += [_slot(person, one, now) for one in range(1, number % 4 + 1)]
    for rows in (choices, quiet, slots):
        type(rows[0]).objects.bulk_create(rows, batch_size=1000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def fill_many(people: int, of_each: int) -> None:
    """Write *of_each* choices for each of *people*; none of them turns news off."""
    table = Choice._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (person, channel_type, category, scope, taking, source, changed_at) "
            "SELECT person::text, 'email', 'category-' || n, CASE WHEN n % 2 = 0 THEN 'course:' || n ELSE '' END, "
            "CASE WHEN n % 3 = 0 THEN 'off' ELSE 'immediate' END, 'page', now() "
            f"FROM generate_series(1, {people}) AS person, generate_series(1, {of_each}) AS n"
        )
        cursor.execute(f"VACUUM ANALYZE {table}")


def deliver(policies: bool) -> dict[str, float]:
    """Deliver all that is due, with *policies* or with none and without a guard."""
    settings.ACE_ENABLED_POLICIES = POLICIES if policies else []
    _guard(policies)
    took = timed(lambda worker: worker.run(), [Worker(threads=1, once=True)])
    states = dict.fromkeys(State.values, 0)
    for state in Delivery.objects.values_list("state", flat=True):
        states[state] += 1
    return took | {state: number for state, number in states.items() if number}


def queries(count: int) -> list[str]:
    """Return what is asked of the database about a chunk of *count* messages."""
    settings.ACE_ENABLED_POLICIES = POLICIES
    chunk = list(messages(count))
    with CaptureQueriesContext(connection) as captured:
        channels_for_many(chunk, [{ChannelType.EMAIL: ""} for _ in chunk])
    return [one["sql"] for one in captured if one["sql"] not in ("BEGIN", "COMMIT")]


def permits(guarded: bool, windows: int, size: int) -> dict[str, float]:
    """Claim, and then take permits for windows of *size*; only these are timed. With the guards, or with none."""
    _guard(guarded)
    rows = leases.claim(Delivery.objects.all(), windows * size, LEASE)
    assert len(rows) == windows * size
    took = timed(_permit, [rows[at : at + size] for at in range(0, len(rows), size)])
    assert all(row.state == State.HANDING for row in rows)
    leases.move(rows, State.HANDING, State.QUEUED)
    return took


def plan(size: int) -> list[str]:
    """Return how the database scans the choices for a permit of *size* messages."""
    _guard(True)
    rows = leases.claim(Delivery.objects.all(), size, LEASE)
    with CaptureQueriesContext(connection) as captured:
        _permit(rows)
    [update] = [one["sql"] for one in captured if one["sql"].startswith("UPDATE")]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + update)
        [[found]] = cursor.fetchall()
    leases.move(rows, State.HANDING, State.QUEUED)
    return _scans(found if isinstance(found, list) else json.loads(found))


def _scans(found: Any) -> list[str]:
    """Return the kind of each scan of the choices in the plan *found*."""
    if isinstance(found, list):
        return [scan for one in found for scan in _scans(one)]
    if not isinstance(found, dict):
        return []
    here = [found["Node Type"]] if found.get("Relation Name") == Choice._meta.db_table else []
    return here + [scan for one in found.values() for scan in _scans(one)]


def _permit(rows: list[Delivery]) -> list[Delivery]:
    return leases.permit(rows, LEASE, processing._forbidden())


def _guard(is_asked: bool) -> None:
    while guards.guards():
        guards.unregister(guards.guards()[0])
    if is_asked:
        guards.register(OPTED_OUT)


def _choice(person: str, category: str, taking: str, now: datetime, scope: str = "") -> Choice:
    return Choice(
        person=person,
        channel_type="email",
        category=category,
        scope=scope,
        taking=taking,
        source="page",
        changed_at=now,
    )


def _slot(person: str, number: int, now: datetime) -> Slot:
    return Slot(
        person=person,
        week=monday_of(now.date()),
        number=number,
        day=monday_of(now.date()),
        channel_type="email",
        message=uuid4(),
    )


if __name__ == "__main__":
    serve(globals())
