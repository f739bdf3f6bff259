"""
Internal: what plain sends leave in the tables of the outbox.
"""

from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction

from edx_ace import ChannelType, PolicyResult, Recipient, send, send_many
from edx_ace.errors import FatalChannelDeliveryError
from edx_ace.outbox import State, enqueue, requeue, status
from edx_ace.outbox.models import Delivery, Payload
from edx_ace.utils.date import get_current_time
from tests.pipeline import Recorder, Says, Scripted, welcome

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(use_channels, settings):
    """It has an email channel and records what it sends."""
    use_channels(mail=Recorder())
    settings.ACE_RECORD_SENDS = True


def test_a_plain_send_leaves_its_deliveries_in_the_outbox():
    """
    In their final states, with what the channel said; nothing is left to do with them.
    """
    message = welcome(send_uuid=uuid4())

    send(message)

    row = Delivery.objects.get()
    assert (row.payload_id, row.state, row.channel_type, row.channel) == (message.uuid, State.SENT, "email", "mail")
    assert (row.provider_id, row.attempts, row.code) == ("id-1", 1, "")
    assert (row.recipient, row.address) == ("7", "ann@example.com")
    assert row.finished_at == row.created_at
    assert status(batch=message.send_uuid).states == {State.SENT: 1}


def test_what_did_not_go_says_why(use_channels, use_policies):
    """
    As the report says it, without the address.
    """
    refusing = Scripted(FatalChannelDeliveryError("ann@example.com is unknown"))
    use_channels(mail=refusing, phones=Recorder(ChannelType.PUSH))
    use_policies(Says(lambda message: PolicyResult(deny={ChannelType.PUSH})))

    send(welcome())
    send(welcome(expiration_time=get_current_time() - timedelta(hours=1)), limit_to_channels=["email"])

    failed, skipped, expired = Delivery.objects.order_by("pk")
    assert (failed.state, failed.reason, failed.attempts) == (State.FAILED, "(address) is unknown", 1)
    assert (skipped.state, skipped.channel_type) == (State.SKIPPED, "push")
    assert (expired.state, expired.code) == (State.EXPIRED, "expired")


def test_nothing_is_recorded_unless_the_site_wants_it(settings):
    """
    It is off by default.
    """
    del settings.ACE_RECORD_SENDS

    send(welcome())

    assert not Payload.objects.exists()


def test_many_are_recorded_one_by_one():
    """
    As their reports come.
    """
    list(send_many(welcome(recipient=Recipient(n, f"p{n}@example.com")) for n in (1, 2, 3)))

    assert Delivery.objects.filter(state=State.SENT).count() == 3


def test_what_is_sent_again_is_recorded_again():
    """
    A plain send stops at nobody who had one of the same send; the second is not counted as a part of it.
    """
    message = welcome(send_uuid=uuid4())

    send(message)
    send(message)

    assert status(message).states == {State.SENT: 2}
    assert status(batch=message.send_uuid).states == {State.SENT: 1}


def test_a_send_goes_on_when_the_database_does_not(monkeypatch, caplog):
    """
    The log says of which message nothing is recorded, and not to whom it went.
    """

    def fail(*args, **kwargs):
        raise DatabaseError("ann@example.com does not fit")

    monkeypatch.setattr("edx_ace.outbox.recording._row", fail)
    message = welcome()

    with transaction.atomic():
        report = send(message)
        # The caller's transaction is as it was.
        assert not Payload.objects.exists()

    assert report
    [line] = [record.getMessage() for record in caplog.records]
    assert line == f"What came of message {message.uuid} could not be recorded: DatabaseError"


def test_a_message_that_cannot_be_kept_is_recorded_without_content():
    """
    It can be sent all the same.
    """
    message = welcome(context={"name": "Ann", "thing": object()})

    assert send(message)

    assert status(message).states == {State.SENT: 1}
    assert Payload.objects.get().content == ""


def test_one_that_failed_can_be_queued_again(use_channels):
    """
    Then a worker delivers it, as it delivers others.
    """
    use_channels(mail=Scripted(FatalChannelDeliveryError("no")))
    message = welcome()
    send(message)

    assert requeue(message) == 1
    call_command("ace_worker", once=True, stdout=StringIO())

    assert status(message).states == {State.SENT: 1}


def test_what_the_outbox_delivers_is_recorded_once():
    """
    By the worker alone.
    """
    message = welcome()
    enqueue(message)
    call_command("ace_worker", once=True, stdout=StringIO())

    assert status(message).states == {State.SENT: 1}


def test_what_is_no_address_is_not_kept_as_one():
    """
    The channel decides what it takes.
    """
    send(welcome(recipient=Recipient(7, "nobody")))

    row = Delivery.objects.get()
    assert (row.state, row.address) == (State.SENT, None)
