"""
Internal: what channels, policies, sources and guards may answer that no table takes; nothing gets stuck by it.
"""

from datetime import UTC, datetime, timedelta, timezone
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db.models import Q

from edx_ace import ChannelType, PolicyResult, Recipient, send
from edx_ace.errors import FatalChannelDeliveryError, RecoverableChannelDeliveryError
from edx_ace.outbox import FromSource, Source, enqueue, guards, sources
from edx_ace.outbox.models import Attempt, Delivery
from edx_ace.outbox.redaction import redacted
from edx_ace.report import Skipped
from tests.pipeline import Recorder, Says, Scripted, welcome

LONG = "c" * 70
ODD = "no\x00 good\ud800 ann@example.com"

pytestmark = pytest.mark.django_db


def work():
    """Run a worker until nothing is due."""
    call_command("ace_worker", once=True, stdout=StringIO())


def one():
    return Delivery.objects.get()


@pytest.mark.parametrize("error", [FatalChannelDeliveryError, RecoverableChannelDeliveryError])
def test_what_a_channel_raises_is_cut_to_what_the_table_takes(use_channels, error):
    """
    Else it could not be recorded, and the message would be handed over again and again.
    """
    use_channels(mail=Scripted(error(ODD, code=LONG)))
    enqueue(welcome())

    work()

    assert one().state in ("failed", "queued")
    assert (one().code, one().reason[-9:]) == ("c" * 64, "(address)")
    assert Attempt.objects.get().code == "c" * 64


def test_what_a_channel_returns_is_cut_to_what_the_table_takes(use_channels):
    """
    The reason of one that had nowhere to send to, and the id that a provider gave.
    """

    class Odd(Recorder):
        answers = [Skipped(LONG, ODD), Skipped(None, None), "id\x00" * 200]

        def deliver(self, message, rendered_message):
            return self.answers.pop(0)

    use_channels(mail=Odd())
    enqueue(welcome(options={"transactional": True}) for _ in range(3))

    work()

    first, second, third = Delivery.objects.order_by("pk")
    assert (first.state, first.code, first.reason) == ("skipped", "c" * 64, "no\ufffd good\ufffd (address)")
    assert (second.state, second.code, second.reason) == ("skipped", "", "")
    assert (third.state, third.provider_id) == ("sent", ("id\ufffd" * 200)[:255])


def test_a_channel_that_names_no_moment_for_the_next_attempt_is_taken_as_if_it_had_not_asked(use_channels):
    """
    Libraries give a number of seconds.
    """
    use_channels(mail=Scripted(RecoverableChannelDeliveryError("Wait.", 30)))
    enqueue(welcome())

    work()

    assert (one().state, one().attempts) == ("queued", 1)


@pytest.mark.parametrize("moment", [datetime.max, datetime.min, datetime.max.replace(tzinfo=UTC)])
def test_a_channel_may_name_any_moment(use_channels, moment):
    """
    It is taken to the nearest that is allowed.
    """
    use_channels(mail=Scripted(RecoverableChannelDeliveryError("Wait.", moment)))
    enqueue(welcome())

    work()

    assert one().state in ("queued", "sent")


@pytest.mark.parametrize("offset", [-5, 0, 5])
def test_a_policy_may_ask_to_wait_until_any_moment(use_channels, use_policies, offset):
    """
    Be it one that UTC does not have.
    """
    use_channels(mail=Recorder())
    moment = datetime.max if offset <= 0 else datetime.min
    until = moment.replace(tzinfo=timezone(timedelta(hours=offset)))
    use_policies(Says(lambda message: PolicyResult(defer={ChannelType.EMAIL: until})))
    enqueue(welcome())

    work()

    assert (one().state, one().code) == ("queued", "policy_deferred")


def test_what_a_policy_says_is_cut_to_what_the_table_takes(use_channels, use_policies):
    """
    The message ends as skipped all the same.
    """
    use_channels(mail=Recorder())
    use_policies(Says(lambda message: PolicyResult(deny={ChannelType.EMAIL}, code=LONG, reason=ODD)))
    enqueue(welcome())

    work()

    assert (one().state, one().code, one().reason) == ("skipped", "c" * 64, "no\ufffd good\ufffd (address)")


def test_what_a_source_says_is_cut_to_what_the_table_takes(use_channels):
    """
    The message ends as skipped all the same.
    """
    use_channels(mail=Recorder())
    source = Source("tests.odd", lambda references: {one: Skipped(LONG, ODD) for one in references})
    sources.register(source)
    try:
        enqueue(FromSource("tests.odd", 1, welcome()))
        work()
    finally:
        sources.unregister(source)

    assert (one().state, one().code) == ("skipped", "c" * 64)


# As in a worker, whose permit is a transaction of its own.
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("forbids", [lambda: 1 / 0, lambda: "no", lambda: Q(no_such_column=1)])
def test_a_guard_that_fails_lets_nothing_go_and_blames_no_message(use_channels, forbids):
    """
    It is tried again, and says why; the message is no poison.
    """
    channel = Recorder()
    use_channels(mail=channel)
    guard = guards.Guard("broken", "A test forbids it.", forbids)
    guards.register(guard)
    try:
        enqueue(welcome(send_uuid=uuid4(), recipient=Recipient(n, f"p{n}@example.com")) for n in (1, 2))
        work()
    finally:
        guards.unregister(guard)

    assert channel.delivered == []
    assert (
        list(Delivery.objects.values_list("state", "code", "claims", "attempts"))
        == [("queued", "guard_error", 0, 1)] * 2
    )


def test_what_a_guard_says_is_cut_to_what_the_table_takes(use_channels):
    """
    The message ends as skipped all the same.
    """
    use_channels(mail=Recorder())
    guard = guards.Guard(LONG, ODD, lambda: Q(pk__gt=0))
    guards.register(guard)
    try:
        enqueue(welcome())
        work()
    finally:
        guards.unregister(guard)

    assert (one().state, one().code) == ("skipped", "c" * 64)


def test_a_plain_send_is_recorded_whatever_a_policy_said(use_channels, use_policies, settings):
    """
    As what goes through the outbox.
    """
    settings.ACE_RECORD_SENDS = True
    use_channels(mail=Recorder())
    use_policies(Says(lambda message: PolicyResult(deny={ChannelType.EMAIL}, code=LONG, reason=ODD)))

    send(welcome())

    assert (one().state, one().code, one().reason) == ("skipped", "c" * 64, "no\ufffd good\ufffd (address)")


def test_a_long_word_does_not_hold_up_a_worker():
    """
    A provider's page may be one line of a million characters.
    """
    assert redacted("x" * 1_000_000) == "x" * 500
