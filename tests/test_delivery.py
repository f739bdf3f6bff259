"""
Internal: handing over, as existing code and its tests know it.
"""

from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from unittest import mock

import attrs
import pytest

from edx_ace import ChannelType, delivery
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.envelope import Parcel, current, in_use, seal
from edx_ace.errors import FatalChannelDeliveryError, RecoverableChannelDeliveryError
from edx_ace.report import Outcome
from tests.pipeline import Recorder, Scripted, welcome

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def reports(monkeypatch):
    heard = []
    monkeypatch.setattr("edx_ace.message.monitoring_report", lambda key, value: heard.append((key, value)))
    return heard


@pytest.mark.parametrize(
    ("script", "moments", "slept", "reported"),
    [
        # start, check
        ([None], 2, [], [("email_delivery_succeeded", True)]),
        # start, (check, after the error) twice, check
        (
            [RecoverableChannelDeliveryError("x", NOW + timedelta(seconds=1))] * 2,
            6,
            [1.0, 1.0],
            [("email_delivery_retried", 1.0)] * 2 + [("email_delivery_succeeded", True)],
        ),
        # start, check, after the error, expiry
        (
            [RecoverableChannelDeliveryError("x", NOW + timedelta(seconds=1000))],
            4,
            [],
            [("email_delivery_expired", timedelta(0))],
        ),
    ],
)
def test_the_clock_is_read_as_often_as_existing_tests_allow(monkeypatch, reports, script, moments, slept, reported):
    """
    Tests give get_current_time a finite list, and a module in place of time.
    """
    time, clock = mock.Mock(), mock.Mock(side_effect=[NOW] * moments)
    monkeypatch.setattr("edx_ace.delivery.time", time)
    monkeypatch.setattr("edx_ace.delivery.get_current_time", clock)

    delivery.deliver(Scripted(*script), "rendered", welcome())

    assert clock.call_count == moments
    assert time.mock_calls == [mock.call.sleep(seconds) for seconds in slept]
    assert reports == reported


def test_an_expired_message_reads_the_clock_three_times(monkeypatch, reports):
    """
    start, check, expiry.
    """
    clock = mock.Mock(side_effect=[NOW] * 3)
    monkeypatch.setattr("edx_ace.delivery.get_current_time", clock)

    done = delivery.deliver(Recorder(), "rendered", welcome(expiration_time=NOW - timedelta(days=1)))

    assert (done.outcome, done.attempts) == (Outcome.EXPIRED, 0)
    assert reports == [("email_delivery_expired", timedelta(0))]


@pytest.mark.parametrize(
    ("expiration_time", "expiry"),
    [
        (None, NOW + timedelta(seconds=120)),
        (NOW + timedelta(seconds=60), NOW + timedelta(seconds=60)),
        (NOW.replace(tzinfo=None) + timedelta(seconds=60), NOW + timedelta(seconds=60)),
        # No caller is kept longer than five minutes.
        (NOW + timedelta(days=1), NOW + timedelta(seconds=delivery.MAX_EXPIRATION_DELAY)),
    ],
)
def test_a_caller_is_kept_until_the_earlier_of_two_moments(expiration_time, expiry):
    """
    The message's own expiry, else the site's delay; and never more than five minutes.
    """
    assert delivery.expiry_of(welcome(expiration_time=expiration_time), NOW) == expiry


def test_deliver_raises_what_no_repeat_can_mend():
    """
    Existing callers catch it.
    """
    with pytest.raises(FatalChannelDeliveryError, match="No such user"):
        delivery.deliver(Scripted(FatalChannelDeliveryError("No such user.")), "rendered", welcome())


def test_a_stand_in_is_called_with_two_positionals_and_the_signal_is_patchable(monkeypatch):
    """
    Downstream tests replace the channel and the signal.
    """
    channel, signal, message = mock.Mock(), mock.Mock(), welcome()
    monkeypatch.setattr("edx_ace.delivery.send_ace_message_sent_signal", signal)

    delivery.deliver(channel, "rendered", message)

    channel.deliver.assert_called_once_with(message, "rendered")
    channel.deliver_many.assert_not_called()
    signal.assert_called_once_with(channel, message)


def test_only_text_is_taken_for_a_providers_id():
    """
    A stand-in that returns anything leaves no id.
    """
    assert delivery.attempt(mock.Mock(), "rendered", welcome()).provider_id is None


def test_the_envelope_in_use_is_the_one_a_channel_finds():
    """
    Inside the pipeline a channel sees what content steps made; outside, what the message says.
    """
    message, other = welcome(headers={"List-Id": "mine"}), welcome()
    sealed = seal(message, ChannelType.EMAIL).with_headers({"list-id": "ours", "Precedence": "bulk"})

    with in_use(sealed):
        assert current(message, ChannelType.EMAIL) is sealed
        assert current(other, ChannelType.EMAIL).headers == {}
    assert current(message, ChannelType.EMAIL).headers == {"List-Id": "mine"}
    assert sealed.headers == {"List-Id": "mine", "Precedence": "bulk"}


def test_what_a_channel_changes_in_its_message_is_heard():
    """
    An address or a header that the message gives otherwise than it did wins; what content steps made stays.
    """
    message = welcome(headers={"X-A": "1", "X-B": "1", "X-C": "1"})
    stepped = seal(message, ChannelType.EMAIL).with_headers({"X-Step": "1"})

    with in_use(attrs.evolve(stepped, to="step@example.com")):
        message.headers = {"X-A": "1", "x-step": "2", "X-B": "2"}
        found = current(message, ChannelType.EMAIL)
        message.recipient.email_address = "new@example.com"
        redirected = current(message, ChannelType.EMAIL)

    assert (found.to, found.headers) == ("step@example.com", {"x-step": "2", "X-B": "2", "X-A": "1"})
    assert redirected.to == "new@example.com"


def test_a_loop_over_deliver_has_each_messages_envelope_in_use():
    """
    The default deliver_many is a loop that changes envelopes.
    """
    seen = []

    class Looks(Recorder):
        def deliver(self, message, rendered_message):
            seen.append(current(message, ChannelType.EMAIL).headers["X-Number"])

    channel = Looks()
    parcels = [
        Parcel(m, channel, None, seal(m, ChannelType.EMAIL).with_headers({"X-Number": str(n)}))
        for n, m in enumerate([welcome(), welcome()])
    ]

    for one, parcel in zip(delivery.attempt_many(channel, parcels), parcels, strict=True):
        assert one.outcome is Outcome.SENT
        # Between two messages nothing of the first is in use any more.
        assert current(parcel.message, ChannelType.EMAIL).headers == {}
    assert seen == ["0", "1"]


def test_a_batch_may_be_iterated_from_another_context_each_time():
    """
    An async view takes each result by sync_to_async, which runs in a context of its own; none sees an envelope.
    """
    messages = [welcome(headers={"X-Mine": "yes"}) for _ in range(2)]
    parcels = [Parcel(one, Recorder(), None, seal(one, ChannelType.EMAIL).with_headers({"X": "1"})) for one in messages]
    results = Recorder().deliver_many(parcels)

    assert copy_context().run(next, results) == "id-1"
    assert current(messages[0], ChannelType.EMAIL).headers == {"X-Mine": "yes"}
    assert copy_context().run(list, results) == ["id-2"]


def test_the_names_that_existing_tests_replace_are_there():
    """
    Each is looked up when it is used.
    """
    assert delivery.time.sleep
    assert DjangoEmailChannel.channel_type is ChannelType.EMAIL
