"""
Internal: a channel that fails again and again is not used for a while, by nobody, and nothing is lost by that.
"""

import logging
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models import F

from edx_ace import ChannelType, Recipient
from edx_ace.errors import ChannelDownError, FatalChannelDeliveryError, RecoverableChannelDeliveryError
from edx_ace.outbox import State, circuits, enqueue, leases
from edx_ace.outbox.breakers import OPENS_AFTER
from edx_ace.outbox.claiming import claim
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Attempt, Circuit, Delivery
from edx_ace.outbox.processing import process
from tests.pipeline import Recorder, Scripted, welcome

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def windows_of_one(settings):
    """Each message is a hand-over of its own."""
    settings.ACE_OUTBOX_WINDOW = 1


def refused():
    return ChannelDownError("ann@example.com cannot log in", code="smtp_535")


def work():
    out = StringIO()
    call_command("ace_worker", once=True, stdout=out)
    return out.getvalue().strip()


def let_pauses_pass():
    Circuit.objects.update(probe_at=database_now(Circuit, "default") - HOUR)


def untouched():
    """Return how many deliveries are as they were enqueued."""
    return Delivery.objects.filter(state=State.QUEUED, due_at=F("created_at"), claims=0, attempts=0, code="").count()


def test_a_channel_that_fails_again_and_again_is_not_used_any_more(use_channels, caplog):
    """
    What waits keeps its place, its attempts and its claims; table and log say why, without addresses.
    """
    channel = Scripted(*[refused()] * 100)
    use_channels(mail=channel)
    enqueue(welcome() for _ in range(10))

    work()
    assert work() == "nothing was due"

    assert len(channel.script) == 100 - OPENS_AFTER
    assert untouched() == 10 - OPENS_AFTER
    assert Attempt.objects.count() == OPENS_AFTER
    [circuit] = circuits()
    assert (circuit.channel, circuit.code, circuit.reason) == ("mail", "smtp_535", "(address) cannot log in")
    assert circuit.opened_at <= database_now(Circuit, "default")
    assert "The channel mail is not used for now: 3 hand-overs in a row failed, the last with smtp_535." in caplog.text


@pytest.mark.parametrize(
    ("code", "is_ambiguous"), [("http_429", False), ("smtp_421", False), ("connection", False), ("timeout", True)]
)
def test_what_says_nothing_about_the_message_opens_the_circuit(use_channels, code, is_ambiguous):
    """
    A server that turns everybody away, or says nothing, is as good as none.
    """
    error = RecoverableChannelDeliveryError("later", code=code, is_ambiguous=is_ambiguous)
    use_channels(mail=Scripted(*[error] * 100))
    enqueue(welcome() for _ in range(10))

    work()

    assert [circuit.code for circuit in circuits()] == [code]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        FatalChannelDeliveryError("no such user", code="smtp_550"),
        RecoverableChannelDeliveryError("greylisted", code="smtp_450"),
    ],
)
def test_an_answer_to_a_message_shows_that_the_channel_works(use_channels, answer):
    """
    Failures that do not follow one another open nothing.
    """
    use_channels(mail=Scripted(*[refused(), refused(), answer] * 10))
    enqueue(welcome() for _ in range(30))

    work()

    assert not circuits().exists()
    assert untouched() == 0


def test_one_message_finds_out_that_the_channel_can_be_used_again(use_channels, caplog):
    """
    Then all of them go, and the table is empty.
    """
    caplog.set_level(logging.WARNING)
    channel = Scripted(*[refused()] * OPENS_AFTER)
    use_channels(mail=channel)
    enqueue(welcome() for _ in range(10))
    work()
    let_pauses_pass()

    rows = claim(10)
    assert len(rows) == 1
    assert claim(10) == []
    process(rows)

    assert len(channel.delivered) == 1
    assert not circuits().exists()
    assert "The channel mail is used again; it was not since" in caplog.text
    assert work() == f"{9 - OPENS_AFTER} sent"


def test_the_pause_grows_with_each_message_that_fails(use_channels):
    """
    Up to a minute.
    """
    channel = Scripted(*[refused()] * 100)
    use_channels(mail=channel)
    enqueue(welcome() for _ in range(20))
    work()
    pauses = []

    for _ in range(8):
        pauses.append(circuits().get().pause.total_seconds())
        let_pauses_pass()
        work()
        assert work() == "nothing was due"

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert circuits().get().probe_at > database_now(Circuit, "default") + timedelta(seconds=50)
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {0}


def test_other_channels_go_on(use_channels):
    """
    Each channel has a circuit of its own.
    """
    push = Recorder(ChannelType.PUSH)
    use_channels(mail=Scripted(*[refused()] * 100), other=Recorder(), push=push)
    enqueue((welcome() for _ in range(10)), limit_to_channels=["mail"])
    work()
    enqueue(welcome(), limit_to_channels=["other"])
    enqueue(welcome(recipient=Recipient(7)), limit_to_channels=["push"])

    assert work() == "2 sent"


def test_what_was_claimed_before_the_circuit_opened_gets_no_permit(use_channels):
    """
    Another worker found out meanwhile; what was claimed goes back to its place.
    """
    channel = Recorder()
    use_channels(mail=channel)
    enqueue(welcome() for _ in range(5))
    rows = claim(10)
    Circuit.objects.create(
        channel="mail",
        opened_at=database_now(Circuit, "default"),
        probe_at=database_now(Circuit, "default") + HOUR,
        pause=HOUR,
    )

    assert process(rows) == {}

    assert channel.delivered == []
    assert untouched() == 5


def test_a_try_that_reaches_nobody_leaves_it_to_the_next_message(use_channels):
    """
    It could not be rendered, and says nothing about the channel.
    """
    channel = Scripted(*[refused()] * OPENS_AFTER)
    use_channels(mail=channel)
    enqueue(welcome() for _ in range(OPENS_AFTER))
    work()
    enqueue([welcome(name="nowhere"), welcome()])
    let_pauses_pass()

    assert work() == "1 failed, 1 sent"

    assert not circuits().exists()


def test_a_try_whose_worker_ended_is_made_by_another_after_its_lease(use_channels):
    """
    Until then nobody else tries.
    """
    channel = Scripted(*[refused()] * OPENS_AFTER)
    use_channels(mail=channel)
    enqueue(welcome() for _ in range(10))
    work()
    let_pauses_pass()
    leases.permit(claim(10), HOUR)
    assert claim(10) == []
    let_pauses_pass()

    assert len(claim(10)) == 1
