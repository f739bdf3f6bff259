"""
Internal: what is done to a whole send, in parts.
"""

from datetime import timedelta
from itertools import count
from uuid import uuid4

import pytest
from django.db.models import Q

from edx_ace import Recipient
from edx_ace.outbox import batches, counts, enqueue, guards, leases
from edx_ace.outbox.claiming import claim
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import State
from edx_ace.outbox.worker import Worker
from tests.pipeline import always, welcome

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(channel, monkeypatch):
    """A send of seven, of which three at a time are changed; there is another one."""
    monkeypatch.setattr("edx_ace.outbox.operations.CHUNK_SIZE", 3)
    batch = uuid4()
    for send, number in ((batch, 7), (uuid4(), 2)):
        enqueue(welcome(send_uuid=send, recipient=Recipient(n, f"p{n}@example.com")) for n in range(1, number + 1))
    return batch


def parts(number):
    """Return what allows so many parts."""
    asked = count(1)
    return lambda: next(asked) <= number


def waiting(batch, code):
    return Delivery.objects.filter(batch=batch, state="queued", code=code, due_at__gt=database_now(Delivery, "default"))


def test_what_is_due_of_a_send_is_put_off_and_brought_back(batch, channel):
    """
    The other send goes out meanwhile; then everything does.
    """
    assert batches.postpone(batch, HOUR, "paused", "It is paused.", always)

    assert waiting(batch, "paused").count() == 7
    Worker(once=True).run()
    assert len(channel.delivered) == 2

    assert batches.bring_back(batch, "paused", always)
    Worker(once=True).run()
    assert len(channel.delivered) == 9


def test_what_waits_for_its_own_time_keeps_it(batch):
    """
    It is neither put off nor brought back.
    """
    late = Delivery.objects.filter(batch=batch).first()
    Delivery.objects.filter(pk=late.pk).update(due_at=database_now(Delivery, "default") + HOUR, code="smtp_450")

    batches.postpone(batch, HOUR, "paused", "It is paused.", always)
    batches.bring_back(batch, "paused", always)

    assert list(waiting(batch, "smtp_450")) == [late]


@pytest.mark.parametrize("times", [0, 1, 2])
def test_it_ends_when_it_may_not_go_on_and_goes_on_when_it_is_called_again(batch, times):
    """
    What was done by then stays done.
    """
    assert not batches.postpone(batch, HOUR, "paused", "It is paused.", parts(times))
    assert waiting(batch, "paused").count() == 3 * times

    assert batches.postpone(batch, HOUR, "paused", "It is paused.", always)
    assert waiting(batch, "paused").count() == 7


def test_a_send_is_cancelled_in_parts_what_workers_have_first(batch):
    """
    What is being handed over is stopped as far as that goes, once, and the counts say the same as the rows.
    """
    rows = [row for row in claim(10) if row.batch == batch]
    leases.permit(rows[:2], HOUR)
    Delivery.objects.filter(pk__in=[row.pk for row in rows[4:]]).update(state="queued", lease_until=None)
    counts.check(repair=True)

    first, is_all = batches.cancel_parts(batch, parts(2))
    assert (first.stopped, first.in_flight, is_all) == (2, 2, False)
    rest, is_all = batches.cancel_parts(batch, always)
    assert (rest.stopped, rest.in_flight, is_all) == (3, 0, True)

    assert counts.of_batch(batch, "default") == {"cancelled": 5, "handing": 2}
    assert counts.check().differences == []


def test_what_a_worker_has_prepared_is_withdrawn(batch):
    """
    It gets no permit, and waits for nothing but its next claim.
    """
    rows = claim(20)
    forbidden = guards.Guard("paused", "It is paused.", lambda: Q(batch=batch), waits=True)

    assert batches.withdraw(batch) == 7

    permitted = leases.permit(rows, HOUR, forbidden.forbids())
    assert len(permitted) == 2
    assert set(Delivery.objects.filter(batch=batch).values_list("state", "claims")) == {(State.QUEUED, 0)}
