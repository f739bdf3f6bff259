"""
Internal: people who opt out, and messages that are cancelled, while workers send.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from edx_ace.outbox import State, cancel
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import OPEN
from tests.faults.nemesis import PATIENCE_SECONDS, Nemesis, wait_until_done
from tests.faults.trial import Trial
from tests.faults.workers import PATIENT

MESSAGES = 600
#: Of each of the two ways; together they are 5 % of the messages.
STOPPED = 15


@pytest.mark.django_db(transaction=True)
def test_nothing_arrives_whose_permit_came_after_an_opt_out_or_a_cancellation(trial):
    """
    On the first attempt and on later ones; with a window of 1 the mail server sees it.
    """
    assert stop_messages(trial) == []


def stop_messages(trial: Trial, traits: Sequence[str] = (), patience: float = PATIENCE_SECONDS) -> list[str]:
    """Return what is wrong after 5 % of the messages were stopped at random moments, half of them between attempts."""
    # One in three is refused twice before it is accepted.
    trial.enqueue(f"{'slow' if number % 3 else 'grey'}{number}" for number in range(MESSAGES))
    nemesis = Nemesis(5, trial.sink)
    trial.workers.start(2, traits=traits, ACE_OUTBOX_WINDOW=1, **PATIENT)
    opted_out: dict[UUID, float] = {}
    cancelled: dict[UUID, float] = {}
    never_left: set[UUID] = set()
    for moment in nemesis.moments(2 * STOPPED, fewest=1, most=12):
        row = _any_open(nemesis, [*opted_out, *cancelled], is_retry=moment % 4 < 2)
        if moment % 2:
            User.objects.create(username=row.recipient)
            opted_out[row.payload_id] = time.time()
        else:
            if cancel(row.payload_id).stopped:
                never_left.add(row.payload_id)
            cancelled[row.payload_id] = time.time()
    wait_until_done(patience)
    trial.workers.end()

    found = trial.outcome()
    ends = dict.fromkeys(opted_out, (State.SENT, State.SKIPPED))
    faults = trial.complaints(found, ends=ends | dict.fromkeys(cancelled, (State.SENT, State.CANCELLED)))
    for stopped, how in ((opted_out, "they had opted out"), (cancelled, "they were cancelled")):
        late = [permit for permit in found.permits if permit.at > stopped.get(permit.message, float("inf"))]
        if late:
            faults.append(f"{len(late)} permits were given after {how}.")
    permits = [permit.message for permit in found.permits]
    if unpermitted := [uuid for uuid, times in found.arrived.items() if times > permits.count(uuid)]:
        faults.append(f"{len(unpermitted)} messages arrived more often than they had permits.")
    if arrived := never_left & set(found.arrived):
        faults.append(f"{len(arrived)} messages arrived of which `cancel` said that it had stopped them.")
    if not traits and not {State.SKIPPED, State.CANCELLED} <= set(found.states):
        faults.append("Nothing was stopped in time, so that this has shown nothing.")
    return faults


def _any_open(nemesis: Nemesis, others: Sequence[UUID], is_retry: bool) -> Delivery:
    rows = Delivery.objects.filter(state__in=OPEN).exclude(payload__in=others).order_by("pk")
    chosen = list(rows.filter(attempts__gt=0) if is_retry else rows) or list(rows)
    return nemesis.chance.choice(chosen)
