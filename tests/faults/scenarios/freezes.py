"""
Internal: workers that are stopped with SIGSTOP until their leases are over, and then continue.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count, islice

import pytest

from edx_ace.outbox import State
from edx_ace.outbox.models import Delivery
from tests.faults.apps import SWEEP_SECONDS
from tests.faults.nemesis import Nemesis, wait_for, wait_until_done
from tests.faults.trial import Trial


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_was_frozen_beyond_its_lease_sends_and_writes_nothing(trial):
    """
    What it had claimed is another's by then.
    """
    assert freeze_a_worker(trial) == []


def freeze_a_worker(trial: Trial, traits: Sequence[str] = ()) -> list[str]:
    """
    Return what is wrong after one worker was frozen with a claimed batch until another had claimed the same.

    The other is frozen as well, so that the first meets deliveries that are claimed, with a lease, and not its own.
    """
    trial.enqueue(["stop", *(f"fine{number}" for number in range(50))])
    traits = ["traits.stops_itself", *traits]
    [first] = trial.workers.start(traits=traits, ACE_OUTBOX_LEASE_SECONDS=3)
    _wait_for_stops(trial, 1)
    [second] = trial.workers.start(traits=traits, ACE_OUTBOX_LEASE_SECONDS=120)
    _wait_for_stops(trial, 2)
    before = _rows()

    first.thaw()
    # Nobody else is there to send this one, and the first does so when it is done with what it had.
    trial.enqueue(["later"])
    wait_for(lambda: Delivery.objects.get(address__startswith="later").state == State.SENT, "the message of later")
    faults = [] if _rows() == before else ["The frozen worker changed rows that are not its own."]
    if trial.sink.count > 1:
        faults.append(f"The frozen worker sent {trial.sink.count - 1} messages.")
    second.thaw()
    wait_until_done()
    trial.workers.end()
    return trial.complaints(trial.outcome()) + faults


def _wait_for_stops(trial: Trial, number: int) -> None:
    wait_for(lambda: len(list(trial.folder.glob("stopped-*"))) == number, f"worker {number} to be frozen")


def _rows() -> list[tuple[object, ...]]:
    rows = Delivery.objects.exclude(address__startswith="later").order_by("pk")
    return list(rows.values_list("pk", "state", "fence"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("window", [1, 10])
def test_what_was_in_flight_when_a_worker_was_frozen_is_all_that_is_repeated(trial, window):
    """
    Whatever it was doing at that moment: another repeats what it had a permit for.
    """
    freezes, lease_seconds = 2, 3
    local_parts = (f"slow{number}" for number in count())
    trial.enqueue(islice(local_parts, 500))
    nemesis = Nemesis(window, trial.sink)
    groups = trial.workers.start(3, ACE_OUTBOX_WINDOW=window, ACE_OUTBOX_LEASE_SECONDS=lease_seconds)
    for _ in nemesis.moments(freezes):
        victim = nemesis.chance.choice(groups)
        victim.freeze()
        # By then the others have swept.
        time.sleep(lease_seconds + 2 * SWEEP_SECONDS)
        victim.thaw()
        # However quick the others were meanwhile.
        trial.enqueue(islice(local_parts, 250))
    wait_until_done()
    trial.workers.end()

    assert trial.complaints(trial.outcome(), repeats=freezes * window) == []
