"""
Internal: ``manage.py ace_outbox``, the door to what people do with the outbox.
"""

import json
import re
from datetime import timedelta
from io import StringIO
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from edx_ace import Recipient
from edx_ace.outbox import State, enqueue, figures, leases, status
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.management.commands import ace_outbox
from edx_ace.outbox.models import Count, Delivery
from tests.pipeline import Recorder, welcome

NO_ANSWER = OperationalError("server closed the connection")

pytestmark = pytest.mark.django_db


class Terminal(StringIO):
    """Somebody looks at it."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def channels(use_channels):
    """There is an email channel."""
    use_channels(mail=Recorder())


def outbox(*args):
    out = StringIO()
    call_command("ace_outbox", *args, stdout=out, no_color=True)
    return out.getvalue().rstrip("\n")


def fail(message, code):
    [row] = leases.claim(Delivery.objects.filter(payload=message.uuid), 1, timedelta(minutes=1))
    now = database_now(Delivery, "default")
    leases.move([row], State.CLAIMED, State.FAILED, code=code, finished_at=now)


def test_it_prints_a_table_where_nobody_looks():
    """
    Once, as into a file.
    """
    failing = welcome()
    enqueue([failing, welcome(), welcome()])
    fail(failing, "smtp_550")

    heading, *lines = outbox().splitlines()

    assert re.fullmatch(r"Outbox +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", heading)
    assert [re.sub(r" +", " ", line) for line in lines] == [
        " due 2 longest: normal 0 s",
        " later 0",
        " retrying 0",
        " in flight 0 0 being handed over",
        " sent a second 0.0 over the last minute",
        " failed 1 within 24 hours",
        " smtp_550 1",
    ]


def test_problems_are_said_below_the_table(deliveries):
    """
    As the health view says them.
    """
    deliveries(due_in=-timedelta(hours=3))

    assert outbox().endswith("A message has been due for 10800 seconds; up to 3600 are expected.")


def test_it_prints_json_for_machines():
    """
    All figures, and the problems.
    """
    enqueue(welcome())

    found = json.loads(outbox("--json"))

    assert (found["due"], found["limit"], found["problems"]) == (1, 10_000, {})


@pytest.mark.parametrize("option", ["--once", "--json"])
def test_a_database_that_does_not_answer_is_an_error(monkeypatch, option):
    """
    In a line, and no traceback.
    """
    monkeypatch.setattr(ace_outbox, "figures", Mock(side_effect=NO_ANSWER))

    with pytest.raises(CommandError, match="The database does not answer: server closed the connection"):
        outbox(option)


def test_the_table_waits_for_a_database_that_does_not_answer(monkeypatch):
    """
    It says so, and looks again.
    """
    monkeypatch.setattr(ace_outbox, "figures", Mock(side_effect=[NO_ANSWER, figures()]))
    monkeypatch.setattr(ace_outbox, "close_old_connections", lambda: None)  # the test's own has a transaction
    monkeypatch.setattr("time.sleep", until_ctrl_c(2))
    terminal = Terminal()

    call_command("ace_outbox", stdout=terminal, no_color=True)

    first, second = terminal.getvalue().split("\x1b[H\x1b[J")[1:]
    assert first.strip() == "The database does not answer: server closed the connection"
    assert second.startswith("Outbox")


def until_ctrl_c(looks):
    """Return what to sleep with so that Ctrl-C comes after so many looks."""
    left = iter(range(looks - 1))

    def sleep(seconds):
        if next(left, None) is None:
            raise KeyboardInterrupt

    return sleep


def test_the_table_lives_on_a_terminal(monkeypatch):
    """
    It is drawn anew until Ctrl-C, which is no error.
    """
    monkeypatch.setattr("time.sleep", until_ctrl_c(3))
    terminal = Terminal()

    call_command("ace_outbox", stdout=terminal)

    assert terminal.getvalue().count("\x1b[H\x1b[J") == 3


def test_messages_are_cancelled_and_requeued_by_uuid_send_key_and_code():
    """
    Each is the function of the same name.
    """
    batch = uuid4()
    messages = [welcome(send_uuid=batch, recipient=Recipient(n, f"p{n}@example.com")) for n in (1, 2, 3, 4)]
    enqueue(messages, idempotency_key=lambda message: f"key-{message.recipient.lms_user_id}")

    assert outbox("cancel", "--message", str(messages[0].uuid)) == "1 delivery is stopped."
    assert outbox("cancel", "--key", "key-2") == "1 delivery is stopped."
    fail(messages[2], "smtp_535")
    assert outbox("requeue", "--code", "smtp_550") == "0 deliveries are queued again."
    assert outbox("requeue", "--code", "smtp_535") == "1 delivery is queued again."
    assert outbox("cancel", "--batch", str(batch)) == "2 deliveries are stopped."


def test_what_is_in_flight_is_said():
    """
    It may arrive.
    """
    message = welcome()
    enqueue(message)
    leases.permit(leases.claim(Delivery.objects.all(), 1, timedelta(minutes=1)), timedelta(minutes=1))

    assert outbox("cancel", "--message", str(message.uuid)) == (
        "0 deliveries are stopped; 1 was being handed over and may arrive, without being repeated."
    )


@pytest.mark.django_db(transaction=True)
def test_cancelling_can_wait_until_nothing_is_in_flight():
    """
    As the function can.
    """
    message = welcome()
    enqueue(message)

    assert outbox("cancel", "--message", str(message.uuid), "--wait") == "1 delivery is stopped."


@pytest.mark.parametrize(
    "arguments", [("cancel",), ("requeue", "--key", "a", "--code", "b"), ("cancel", "--batch", "7")]
)
def test_exactly_one_way_of_naming_messages_is_taken(arguments):
    """
    None would mean all of them.
    """
    with pytest.raises(CommandError, match=r"required|not allowed|invalid UUID"):
        outbox(*arguments)


def test_old_messages_are_purged():
    """
    Only those that ended so many days ago.
    """
    message = welcome()
    enqueue(message)
    fail(message, "smtp_550")
    Delivery.objects.update(finished_at=database_now(Delivery, "default") - timedelta(days=3))

    assert outbox("purge") == "0 attempts, 0 deliveries and 0 messages purged."
    assert outbox("purge", "--older-than", "2.5") == "0 attempts, 1 delivery and 1 message purged."
    with pytest.raises(CommandError, match="expected a number of days above 0, given '-1'"):
        outbox("purge", "--older-than=-1")


def test_counts_are_checked_and_repaired():
    """
    A difference ends the command with an error, so that a monitor sees it.
    """
    message = welcome(send_uuid=uuid4())
    enqueue(message)
    assert outbox("check") == "0 differences in 1 send."
    Count.objects.all().delete()

    with pytest.raises(CommandError, match=r"1 difference in 1 send\. With --repair"):
        outbox("check")

    assert outbox("check", "--repair").endswith("1 difference in 1 send; the counts are corrected.")
    assert status(batch=message.send_uuid).states == {State.QUEUED: 1}
