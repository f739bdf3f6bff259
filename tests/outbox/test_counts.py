"""
Internal: whether the counts of sends are those of their rows.
"""

from uuid import uuid4

import pytest

from edx_ace import Recipient
from edx_ace.outbox import State, cancel, counts, enqueue, status
from edx_ace.outbox.models import Count, Delivery
from tests.pipeline import Recorder, welcome

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(use_channels):
    """A send to three people, one of which was cancelled."""
    use_channels(mail=Recorder())
    batch = uuid4()
    messages = [welcome(send_uuid=batch, recipient=Recipient(n, f"p{n}@example.com")) for n in (1, 2, 3)]
    enqueue(messages)
    cancel(messages[0])
    return batch


def test_counts_that_agree_are_no_difference(batch):
    """
    Before they are added up and after.
    """
    assert counts.check() == counts.Checked(1, [], [])
    counts.fold()
    assert counts.check() == counts.Checked(1, [], [])


def test_a_difference_is_found_and_repaired(batch):
    """
    Somebody changed rows by hand.
    """
    Delivery.objects.filter(state=State.QUEUED).update(state=State.SENT)

    found = counts.check(batch).differences

    assert [str(difference) for difference in found] == [
        f"send {batch}: 2 queued by the counts, 0 by the rows",
        f"send {batch}: 0 sent by the counts, 2 by the rows",
    ]
    assert status(batch=batch).states == {State.QUEUED: 2, State.CANCELLED: 1}

    counts.check(repair=True)

    assert status(batch=batch).states == {State.SENT: 2, State.CANCELLED: 1}
    assert counts.check().differences == []


def test_counts_without_rows_and_rows_without_counts_are_found(batch):
    """
    Whichever was deleted.
    """
    Delivery.objects.all().delete()
    assert len(counts.check(repair=True).differences) == 2
    counts.fold()
    assert not Count.objects.exists()

    enqueue(welcome(send_uuid=uuid4()))
    Count.objects.all().delete()
    [difference] = counts.check(repair=True).differences
    assert (difference.counted, difference.rows, difference.state) == (0, 1, State.QUEUED)
    assert counts.check().differences == []


def test_a_send_that_workers_are_busy_with_is_looked_at_anew(batch, monkeypatch):
    """
    What changes between two looks is no difference.
    """
    compared = counts._appended
    calls = []

    def while_workers_are_busy(batches, using):
        calls.append(1)
        if len(calls) == 2:
            cancel(batch=batch)
        return compared(batches, using)

    monkeypatch.setattr(counts, "_appended", while_workers_are_busy)

    assert counts.check() == counts.Checked(1, [], [])
    assert len(calls) == 4
