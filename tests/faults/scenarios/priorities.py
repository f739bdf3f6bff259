"""
Internal: a message that somebody waits for, behind all the newsletters.
"""

from __future__ import annotations

from uuid import UUID

import pytest

from edx_ace.outbox import Priority
from edx_ace.outbox.conf import Settings
from edx_ace.outbox.models import Delivery
from tests.faults.nemesis import wait_for

BULK = 100_000


@pytest.mark.django_db(transaction=True)
def test_an_essential_message_goes_with_the_next_claim(trial):
    """
    Enqueued while a worker is in the midst of a batch, it waits for the rest of that batch at most.
    """
    arrivals: list[UUID] = []
    trial.sink.on_message = lambda message: arrivals.append(
        UUID(message.email["Message-ID"].strip("<>").partition("@")[0])
    )
    # "slow", so that the batch takes a while. One message for all, as only what waits beside the other one matters.
    trial.enqueue(["slow1"], priority=Priority.BULK)
    fields = Delivery.objects.values().get()
    fields |= {"id": None, "batch": None}
    Delivery.objects.bulk_create((Delivery(**fields) for _ in range(BULK)), batch_size=2000)
    trial.workers.start()
    wait_for(lambda: len(arrivals) >= 30, "some of a batch to arrive")

    trial.enqueue(["urgent"], priority=Priority.ESSENTIAL)
    before = len(arrivals)
    urgent = trial.messages[-1].uuid
    wait_for(lambda: urgent in arrivals, "the essential message to arrive")
    trial.workers.end()

    waited = arrivals.index(urgent) - before
    print(f"{waited} went before it", end=" ")
    assert waited <= Settings.OUTBOX_BATCH
