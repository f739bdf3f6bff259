"""
Internal: the doorbell and the tasks for Celery, with a broker in memory. Real brokers: tests/faults/celery_brokers.py.
"""

import socket
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from celery.signals import worker_shutting_down
from django.db import transaction

from edx_ace.errors import FatalChannelDeliveryError, RecoverableChannelDeliveryError
from edx_ace.outbox import Priority, cancel, enqueue, leases, requeue, status, tasks
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Delivery, Doorbell
from edx_ace.outbox.worker import claim
from tests.pipeline import Recorder, Scripted, welcome

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db(transaction=True)


class Broker:
    """What lies in the queue of a test."""

    def __init__(self, app):
        self.app = app

    @property
    def rings(self):
        """How many tasks wait."""
        with self.app.connection_for_read() as connection:
            queue = self.app.amqp.queues[self.app.conf.task_default_queue](connection.default_channel)
            return queue.queue_declare().message_count

    def lose(self):
        """Forget everything, as a broker that is restarted without its disk."""
        with self.app.connection_for_read() as connection:
            self.app.amqp.queues[self.app.conf.task_default_queue](connection.default_channel).purge()


@pytest.fixture
def broker(settings, use_celery):
    """A broker, and a site that delivers by Celery."""
    settings.ACE_OUTBOX_CELERY = True
    return Broker(use_celery(broker_url="memory://", task_default_queue=uuid4().hex))


def states():
    found = list(Delivery.objects.values_list("state", flat=True))
    return {state: found.count(state) for state in set(found)}


def let_rings_grow_old():
    """Let the time pass after which a ring that nobody answered counts as lost."""
    Doorbell.objects.update(rung_at=database_now(Delivery, "default") - MINUTE)


def test_nobody_rings_unless_the_site_says_so(broker, channel, settings):
    """
    A worker of its own asks the database.
    """
    settings.ACE_OUTBOX_CELERY = False

    enqueue(welcome())

    assert broker.rings == 0


def test_many_that_enqueue_ring_once(broker, channel):
    """
    Nobody rings while a ring is on its way.
    """
    for _ in range(30):
        enqueue(welcome())

    assert broker.rings == 1


def test_the_doorbell_rings_when_the_transaction_is_committed(broker, channel):
    """
    Not before: a worker would find nothing.
    """
    with transaction.atomic():
        enqueue(welcome())
        assert broker.rings == 0

    assert broker.rings == 1


def test_what_is_rolled_back_rings_for_nobody(broker, channel):
    """
    Nothing has been enqueued.
    """
    with pytest.raises(RuntimeError), transaction.atomic():
        enqueue(welcome())
        raise RuntimeError("the caller fails")

    assert broker.rings == 0


def test_what_is_due_later_does_not_ring(broker, channel):
    """
    The sweep finds it when it is due.
    """
    enqueue(welcome(), send_at=datetime.now(tz=UTC) + HOUR)
    tasks.sweep()
    assert broker.rings == 0
    Delivery.objects.update(due_at=database_now(Delivery, "default") - MINUTE)

    tasks.sweep()

    assert broker.rings == 1


def test_what_is_known_already_does_not_ring(broker, channel):
    """
    Nothing was written.
    """
    enqueue(welcome(), idempotency_key="once")
    broker.lose()
    let_rings_grow_old()

    enqueue(welcome(), idempotency_key="once")

    assert broker.rings == 0


def test_what_is_requeued_rings(broker, use_channels):
    """
    It is due at once.
    """
    use_channels(mail=Scripted(FatalChannelDeliveryError("no such user", code="smtp_550")))
    message = welcome()
    enqueue(message)
    tasks.drain()
    broker.lose()

    requeue(message)

    assert broker.rings == 1


def test_one_ring_drains_many_batches(broker, channel):
    """
    And calls one other worker, as there is more than one batch.
    """
    enqueue(welcome() for _ in range(350))
    broker.lose()

    tasks.drain()

    assert states() == {"sent": 350}
    assert broker.rings == 1


def test_one_batch_calls_nobody_else(broker, channel):
    """
    Whoever has it needs no help.
    """
    enqueue(welcome() for _ in range(100))
    broker.lose()

    tasks.drain()

    assert states() == {"sent": 100}
    assert broker.rings == 0


def test_nobody_rings_while_somebody_drains(broker, use_channels):
    """
    What is enqueued meanwhile is delivered by the same drain; afterwards the next one rings again.
    """

    class Talkative(Recorder):
        def deliver(self, message, rendered_message):
            if message.context["name"] != "Ann":
                enqueue(welcome(context={"name": message.context["name"][1:] or "Ann"}))
            return super().deliver(message, rendered_message)

    use_channels(mail=Talkative())
    enqueue(welcome(context={"name": "xxxxx"}))
    broker.lose()

    tasks.drain()

    assert states() == {"sent": 6}
    assert broker.rings == 0
    enqueue(welcome())
    assert broker.rings == 1


def test_what_is_enqueued_when_somebody_leaves_is_not_forgotten(broker, channel, monkeypatch):
    """
    It did not ring, as somebody was there, who therefore looks once more.
    """
    from edx_ace.outbox import doorbell

    leave = doorbell.leave

    def enqueue_and_leave():
        enqueue(welcome())
        assert broker.rings == 0
        leave()

    monkeypatch.setattr(doorbell, "leave", enqueue_and_leave)

    tasks.drain()

    assert broker.rings == 1


def test_whoever_drains_and_is_killed_is_missed_soon(broker, channel):
    """
    When it has been silent for a while, the next one rings again.
    """
    enqueue(welcome())
    broker.lose()
    Doorbell.objects.update(rung_at=None, attended_until=database_now(Delivery, "default") - timedelta(seconds=1))

    enqueue(welcome())

    assert broker.rings == 1


def test_a_ring_that_is_lost_is_made_up_for(broker, channel):
    """
    By the sweep, or by the next one who enqueues.
    """
    enqueue(welcome())
    broker.lose()
    tasks.sweep()
    assert broker.rings == 0
    let_rings_grow_old()

    tasks.sweep()

    assert broker.rings == 1


def test_the_sweep_gives_back_what_dead_workers_left(broker, channel):
    """
    And rings for it.
    """
    enqueue(welcome())
    leases.permit(claim(10), HOUR)
    broker.lose()
    let_rings_grow_old()
    Delivery.objects.update(lease_until=database_now(Delivery, "default") - MINUTE)

    tasks.sweep()

    assert states() == {"queued": 1}
    assert broker.rings == 1


def test_a_drain_ends_after_a_while_and_rings_again(broker, use_channels, monkeypatch, settings):
    """
    What is left is given back; no task holds a worker for hours.
    """
    settings.ACE_OUTBOX_WINDOW = 1
    monkeypatch.setattr(tasks, "DRAIN_SECONDS", 0.3)

    class Slow(Recorder):
        def deliver(self, message, rendered_message):
            time.sleep(0.4)
            return super().deliver(message, rendered_message)

    use_channels(mail=Slow())
    enqueue(welcome() for _ in range(3))
    broker.lose()

    tasks.drain()

    assert Delivery.objects.filter(state="queued", claims=0, lease_until=None).count() >= 2
    assert broker.rings == 1


def test_a_worker_that_shuts_down_finishes_its_window_and_gives_the_rest_back(
    broker, use_channels, monkeypatch, settings
):
    """
    Another worker is called for it.
    """
    settings.ACE_OUTBOX_WINDOW = 2
    monkeypatch.setattr(tasks, "_shutting_down", bytearray(1))

    class Ends(Recorder):
        def deliver(self, message, rendered_message):
            worker_shutting_down.send("worker", sig="SIGTERM", how="Warm", exitcode=0)
            return super().deliver(message, rendered_message)

    use_channels(mail=Ends())
    enqueue(welcome() for _ in range(5))
    broker.lose()

    tasks.drain()

    assert states() == {"sent": 2, "queued": 3}
    assert broker.rings == 1


def test_what_is_to_be_tried_again_later_does_not_ring(broker, use_channels):
    """
    A worker could do nothing about it now.
    """
    use_channels(mail=Scripted(RecoverableChannelDeliveryError("busy", code="smtp_450")))
    enqueue(welcome())
    broker.lose()

    tasks.drain()

    assert states() == {"queued": 1}
    assert broker.rings == 0


def test_essential_messages_come_first(broker, channel):
    """
    In a drain as in any worker.
    """
    enqueue([welcome() for _ in range(3)], priority=Priority.BULK)
    reset = welcome(options={"transactional": True})
    enqueue(reset)

    tasks.drain()

    assert channel.delivered[0].uuid == reset.uuid


@pytest.fixture
def silent_port():
    """A port at which somebody accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("transport", ["amqp", "redis"])
@pytest.mark.parametrize("is_silent", [False, True])
def test_a_broker_that_is_down_stops_nobody_from_enqueueing(
    channel, settings, use_celery, caplog, silent_port, transport, is_silent
):
    """
    It is tried once for a while, and that is said once.
    """
    settings.ACE_OUTBOX_CELERY = True
    # Nobody listens at port 1.
    use_celery(broker_url=f"{transport}://127.0.0.1:{silent_port if is_silent else 1}//")
    started = time.monotonic()

    for _ in range(3):
        enqueue(welcome())

    seconds = time.monotonic() - started
    assert status(Delivery.objects.first().payload_id).is_open
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "The doorbell cannot be rung; the sweep will find what is due." in caplog.text
    # A second or two; without limits, a silent one would be waited for without end.
    assert seconds < 20


def test_a_cancelled_send_leaves_nothing_to_drain(broker, channel):
    """
    The task finds nothing.
    """
    message = welcome()
    enqueue(message)
    cancel(message)

    tasks.drain()

    assert channel.delivered == []
