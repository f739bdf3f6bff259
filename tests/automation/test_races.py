"""
Internal: workers that are killed, and workers that want the same.
"""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.core import mail
from django.db import OperationalError, connection
from django.utils import timezone

from edx_ace.automation import controller, sending
from edx_ace.automation.errors import ConflictError
from edx_ace.automation.models import Letter, ScheduledMessage
from edx_ace.automation.states import State
from edx_ace.outbox.models import Delivery
from tests.automation_site.actions import FollowUp
from tests.automation_site.models import Host

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[2]

in_memory = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite in memory has one connection.")


def at_once(number, act):
    """Let *number* threads do *act* at the same moment; return what came of each."""
    barrier = threading.Barrier(number)

    def run(index):
        try:
            barrier.wait()
            return act(index)
        except (ConflictError, OperationalError) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


@pytest.fixture
def of_the_site(schedule):
    """Return a function that schedules a message of an action that other processes know, too."""

    def make(**fields):
        return schedule(FollowUp.signal, **fields)

    return make


@in_memory
def test_two_that_create_at_once_make_one_message(action, workshop, host):
    """
    The other one is told.
    """
    of, about, ann = action(), workshop(), host()

    def create(_index):
        return controller.schedule(
            of, scheduled_at=timezone.now(), context={"workshop": about}, recipients=[ann], about=about
        )

    results = at_once(4, create)

    assert sum(isinstance(one, ScheduledMessage) for one in results) == 1
    assert ScheduledMessage.objects.count() == 1


@in_memory
def test_two_workers_put_each_of_fifty_into_the_outbox_once(schedule, workshop, host):
    """
    And each arrives once.
    """
    about = workshop()
    for number in range(50):
        schedule(about=None, context={"workshop": about}, recipients=[host(f"h{number}")])

    at_once(2, lambda _index: sending.tick())

    assert set(ScheduledMessage.objects.values_list("state", flat=True)) == {State.ENQUEUED}
    assert (Letter.objects.count(), Delivery.objects.count()) == (50, 50)
    assert Delivery.objects.values("address").distinct().count() == 50


@in_memory
def test_what_a_killed_worker_had_is_sent_by_another_once_its_lease_is_over(of_the_site, workshop, work):
    """
    Nothing of it was sent before.
    """
    about = workshop(location="Rome")
    for number in range(5):
        of_the_site(
            about=None,
            context={"workshop": about},
            recipients=[Host.objects.create(name=f"h{number}", email=f"h{number}@example.com")],
        )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-m", "tests.automation.killed", connection.settings_dict["NAME"], "3"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert ScheduledMessage.objects.filter(state=State.CLAIMED).count() == 5

    work()
    assert mail.outbox == []

    ScheduledMessage.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    work()
    assert sorted(sent.to[0] for sent in mail.outbox) == [f"h{number}@example.com" for number in range(5)]
    assert set(ScheduledMessage.objects.values_list("state", flat=True)) == {State.SUCCEEDED}


def test_a_worker_that_was_frozen_sends_nothing(of_the_site, workshop):
    """
    Another has what it had.
    """
    message = of_the_site()
    [row] = sending.leases.claim(ScheduledMessage.objects.all(), 1, timedelta(0))
    sending.bring_back()
    sending.tick()
    assert Delivery.objects.count() == 1

    sending._send([row])

    assert (Delivery.objects.count(), Letter.objects.count()) == (1, 1)
    message.refresh_from_db()
    assert message.state == State.ENQUEUED


@in_memory
def test_cancelling_and_sending_at_once_never_sends_what_is_cancelled(schedule, workshop, host):
    """
    Whoever is told that it is cancelled can rely on it.
    """
    about, ann = workshop(), host()
    messages = [schedule(about=None, context={"workshop": about}, recipients=[ann]) for _ in range(20)]

    def act(index):
        if index == 0:
            return sending.tick()
        for message in messages:
            controller.cancel(ScheduledMessage.objects.get(pk=message.pk))
        return None

    at_once(2, act)

    assert set(ScheduledMessage.objects.values_list("state", flat=True)) == {State.CANCELLED}
    assert not Delivery.objects.exclude(state="cancelled").exists()
