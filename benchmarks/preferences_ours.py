"""
Internal: an outbox whose people have preferences, and whose mail is tracked: fills its tables, delivers, and says what
it took.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import letter
import queue_ours
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from messages import messages
from plans import scans
from queue_ours import LEASE, migrate, put_in  # noqa: F401  # `serve` answers with them
from serving import serve, timed

from edx_ace.channel import ChannelType
from edx_ace.outbox import guards, leases, people, processing
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import State
from edx_ace.outbox.worker import Worker
from edx_ace.policy import channels_for_many
from edx_ace.preferences import send_time
from edx_ace.preferences.models import Choice, QuietHours, Slot
from edx_ace.preferences.moments import monday_of
from edx_ace.preferences.policies import OPTED_OUT
from edx_ace.tracking.models import Figure, Link, Reason, Suppression
from edx_ace.tracking.policies import SUPPRESSED

POLICIES = ["preference", "quiet_hours", "frequency_cap", "digest", "send_time"]

#: What can be switched on: policies, guards and content steps.
SWITCHES: dict[str, tuple[list[str], list[guards.Guard], list[str]]] = {
    "nothing": ([], [], []),
    "preferences": (POLICIES, [OPTED_OUT], ["track"]),
    "everything": (["suppression", *POLICIES], [OPTED_OUT, SUPPRESSED], ["unsubscribe", "track"]),
}


class NoBetterMoment(send_time.Estimator):
    """Is asked, and lets everything go at once."""

    def best_moments(self, questions: Any) -> list[None]:
        return [None for _ in questions]


send_time.estimator = NoBetterMoment


def clear() -> None:
    """Empty the tables."""
    queue_ours.clear()
    with connection.cursor() as cursor:
        for model in (Choice, QuietHours, Slot, Suppression, Link, Figure):
            cursor.execute(f"TRUNCATE {model._meta.db_table}")


def fill(count: int) -> None:
    """
    Give *count* people realistic preferences.

    Every third chose something, one in twenty turned news off and one in fifty takes them once a day; every fifth has
    quiet hours, which it is not now, and every third got one or two messages today, which reaches no cap on any day of
    the week. One in a hundred addresses is suppressed.
    """
    now = datetime.now(tz=UTC)
    choices, quiet, slots, suppressions = [], [], [], []
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
            slots += [_slot(person, one, now) for one in range(1, number % 2 + 2)]
        if number % 100 == 3:
            suppressions.append(_suppression(letter.address(number), now))
    for rows in (choices, quiet, slots, suppressions):
        type(rows[0]).objects.bulk_create(rows, batch_size=1000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def fill_many(people: int, of_each: int) -> None:
    """
    Write *of_each* choices for each of *people*, none of which turns news off, and suppress as many other addresses.
    """
    choices, suppressions = Choice._meta.db_table, Suppression._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {choices} (person, channel_type, category, scope, taking, source, changed_at) "
            "SELECT person::text, 'email', 'category-' || n, CASE WHEN n % 2 = 0 THEN 'course:' || n ELSE '' END, "
            "CASE WHEN n % 3 = 0 THEN 'off' ELSE 'immediate' END, 'page', now() "
            f"FROM generate_series(1, {people}) AS person, generate_series(1, {of_each}) AS n"
        )
        cursor.execute(
            f"INSERT INTO {suppressions} (channel_type, digest, address, category, reason, created_at) "
            "SELECT 'email', 'address:1:' || encode(sha256(n::text::bytea), 'hex'), "
            "'former' || n || '@example.com', '', CASE WHEN n % 3 = 0 THEN 'complaint' ELSE 'hard_bounce' END, now() "
            f"FROM generate_series(1, {people}) AS n"
        )
        cursor.execute(f"VACUUM ANALYZE {choices}, {suppressions}")


def deliver(switched_on: str) -> dict[str, float]:
    """Deliver all that is due, with what one of `SWITCHES` has."""
    settings.ACE_ENABLED_POLICIES, asked, settings.ACE_CONTENT_STEPS = SWITCHES[switched_on]
    _guard(asked)
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
    """
    Claim, then take permits for windows of *size*, as a worker does; only these are timed. With the guards, or none.
    """
    _guard(SWITCHES["everything" if guarded else "nothing"][1])
    rows = leases.claim(Delivery.objects.all(), windows * size, LEASE)
    assert len(rows) == windows * size
    starts = range(0, len(rows), size)
    took = timed(_permits, [[rows[at : at + size] for at in starts]])
    assert all(row.state == State.HANDING for row in rows)
    leases.move(rows, State.HANDING, State.QUEUED)
    return took


def plan(size: int) -> dict[str, list[str]]:
    """Return how the database scans the tables of the guards for a permit of *size* messages."""
    _guard(SWITCHES["everything"][1])
    rows = leases.claim(Delivery.objects.all(), size, LEASE)
    with CaptureQueriesContext(connection) as captured:
        _permits([rows])
    [permit] = [one["sql"] for one in captured if "UPDATE" in one["sql"]]
    found = {model._meta.db_table: scans(permit, model._meta.db_table) for model in (Choice, Suppression)}
    leases.move(rows, State.HANDING, State.QUEUED)
    return found


def _permits(windows: Sequence[Sequence[Delivery]]) -> None:
    permit = leases.permission(Delivery, LEASE, processing._forbidden())
    for rows in windows:
        permit(rows)


def _guard(asked: Sequence[guards.Guard]) -> None:
    while guards.guards():
        guards.unregister(guards.guards()[0])
    for guard in asked:
        guards.register(guard)


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
        day=now.date(),
        channel_type="email",
        message=uuid4(),
    )


def _suppression(address: str, now: datetime) -> Suppression:
    return Suppression(
        channel_type="email",
        digest=people.person_keys_of_address(ChannelType.EMAIL, address)[0],
        address=address,
        reason=Reason.HARD_BOUNCE,
        created_at=now,
    )


if __name__ == "__main__":
    serve(globals())
