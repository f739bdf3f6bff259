"""
Internal: django-anymail's statuses, errors and batches.
"""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailRequestsAPIError,
    AnymailUnsupportedFeature,
)
from anymail.message import AnymailRecipientStatus
from anymail.signals import pre_send
from django.core import mail

from edx_ace.errors import ChannelDownError, FatalChannelDeliveryError, RecoverableChannelDeliveryError
from tests.channel.mail import ANYMAIL, codes, deliver, deliver_many, parcel, use_backend


@pytest.fixture(autouse=True)
def backend(settings):
    """django-anymail's test backend is the site's."""
    use_backend(settings, ANYMAIL)


@pytest.fixture
def before_sending():
    """Return a function that connects a receiver, which may change the email or raise, for the test."""
    receivers = []

    def connect(receive):
        def receiver(sender, message, esp_name, **kwargs):
            receive(message)

        receivers.append(receiver)
        pre_send.connect(receiver)

    yield connect
    for receiver in receivers:
        pre_send.disconnect(receiver)


def answering(**statuses):
    """Make the provider answer for the recipients, by local part, with these statuses, else with "sent"."""

    def receive(message):
        message.anymail_test_response = {
            "recipient_status": {
                to: AnymailRecipientStatus(f"id-{to.partition('@')[0]}", statuses.get(to.partition("@")[0], "sent"))
                for to in message.recipients()
            }
        }

    return receive


def test_the_providers_id_comes_back(before_sending):
    """
    Its events name that id.
    """
    before_sending(answering())

    assert deliver(parcel()) == "id-ann"


@pytest.mark.parametrize("status", ["invalid", "rejected", "failed"])
def test_a_recipient_that_the_provider_refused_is_not_sent(before_sending, status):
    """
    Even when a copy was accepted.
    """
    before_sending(answering(ann=status))

    with pytest.raises(FatalChannelDeliveryError, match=status) as raised:
        deliver(parcel(cc="other@example.com"))

    assert raised.value.code == f"anymail_{status}"


def api_error(status, headers=()):
    response = SimpleNamespace(status_code=status, reason="", json=dict, text="", headers=dict(headers))
    return AnymailRequestsAPIError(response=response)


@pytest.mark.parametrize(
    ("raised", "error", "code"),
    [
        # Accepted, perhaps, with an answer that cannot be read.
        (api_error(200), FatalChannelDeliveryError, "anymail"),
        (api_error(400), FatalChannelDeliveryError, "http_400"),
        (api_error(401), ChannelDownError, "http_401"),
        (api_error(403), ChannelDownError, "http_403"),
        (api_error(408), RecoverableChannelDeliveryError, "http_408"),
        (api_error(422), FatalChannelDeliveryError, "http_422"),
        (api_error(429), RecoverableChannelDeliveryError, "http_429"),
        (api_error(503), RecoverableChannelDeliveryError, "http_503"),
        (AnymailRequestsAPIError("no answer"), RecoverableChannelDeliveryError, "connection"),
        (AnymailAPIError("odd"), FatalChannelDeliveryError, "anymail"),
        (AnymailRecipientsRefused(), FatalChannelDeliveryError, "anymail"),
        (AnymailInvalidAddress("odd"), FatalChannelDeliveryError, "anymail"),
        (AnymailUnsupportedFeature("odd"), FatalChannelDeliveryError, "anymail"),
        (AnymailConfigurationError("odd"), ChannelDownError, "configuration"),
    ],
)
def test_errors_are_told_apart_by_their_status(before_sending, raised, error, code):
    """
    A key that is refused is the channel's fault, a full or broken provider passes, the rest is the message's.
    """

    def receive(message):
        raise raised

    before_sending(receive)

    with pytest.raises(error) as caught:
        deliver(parcel())
    assert caught.value.code == code
    assert caught.value.is_ambiguous == (getattr(raised, "status_code", None) == 200 or code == "connection")


@pytest.mark.parametrize(("place", "is_ambiguous"), [("provider", True), ("nowhere", False)])
def test_a_lost_answer_is_ambiguous_and_a_lost_connection_is_not(settings, provider, monkeypatch, place, is_ambiguous):
    """
    Only a request that was written can have been taken.
    """
    use_backend(settings, "anymail.backends.postmark.EmailBackend")
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "token"}
    provider.answer(200, cut="before")
    if place == "nowhere":
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")

    with pytest.raises(RecoverableChannelDeliveryError) as caught:
        deliver(parcel())

    assert (caught.value.code, caught.value.is_ambiguous) == ("connection", is_ambiguous)


def test_a_batch_whose_answer_cannot_be_read_is_not_sent_again(settings, provider):
    """
    The provider has most likely taken it.
    """
    use_backend(settings, "anymail.backends.postmark.EmailBackend")
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "token"}
    provider.answer(200, "<html>")

    results = deliver_many([parcel("a@example.com"), parcel("b@example.com")])

    assert [(result.code, result.is_ambiguous) for result in results] == [("anymail", True)] * 2
    assert len(provider.requests) == 1


def test_a_provider_that_says_how_long_to_wait_is_believed(before_sending, ace_clock):
    """
    Retry-After counts, as with the providers that have a channel of their own.
    """

    def receive(message):
        raise api_error(429, {"Retry-After": "90"})

    before_sending(receive)

    with pytest.raises(RecoverableChannelDeliveryError) as caught:
        deliver(parcel())
    assert caught.value.next_attempt_time == ace_clock.now + timedelta(seconds=90)


def test_a_cancelled_message_is_not_reported_as_sent(before_sending):
    """
    A receiver of pre_send may cancel it.
    """
    from anymail.exceptions import AnymailCancelSend

    def receive(message):
        raise AnymailCancelSend

    before_sending(receive)

    with pytest.raises(FatalChannelDeliveryError, match="pre_send cancelled") as raised:
        deliver(parcel())
    assert raised.value.code == "cancelled"


def test_messages_of_equal_content_go_in_one_call(before_sending):
    """
    Each recipient has their own headers and result, and sees no other.
    """
    before_sending(answering(b="rejected"))
    parcels = [parcel(f"{name}@example.com", headers={"List-Unsubscribe": f"<{name}>", "X-S": "s"}) for name in "abc"]

    results = deliver_many(parcels)

    assert codes(results) == ["sent", "anymail_rejected", "sent"]
    assert (results[0], results[2]) == ("id-a", "id-c")
    [call] = mail.outbox
    assert call.anymail_test_params["is_batch_send"]
    assert call.extra_headers == {"X-S": "s", "Auto-Submitted": "auto-generated"}
    assert call.merge_headers["b@example.com"] == {
        "List-Unsubscribe": "<b>",
        "Message-ID": f"<{parcels[1].message.uuid}@example.com>",
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"body": "Hi Ann"}, {"body": "Hi Bob"}),
        ({"body_html": "Hi Ann"}, {"body_html": "Hi Bob"}),
        ({"subject": "Hi Ann"}, {"subject": "Hi Bob"}),
        ({"cc": "c@example.com"}, {"cc": "c@example.com"}),
        ({"headers": {"X-A": "a"}}, {"headers": {"X-B": "b"}}),
    ],
)
def test_messages_that_differ_go_one_by_one(first, second):
    """
    No provider takes different contents in one call.
    """
    assert codes(deliver_many([parcel("a@example.com", **first), parcel("b@example.com", **second)])) == ["sent"] * 2
    assert [sent.to for sent in mail.outbox] == [["a@example.com"], ["b@example.com"]]


def test_the_same_address_twice_is_two_calls():
    """
    A provider's answer is by address.
    """
    deliver_many([parcel(), parcel()])

    assert len(mail.outbox) == 2


def test_without_batches_messages_go_one_by_one(before_sending):
    """
    Where the provider has none, or refuses one as a whole, each message gets its own answer.
    """

    def receive(message):
        if len(message.to) > 1:
            raise AnymailUnsupportedFeature("merge_headers")
        if message.to == ["b@example.com"]:
            raise api_error(400)

    before_sending(receive)

    assert codes(deliver_many([parcel(f"{name}@example.com") for name in "abc"])) == ["sent", "http_400", "sent"]


def test_recipients_never_see_each_other(settings):
    """
    A backend that would ignore what it does not support gets no batch.
    """
    use_backend(settings, ANYMAIL, ignore_unsupported_features=True)
    settings.ANYMAIL = {"IGNORE_UNSUPPORTED_FEATURES": True}

    deliver_many([parcel("a@example.com"), parcel("b@example.com")])

    assert [sent.to for sent in mail.outbox] == [["a@example.com"], ["b@example.com"]]


def test_a_batch_that_found_no_answer_is_tried_again_later(before_sending):
    """
    All of its messages wait.
    """

    def receive(message):
        raise AnymailRequestsAPIError("no answer")

    before_sending(receive)

    assert codes(deliver_many([parcel("a@example.com"), parcel("b@example.com")])) == ["connection"] * 2
