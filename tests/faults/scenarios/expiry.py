"""
Internal: messages whose time runs out while they are on their way.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from edx_ace.outbox import State
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Delivery
from tests.faults.nemesis import wait_for, wait_until_done
from tests.faults.workers import PATIENT

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_expires_between_two_attempts_is_not_tried_again(trial):
    """
    It ends as expired when its time is over, and not when it would have been its turn.
    """
    expiry = datetime.now(tz=UTC) + timedelta(seconds=8)
    trial.enqueue((f"never{number}" for number in range(20)), fields={"expiration_time": expiry})
    trial.enqueue(f"fine{number}" for number in range(20))
    # After the first attempt most have their next long after their time.
    trial.workers.start(ACE_OUTBOX_RETRY_SECONDS=100, **PATIENT)
    wait_until_done()
    trial.workers.end()

    found = trial.outcome()
    assert trial.complaints(found) == []
    assert all(permit.at < expiry.timestamp() for permit in found.permits if found.rows[permit.message].expires_at)
    late = Delivery.objects.filter(finished_at__gt=F("expires_at") + timedelta(minutes=1))
    assert not late.exists()


def test_what_expires_in_a_claimed_batch_gets_no_permit(trial):
    """
    Though it had time enough when it was claimed.
    """
    in_an_hour = datetime.now(tz=UTC) + timedelta(hours=1)
    trial.enqueue((f"slow{number}" for number in range(100)), fields={"expiration_time": in_an_hour})
    trial.workers.start(ACE_OUTBOX_WINDOW=1, **PATIENT)
    wait_for(lambda: trial.sink.count >= 10, "the first of a batch to arrive")
    expiry = database_now(Delivery, "default") + timedelta(seconds=0.2)
    Delivery.objects.update(expires_at=expiry)
    wait_until_done()
    trial.workers.end()

    found = trial.outcome()
    assert trial.complaints(found, ends=dict.fromkeys(found.rows, (State.SENT, State.EXPIRED))) == []
    assert all(permit.at < expiry.timestamp() for permit in found.permits)
    assert found.states[State.EXPIRED] > 0
