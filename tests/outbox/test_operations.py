"""
Internal: cancelling, requeueing, asking where messages stand, and adding up counts.
"""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models import Q

from edx_ace import Recipient
from edx_ace.outbox import State, cancel, counts, enqueue, leases, reconsider, requeue, status
from edx_ace.outbox.models import Count, Delivery
from tests.pipeline import Recorder, welcome

MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def channels(use_channels):
    """There is an email channel."""
    use_channels(mail=Recorder())


@pytest.fixture
def batch():
    """A send to three people."""
    batch = uuid4()
    enqueue(welcome(send_uuid=batch, recipient=Recipient(n, f"p{n}@example.com")) for n in (1, 2, 3))
    return batch


def claim(limit):
    return leases.claim(Delivery.objects.all(), limit, MINUTE)


def test_cancelling_stops_what_waits_and_says_what_is_in_flight(batch):
    """
    What a worker has claimed is stopped, too: it gets no permit any more.
    """
    leases.permit(claim(1), MINUTE)
    claimed = claim(1)

    cancelled = cancel(batch=batch)

    assert (cancelled.stopped, cancelled.in_flight) == (2, 1)
    assert leases.permit(claimed, MINUTE) == []
    assert status(batch=batch).states == {State.HANDING: 1, State.CANCELLED: 2}


def test_one_message_is_cancelled_by_itself_its_uuid_or_its_key():
    """
    The others stay.
    """
    messages = [welcome() for _ in range(4)]
    for number, message in enumerate(messages):
        enqueue(message, idempotency_key=f"key-{number}")

    assert cancel(messages[0]).stopped == 1
    assert cancel(messages[1].uuid).stopped == 1
    assert cancel(idempotency_key="key-2").stopped == 1
    assert [str(status(message)) for message in messages] == ["1 cancelled"] * 3 + ["1 queued"]


def test_cancelling_again_stops_nothing(batch):
    """
    What is final stays as it is.
    """
    cancel(batch=batch)

    assert cancel(batch=batch).stopped == 0


@pytest.mark.django_db(transaction=True)
def test_cancelling_can_wait_for_what_is_in_flight(at_once):
    """
    It returns once the worker has said what came of it, or its lease is over.
    """
    message = welcome()
    enqueue(message)
    handing = leases.permit(claim(1), timedelta(seconds=0.5))

    cancelled = cancel(message, wait=True)

    assert cancelled.in_flight == 1
    assert leases.reclaim(Delivery.objects.all(), 1, State.HANDING, State.UNKNOWN) == handing


def test_cancelling_cannot_wait_inside_a_transaction(batch):
    """
    It would wait for workers that do not see what it has done.
    """
    with pytest.raises(transaction.TransactionManagementError, match="must be called outside a transaction"):
        cancel(batch=batch, wait=True)


def test_failed_deliveries_are_queued_again_with_a_fresh_budget(batch):
    """
    The others of the send are not touched.
    """
    [row] = claim(1)
    leases.move([row], State.CLAIMED, State.FAILED, code="smtp_550", reason="No such user.", attempts=8)

    assert requeue(batch=batch) == 1

    row.refresh_from_db()
    assert (row.state, row.attempts, row.claims, row.code, row.reason) == ("queued", 0, 0, "", "")
    assert requeue(batch=batch) == 0


def test_exactly_one_way_of_naming_messages_is_given():
    """
    None would mean all of them.
    """
    with pytest.raises(TypeError, match="one of message, batch, idempotency_key and deliveries, given 0"):
        cancel()
    with pytest.raises(TypeError, match="given 2"):
        status(welcome(), batch=uuid4())


def test_a_message_that_is_not_in_the_outbox_has_no_states():
    """
    Asking for it is no error.
    """
    found = status(welcome())

    assert (found.states, found.is_open, str(found)) == ({}, False, "not in the outbox")


def test_adding_counts_up_changes_no_number(batch):
    """
    Fewer rows say the same.
    """
    while rows := claim(1):
        leases.permit(rows, MINUTE)
    cancel(batch=batch)
    before = status(batch=batch).states
    assert Count.objects.count() > 3

    assert counts.fold() > 0

    assert status(batch=batch).states == before == {State.HANDING: 3}
    assert Count.objects.count() == 3
    assert counts.fold() == 0


def test_new_counts_are_added_to_the_sums(batch):
    """
    Each step adds what came since the last, however many sends there are.
    """
    counts.fold()
    other = uuid4()
    for number in range(3):
        enqueue(welcome(send_uuid=other, recipient=Recipient(9 + number, f"q{number}@example.com")))
        enqueue(welcome(send_uuid=batch, recipient=Recipient(9 + number, f"q{number}@example.com")))

    # The first of a send becomes its sum; the others are added to it.
    assert counts.fold(limit=2) == 1
    assert counts.fold(limit=10) == 4
    assert status(batch=batch).states == {State.QUEUED: 6}
    assert status(batch=other).states == {State.QUEUED: 3}
    assert sorted(Count.objects.values_list("number", "is_sum")) == [(3, True), (6, True)]


def test_counts_agree_with_the_rows_whatever_happened(batch):
    """
    At every instant the states of a batch add up to its total.
    """
    leases.release(claim(2))
    leases.permit(claim(1), MINUTE)
    cancel(batch=batch)

    found = status(batch=batch)
    assert found.states == {
        state: number for state in State if (number := found.deliveries.filter(state=state).count())
    }
    assert sum(found.states.values()) == 3


def test_what_is_reconsidered_is_taken_from_the_worker_that_has_prepared_it(batch):
    """
    It has asked the policies before something changed.
    """
    claimed = claim(2)

    assert reconsider(Q(recipient__in=["1", "2", "3"])) == 3

    assert leases.permit(claimed, MINUTE) == []
    assert status(batch=batch).states == {State.QUEUED: 3}
    assert len(claim(3)) == 3


def test_what_is_being_handed_over_is_not_reconsidered(batch):
    """
    It may have been accepted.
    """
    leases.permit(claim(3), MINUTE)

    assert reconsider(Q(recipient="1")) == 0


def test_what_waits_for_a_reason_that_is_gone_comes_due(batch):
    """
    And nothing else does: another one may wait for its provider.
    """
    later = Delivery.objects.get(recipient="1").due_at + 60 * MINUTE
    Delivery.objects.filter(recipient__in=["1", "2"]).update(due_at=later)
    Delivery.objects.filter(recipient="1").update(code="digest")

    reconsider(Q(recipient__in=["1", "2"]), due=Q(code="digest"))

    assert sorted(row.recipient for row in claim(3)) == ["1", "3"]
