"""
Internal: hand-overs that come back late or not at all.
"""

import threading
import time
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command

from edx_ace.errors import RecoverableChannelDeliveryError
from edx_ace.outbox import enqueue, worker
from edx_ace.outbox.models import Attempt, Delivery
from tests.outbox.test_worker import make_due, work
from tests.pipeline import Recorder, welcome

#: How long a test may wait, on a machine that is busy, in seconds.
PATIENCE_SECONDS = 60


class Stuck(Recorder):
    """Waits with its first message until it is let go."""

    def __init__(self):
        super().__init__()
        self.lets_go = threading.Event()
        self.is_held = False

    def deliver(self, message, rendered_message):
        if not self.is_held:
            self.is_held = True
            self.lets_go.wait(PATIENCE_SECONDS)
        return super().deliver(message, rendered_message)


@pytest.fixture
def stuck(use_channels, settings, monkeypatch):
    """A channel that does not come back, and workers that notice soon."""
    settings.ACE_OUTBOX_LEASE_SECONDS, settings.ACE_OUTBOX_HANDOVER_SECONDS = 4, 3
    settings.ACE_OUTBOX_POLL_SECONDS = 0.05
    monkeypatch.setattr(worker, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(worker, "SWEEP_SECONDS", 0.2)
    channel = Stuck()
    use_channels(mail=channel)
    yield channel
    channel.lets_go.set()
    for thread in given_up():
        thread.join(PATIENCE_SECONDS)


def given_up():
    return [thread for thread in threading.enumerate() if getattr(thread, "is_given_up", False)]


@contextmanager
def running(one):
    """Run the worker *one*."""
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        yield
    finally:
        one.stop()
        thread.join(PATIENCE_SECONDS)


def wait_for(condition):
    """Wait until *condition* holds."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def sent(number):
    return Delivery.objects.filter(state="sent").count() == number


@pytest.mark.django_db
def test_what_a_window_has_no_time_for_waits_and_spends_no_attempt(use_channels, settings):
    """
    It was not begun, and goes next time.
    """

    class Slow(Recorder):
        def deliver(self, message, rendered_message):
            if not self.delivered:
                self.delivered.append(message)
                time.sleep(1.1)
                raise RecoverableChannelDeliveryError("no answer", code="timeout", is_ambiguous=True)
            return super().deliver(message, rendered_message)

    settings.ACE_OUTBOX_HANDOVER_SECONDS = 1
    use_channels(mail=Slow())
    enqueue([welcome() for _ in range(3)])

    assert work() == "3 queued"

    rows = Delivery.objects.order_by("code").values_list("code", "attempts", "may_have_arrived")
    assert list(rows) == [("out_of_time", 0, False), ("out_of_time", 0, False), ("timeout", 1, True)]
    settings.ACE_OUTBOX_HANDOVER_SECONDS = 60
    make_due()
    assert work() == "3 sent"


@pytest.mark.django_db(transaction=True)
def test_a_thread_that_does_not_come_back_is_replaced(stuck, caplog):
    """
    What it had is delivered by another; when it comes back after all it records nothing, and ends.
    """
    enqueue([welcome(options={"transactional": True}) for _ in range(3)])

    with running(worker.Worker()):
        wait_for(lambda: sent(3))
        [late] = given_up()
        stuck.lets_go.set()
        late.join(PATIENCE_SECONDS)

    assert not late.is_alive()
    assert "made no progress for as long as a lease lasts and is given up" in caplog.text
    # One was handed over twice, of which one is recorded.
    assert len(stuck.delivered) == 4
    assert sorted(Attempt.objects.values_list("outcome", flat=True)) == ["lost", "sent", "sent", "sent"]


@pytest.mark.django_db(transaction=True)
def test_a_worker_of_which_too_much_is_stuck_ends(stuck, monkeypatch):
    """
    So that whoever watches starts it anew.
    """
    monkeypatch.setattr(worker, "MAX_STUCK_THREADS", 0)
    enqueue(welcome())

    with pytest.raises(CommandError, match=r"1 threads made no progress .* Start the worker again"):
        call_command("ace_worker")
