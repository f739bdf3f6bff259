"""
Internal: deleting what ended long ago.
"""

from datetime import timedelta
from uuid import uuid4

import pytest

from edx_ace import Recipient
from edx_ace.outbox import State, enqueue, leases, purge, status
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Attempt, Count, Delivery, Payload
from tests.pipeline import Recorder, welcome

DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def channels(use_channels):
    """There is an email channel."""
    use_channels(mail=Recorder())


@pytest.fixture
def ended():
    """Return a function that enqueues a message and lets it have ended so long ago."""

    def end(age, state=State.FAILED, **fields):
        message = welcome(**{"send_uuid": uuid4(), **fields})
        enqueue(message)
        [row] = leases.claim(Delivery.objects.filter(payload=message.uuid), 1, DAY)
        moment = database_now(Delivery, "default") - age
        Attempt.objects.create(delivery=row, at=moment, outcome="failed")
        leases.move([row], State.CLAIMED, state, finished_at=moment)
        return message

    return end


def test_what_ended_before_the_retention_goes_with_its_attempts_and_counts(ended):
    """
    What ended later stays.
    """
    old, young = ended(91 * DAY), ended(89 * DAY)

    purged = purge()

    assert str(purged) == "2 attempts, 1 delivery and 1 message purged"
    assert str(status(old)) == "not in the outbox"
    assert str(status(young)) == "1 failed"
    assert not Count.objects.filter(batch=old.send_uuid).exists()
    assert status(batch=young.send_uuid).states == {State.FAILED: 1}


def test_the_history_of_attempts_goes_first(ended):
    """
    The delivery still says what came of it.
    """
    message = ended(31 * DAY)

    assert str(purge()) == "1 attempt, 0 deliveries and 0 messages purged"
    assert str(status(message)) == "1 failed"


def test_what_is_open_stays_however_old():
    """
    Only what is done with is purged.
    """
    message = welcome()
    enqueue(message)
    long_ago = database_now(Delivery, "default") - 1000 * DAY
    Delivery.objects.update(created_at=long_ago, due_at=long_ago)
    Attempt.objects.create(delivery=Delivery.objects.get(), at=long_ago, outcome="retry")

    assert str(purge(DAY)) == "0 attempts, 0 deliveries and 0 messages purged"
    assert str(status(message)) == "1 queued"


def test_the_counts_of_a_send_go_when_its_last_delivery_goes(ended):
    """
    Until then they are those of what is left.
    """
    batch = uuid4()
    for number, age in enumerate((200, 150, 100)):
        ended(age * DAY, send_uuid=batch, recipient=Recipient(number + 1, f"p{number}@example.com"))

    purge(170 * DAY)
    assert status(batch=batch).states == {State.FAILED: 2}

    purge()
    assert not Count.objects.exists()


def test_a_message_stays_while_one_of_its_deliveries_does(use_channels, ended):
    """
    It is needed to send the other.
    """
    message = ended(100 * DAY)
    Delivery.objects.create(
        payload_id=message.uuid,
        channel_type="push",
        on_ambiguous="repeat",
        due_at=database_now(Delivery, "default"),
        created_at=database_now(Delivery, "default"),
    )

    assert purge().messages == 0
    assert Payload.objects.count() == 1


def test_many_are_deleted_chunk_by_chunk(ended, monkeypatch, django_assert_max_num_queries):
    """
    Each is a transaction of its own.
    """
    monkeypatch.setattr("edx_ace.outbox.retention.CHUNK_SIZE", 2)
    for _ in range(5):
        ended(91 * DAY)

    purged = purge()

    assert (purged.attempts, purged.deliveries, purged.messages) == (5, 5, 5)
    assert not Delivery.objects.exists()
