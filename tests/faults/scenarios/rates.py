"""
Internal: many workers at one limit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from edx_ace.outbox import Priority, State
from edx_ace.outbox.models import Attempt
from tests.brokers import Redis, running
from tests.faults.nemesis import wait_for, wait_until_done
from tests.faults.workers import PATIENT

WORKERS = 6

#: Messages a second, and how many more may arrive in a second: what each worker may have taken and be late with.
LIMIT = 50
BURST = WORKERS * LIMIT // 10

MESSAGES = 500

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["database", "redis"])
def store(request, tmp_path):
    """Settings that say where the limit is kept: each in turn."""
    if request.param == "database":
        yield {}
    else:
        with running(Redis, tmp_path / "redis") as redis:
            yield {"ACE_RATE_LIMITS_REDIS": redis.url}


def test_no_sliding_second_has_more_than_the_limit_and_its_burst(trial, store):
    """
    Six processes share it; an essential message overtakes what waits; nothing fails and nothing is tried twice.
    """
    arrivals: list[tuple[float, UUID]] = []

    def note(message):
        arrivals.append((time.monotonic(), UUID(message.email["Message-ID"].strip("<>").partition("@")[0])))

    trial.sink.on_message = note
    trial.enqueue((f"fine{number}" for number in range(MESSAGES)), priority=Priority.BULK)
    trial.workers.start(WORKERS, ACE_RATE_LIMITS={"django_email": f"{LIMIT}/s"}, **store, **PATIENT)
    wait_for(lambda: trial.sink.count >= MESSAGES // 10, "the first to arrive")
    trial.enqueue(["urgent"], priority=Priority.ESSENTIAL)
    wait_until_done()
    trial.workers.end()

    moments = [moment for moment, _ in arrivals]
    most, seconds = most_in_a_second(moments), moments[-1] - moments[0]
    overtaken = MESSAGES - [uuid for _, uuid in arrivals].index(trial.messages[-1].uuid)
    print(f"at most {most} a second, {len(moments) / seconds:.0f} on average; {overtaken} overtaken", end=" ")
    assert trial.complaints(trial.outcome()) == []
    assert most <= LIMIT + BURST
    assert seconds >= MESSAGES / LIMIT - 2
    assert overtaken > MESSAGES // 10
    assert Attempt.objects.count() == MESSAGES + 1


def test_what_expires_while_it_waits_for_a_limit_is_not_sent(trial):
    """
    It ends when its time is over, though the limit lets nothing pass until tomorrow.
    """
    expiry = datetime.now(tz=UTC) + timedelta(seconds=8)
    trial.enqueue((f"fine{number}" for number in range(50)), fields={"expiration_time": expiry})
    trial.workers.start(2, ACE_RATE_LIMITS={"django_email": "20/day"}, **PATIENT)
    wait_until_done()
    trial.workers.end()

    found = trial.outcome()
    ends = dict.fromkeys(found.rows, (State.SENT, State.EXPIRED))
    assert trial.complaints(found, ends=ends) == []
    # Two are kept for essential messages.
    assert found.states == {State.SENT: 18, State.EXPIRED: 32}


def most_in_a_second(moments: Sequence[float]) -> int:
    """Return the largest number of *moments*, which are in order, within a second of one another."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most
