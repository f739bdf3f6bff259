"""
Internal: a message that somebody waits for, behind all the newsletters.
"""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import connection

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
    Delivery.objects.update(batch=None)
    _double(BULK)
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


def _double(at_least: int) -> None:
    """Repeat the deliveries that there are until there are so many."""
    table = connection.ops.quote_name(Delivery._meta.db_table)
    names = [field.column for field in Delivery._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(map(connection.ops.quote_name, names))
    with connection.cursor() as cursor:
        while Delivery.objects.count() < at_least:
            cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}")
