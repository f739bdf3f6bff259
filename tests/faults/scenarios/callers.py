"""
Internal: those who enqueue: transactions that are rolled back, and many who enqueue the same.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from edx_ace.outbox import enqueue
from edx_ace.outbox.models import Payload
from tests.faults import mail
from tests.faults.nemesis import wait_until_done
from tests.faults.workers import PATIENT

pytestmark = pytest.mark.django_db(transaction=True)


class Undone(Exception):
    """Rolls a transaction back."""


def test_what_was_rolled_back_is_never_sent(trial):
    """
    Though workers look for it all the while.
    """
    trial.workers.start(2, **PATIENT)
    for number in range(20):
        with pytest.raises(Undone), transaction.atomic():
            enqueue(mail.letters(f"undone{number}x{n}" for n in range(20)))
            raise Undone
        trial.enqueue([f"fine{number}"])
    wait_until_done()
    trial.workers.end()

    assert trial.complaints(trial.outcome()) == []
    assert Payload.objects.count() == trial.sink.count == 20


def test_many_threads_that_enqueue_one_key_send_one_message(trial):
    """
    All of them are told the same message.
    """
    trial.workers.start(2, **PATIENT)
    start = threading.Barrier(20)

    def call() -> object:
        try:
            start.wait()
            [message] = mail.letters(["fine"], send_uuid=trial.batch)
            return enqueue(message, idempotency_key="receipt-1", limit_to_channels=["email"]).uuid
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        told = {future.result() for future in [pool.submit(call) for _ in range(20)]}
    wait_until_done()
    trial.workers.end()

    found = trial.outcome()
    assert told == set(found.arrived)
    assert trial.sink.count == 1
