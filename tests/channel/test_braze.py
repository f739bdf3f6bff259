"""
The Braze channel: what it asks of Braze, and what it makes of each answer.
"""

from __future__ import annotations

import logging
import socket
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.core import mail

from edx_ace import ace, deadline
from edx_ace.channel import ChannelType, braze
from edx_ace.channel.braze import BrazeEmailChannel
from edx_ace.errors import (
    ChannelDownError,
    FatalChannelDeliveryError,
    InvalidMessageError,
    MissingExtraError,
    RecoverableChannelDeliveryError,
)
from edx_ace.message import Message
from edx_ace.recipient import Recipient
from edx_ace.renderers import RenderedEmail
from edx_ace.report import Outcome
from edx_ace.testing import frozen_clock, make_message
from tests.http_twin import Answer, HttpTwin

ACCEPTED = {"dispatch_id": "a1b2c3", "message": "success"}


@pytest.fixture(autouse=True)
def configured(settings: Any) -> None:
    """A site that uses Braze."""
    settings.ACE_CHANNEL_BRAZE_API_KEY = "very-secret-key"
    settings.ACE_CHANNEL_BRAZE_APP_ID = "app-1"
    settings.ACE_CHANNEL_BRAZE_REST_ENDPOINT = "rest.iad-99.braze.example"


def a_message(**fields: Any) -> Message:
    """A message to a person with an account."""
    fields = {"name": "welcome", "recipient": Recipient(7, "zoe@example.com"), **fields}
    return Message(app_label="courses", **fields)


class TestRequest:
    """What goes to Braze."""

    def test_one_post_with_the_key_as_bearer(self, provider: HttpTwin, rendered_email: RenderedEmail) -> None:
        """
        One POST goes to /messages/send of the endpoint, authorised by the key.
        """
        provider.answer(201, ACCEPTED)

        BrazeEmailChannel().deliver(a_message(), rendered_email)

        (request,) = provider.requests
        assert request.method == "POST"
        assert request.url == "https://rest.iad-99.braze.example/messages/send"
        assert request.headers["Authorization"] == "Bearer very-secret-key"
        assert request.headers["Content-Type"] == "application/json"

    def test_the_whole_json(self, provider: HttpTwin, rendered_email: RenderedEmail) -> None:
        """
        The JSON names the user, the app and the parts of the email; the subject is on one line.
        """
        provider.answer(201, ACCEPTED)

        BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert provider.requests[0].json == {
            "external_user_ids": ["7"],
            "recipient_subscription_state": "subscribed",
            "campaign_id": None,
            "override_frequency_capping": False,
            "messages": {
                "email": {
                    "app_id": "app-1",
                    "subject": "Olá, Zoë",
                    "from": "sender@example.com",
                    "reply_to": None,
                    "body": BrazeEmailChannel.make_simple_html_template("<title>Hi</title>", "<p>Grüße</p>"),
                    "plaintext_body": "Grüße",
                    "message_variation_id": None,
                    "should_inline_css": False,
                }
            },
        }

    @pytest.mark.parametrize(
        ("options", "state", "capping_overridden"),
        [
            ({}, "subscribed", False),
            # A transactional message reaches people who have unsubscribed, and counts against no cap.
            ({"transactional": True}, "all", True),
            # The caller's word about the cap counts more.
            ({"transactional": True, "override_frequency_capping": False}, "all", False),
            ({"override_frequency_capping": True}, "subscribed", True),
        ],
    )
    def test_transactional_and_capping(
        self,
        provider: HttpTwin,
        rendered_email: RenderedEmail,
        options: dict[str, Any],
        state: str,
        capping_overridden: bool,
    ) -> None:
        """
        The options decide who is reached and whether Braze's frequency cap holds.
        """
        provider.answer(201, ACCEPTED)

        BrazeEmailChannel().deliver(a_message(options=options), rendered_email)

        asked = provider.requests[0].json
        assert asked["recipient_subscription_state"] == state
        assert asked["override_frequency_capping"] is capping_overridden

    @pytest.mark.parametrize(
        ("configured", "campaign", "variation"),
        [("campaign-1:variation-2", "campaign-1", "variation-2"), ("campaign-1", "campaign-1", None)],
    )
    def test_campaign_of_the_message_name(
        self,
        provider: HttpTwin,
        rendered_email: RenderedEmail,
        settings: Any,
        configured: str,
        campaign: str,
        variation: str | None,
    ) -> None:
        """
        A message whose name has a campaign is sent as part of it.
        """
        settings.ACE_CHANNEL_BRAZE_CAMPAIGNS = {"welcome": configured}
        provider.answer(201, ACCEPTED)

        BrazeEmailChannel().deliver(a_message(), rendered_email)

        asked = provider.requests[0].json
        assert asked["campaign_id"] == campaign
        assert asked["messages"]["email"]["message_variation_id"] == variation

    @pytest.mark.parametrize(
        ("options", "reply_to"),
        [
            ({"reply_to": "help@example.com"}, "help@example.com"),
            ({"reply_to": ["help@example.com"]}, "help@example.com"),
            ({"reply_to": ["help@example.com", "staff@example.com"]}, "help@example.com, staff@example.com"),
        ],
    )
    def test_reply_to_as_text_or_list(
        self, provider: HttpTwin, rendered_email: RenderedEmail, options: dict[str, Any], reply_to: str
    ) -> None:
        """
        reply_to may be a text or a list; Braze gets a text.
        """
        provider.answer(201, ACCEPTED)

        BrazeEmailChannel().deliver(a_message(options=options), rendered_email)

        assert provider.requests[0].json["messages"]["email"]["reply_to"] == reply_to

    @pytest.mark.parametrize(
        ("braze_from", "options", "expected"),
        [
            (None, {}, "sender@example.com"),
            (None, {"from_address": "Team <team@example.com>"}, "Team <team@example.com>"),
            # Braze sends from addresses that it knows only, so its own setting wins.
            ("braze@example.com", {"from_address": "team@example.com"}, "braze@example.com"),
        ],
    )
    def test_from_address(
        self,
        provider: HttpTwin,
        rendered_email: RenderedEmail,
        settings: Any,
        braze_from: str | None,
        options: dict[str, Any],
        expected: str,
    ) -> None:
        """
        The sender is Braze's own when one is set, else as in other mail.
        """
        settings.ACE_CHANNEL_BRAZE_FROM_EMAIL = braze_from
        provider.answer(201, ACCEPTED)

        BrazeEmailChannel().deliver(a_message(options=options), rendered_email)

        assert provider.requests[0].json["messages"]["email"]["from"] == expected

    def test_line_breaks_in_addresses_are_refused(self, provider: HttpTwin, rendered_email: RenderedEmail) -> None:
        """
        An address with a line break is refused, and Braze is not asked.
        """
        with pytest.raises(InvalidMessageError, match="line break"):
            BrazeEmailChannel().deliver(
                a_message(options={"reply_to": "a@example.com\nBcc: b@example.com"}), rendered_email
            )

        assert provider.requests == []

    @pytest.mark.parametrize("recipient", [Recipient(None, "zoe@example.com"), Recipient(0, "zoe@example.com")])
    def test_without_user_id_the_mail_goes_through_django(
        self, provider: HttpTwin, rendered_email: RenderedEmail, settings: Any, recipient: Recipient
    ) -> None:
        """
        Somebody whom Braze cannot know gets the message through Django's mail backend.
        """
        settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}

        BrazeEmailChannel().deliver(a_message(recipient=recipient), rendered_email)

        assert [email.to for email in mail.outbox] == [["zoe@example.com"]]
        assert provider.requests == []

    def test_the_fallback_is_looked_up_when_it_is_needed(
        self, monkeypatch: pytest.MonkeyPatch, rendered_email: RenderedEmail
    ) -> None:
        """
        Code that replaces edx_ace.channel.braze.DjangoEmailChannel is heard.
        """

        class Replacement:
            def deliver(self, message: Message, rendered_message: RenderedEmail) -> str:
                return "replaced"

        monkeypatch.setattr(braze, "DjangoEmailChannel", Replacement)

        assert (
            BrazeEmailChannel().deliver(a_message(recipient=Recipient(None, "z@example.com")), rendered_email)
            == "replaced"
        )


class TestAnswer:
    """What the channel makes of Braze's answers."""

    @pytest.mark.parametrize(
        ("status", "body", "provider_id"),
        [
            (201, ACCEPTED, "a1b2c3"),
            # Accepted, with a remark about something else.
            (201, {**ACCEPTED, "errors": ["'x' is not a valid attribute"]}, "a1b2c3"),
            # Accepted, and nothing that Braze says afterwards can take it back:
            (201, {"message": "success"}, None),
            (201, b"", None),
            (201, "<html>It worked</html>", None),
            (201, "[1, 2]", None),
            (201, b"\xff\xfe{", None),
            (200, {"dispatch_id": 17}, "17"),
        ],
    )
    def test_accepted(
        self, provider: HttpTwin, rendered_email: RenderedEmail, status: int, body: Any, provider_id: str | None
    ) -> None:
        """
        A status of success is an acceptance, whatever the body is; the dispatch id is the provider's id.
        """
        provider.answer(status, body)

        assert BrazeEmailChannel().deliver(a_message(), rendered_email) == provider_id

    def test_accepted_and_then_cut_off(self, provider: HttpTwin, rendered_email: RenderedEmail) -> None:
        """
        A connection that breaks within the body of an acceptance leaves it an acceptance.
        """
        provider.answer(201, ACCEPTED, cut="body")

        assert BrazeEmailChannel().deliver(a_message(), rendered_email) is None

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
    def test_passing_trouble(self, provider: HttpTwin, rendered_email: RenderedEmail, status: int) -> None:
        """
        Too many requests and errors of the server are worth another attempt about ten seconds later.
        """
        provider.answer(status, {"message": "later, please"})

        with pytest.raises(RecoverableChannelDeliveryError, match=f"Braze answered {status}: later, please.") as caught:
            BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert caught.value.next_attempt_time is not None
        wait = caught.value.next_attempt_time - datetime.now(UTC)
        assert timedelta(seconds=7) < wait <= timedelta(seconds=12)
        assert caught.value.code == f"http_{status}"

    def test_a_page_of_a_proxy_is_not_repeated(self, provider: HttpTwin, rendered_email: RenderedEmail) -> None:
        """
        HTML in an answer does not end up in the error.
        """
        provider.answer(502, "<html><h1>Bad gateway</h1></html>")

        with pytest.raises(RecoverableChannelDeliveryError, match=r"^Braze answered 502\.$"):
            BrazeEmailChannel().deliver(a_message(), rendered_email)

    @pytest.mark.parametrize(
        ("retry_after", "shortest", "longest"),
        [
            ("90", 85, 90),
            pytest.param(
                # Counted from the moment at which tests are collected, which may be some minutes ago.
                format_datetime(datetime.now(UTC) + timedelta(seconds=3000), usegmt=True),
                600,
                3000,
                id="a date ahead",
            ),
            # Not believed: no wait, in the past, longer than an hour, no number of this world, no date.
            ("0", 7, 12),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 7, 12),
            ("86400", 7, 12),
            ("9" * 5000, 7, 12),
            ("soon", 7, 12),
            ("-5", 7, 12),
        ],
    )
    def test_retry_after(
        self, provider: HttpTwin, rendered_email: RenderedEmail, retry_after: str, shortest: int, longest: int
    ) -> None:
        """
        Retry-After decides when the next attempt is, when it is sane.
        """
        provider.answer(429, {"message": "rate limited"}, headers={"Retry-After": retry_after})

        with pytest.raises(RecoverableChannelDeliveryError) as caught:
            BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert caught.value.next_attempt_time is not None
        wait = (caught.value.next_attempt_time - datetime.now(UTC)).total_seconds()
        assert shortest < wait <= longest

    @pytest.mark.parametrize("status", [400, 404, 413, 422])
    def test_refused_for_good(self, provider: HttpTwin, rendered_email: RenderedEmail, status: int) -> None:
        """
        Any other error of the request would come again.
        """
        provider.answer(status, {"message": "no such campaign"})

        with pytest.raises(FatalChannelDeliveryError, match=f"Braze answered {status}: no such campaign."):
            BrazeEmailChannel().deliver(a_message(), rendered_email)

    @pytest.mark.parametrize("status", [401, 403])
    def test_credentials_refused(self, provider: HttpTwin, rendered_email: RenderedEmail, status: int) -> None:
        """
        A refused key says nothing about the message, and the error does not repeat it.
        """
        provider.answer(status, {"message": "Invalid API key: very-secret-key"})

        with pytest.raises(ChannelDownError, match="Check the credentials") as caught:
            BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert "very-secret-key" not in str(caught.value)

    def test_addresses_in_an_answer_are_left_out(self, provider: HttpTwin, rendered_email: RenderedEmail) -> None:
        """
        What Braze says about a person does not end up in logs.
        """
        provider.answer(400, {"message": "from 'zoe@example.com'\nis not allowed"})

        with pytest.raises(FatalChannelDeliveryError, match="from '…@…' is not allowed"):
            BrazeEmailChannel().deliver(a_message(), rendered_email)

    def test_a_redirect_is_no_acceptance(self, provider: HttpTwin, rendered_email: RenderedEmail) -> None:
        """
        An endpoint that redirects is a wrong one; the redirect is not followed to a page that answers 200.
        """
        provider.answer(302, headers={"Location": "https://dashboard.braze.example/"})

        with pytest.raises(ChannelDownError, match="Check the endpoint"):
            BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert len(provider.requests) == 1

    def test_no_answer_in_time(self, provider: HttpTwin, rendered_email: RenderedEmail, settings: Any) -> None:
        """
        An answer that does not come within ACE_DEFAULT_API_TIMEOUT is a passing trouble.
        """
        settings.ACE_DEFAULT_API_TIMEOUT = 0.2
        provider.answer(201, ACCEPTED, wait=5)

        with pytest.raises(RecoverableChannelDeliveryError, match="did not answer in time") as caught:
            BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert caught.value.code == "timeout"
        assert caught.value.is_ambiguous

    def test_no_answer_before_the_deadline(
        self, provider: HttpTwin, rendered_email: RenderedEmail, settings: Any
    ) -> None:
        """
        Less than the usual time may be left.
        """
        settings.ACE_DEFAULT_API_TIMEOUT = 60
        provider.answer(201, ACCEPTED, wait=60)

        with deadline.within(0.2), pytest.raises(RecoverableChannelDeliveryError, match="in time") as caught:
            BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert caught.value.is_ambiguous

    def test_no_encryption_in_time(self, rendered_email: RenderedEmail, settings: Any) -> None:
        """
        A server that accepts connections and then says nothing has not seen the message.
        """
        settings.ACE_DEFAULT_API_TIMEOUT = 0.2
        with socket.create_server(("127.0.0.1", 0)) as silent:
            settings.ACE_CHANNEL_BRAZE_REST_ENDPOINT = f"127.0.0.1:{silent.getsockname()[1]}"

            with pytest.raises(RecoverableChannelDeliveryError, match="did not answer in time") as caught:
                BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert caught.value.code == "connection"
        assert not caught.value.is_ambiguous

    @pytest.mark.parametrize(("status", "is_ambiguous"), [(500, False), (503, False), (504, True)])
    def test_a_gateway_that_waited_in_vain(
        self, provider: HttpTwin, rendered_email: RenderedEmail, status: int, is_ambiguous: bool
    ) -> None:
        """
        It handed the message on, and what came of that it does not know either.
        """
        provider.answer(status)

        with pytest.raises(RecoverableChannelDeliveryError) as caught:
            BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert caught.value.is_ambiguous == is_ambiguous

    def test_connection_cut(self, provider: HttpTwin, rendered_email: RenderedEmail) -> None:
        """
        A connection that breaks before the answer is a passing trouble.
        """
        provider.answer(201, ACCEPTED, cut="before")

        with pytest.raises(RecoverableChannelDeliveryError, match="The connection to Braze failed") as caught:
            BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert caught.value.code == "connection"
        assert caught.value.is_ambiguous

    def test_nobody_listens(
        self, provider: HttpTwin, rendered_email: RenderedEmail, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A connection that cannot be made is a passing trouble.
        """
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")

        with pytest.raises(RecoverableChannelDeliveryError, match="The connection to Braze failed") as caught:
            BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert not caught.value.is_ambiguous

    def test_untrusted_certificate(
        self, provider: HttpTwin, rendered_email: RenderedEmail, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A certificate that nobody trusts brings the channel down; the message is not handed over.
        """
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")

        with pytest.raises(ChannelDownError, match="does not trust its TLS certificate"):
            BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert provider.requests == []

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("ACE_CHANNEL_BRAZE_REST_ENDPOINT", "rest.braze.example:port"),
            ("ACE_CHANNEL_BRAZE_API_KEY", "very-secret-key\n"),
        ],
    )
    def test_malformed_settings(
        self, provider: HttpTwin, rendered_email: RenderedEmail, settings: Any, setting: str, value: str
    ) -> None:
        """
        An endpoint or a key that cannot be used brings the channel down; the error does not quote the key.
        """
        setattr(settings, setting, value)

        with pytest.raises(ChannelDownError, match="Check the endpoint and the key") as caught:
            BrazeEmailChannel().deliver(a_message(), rendered_email)

        assert "very-secret-key" not in str(caught.value)


class TestPipeline:
    """The channel within ``ace.send``."""

    @pytest.fixture(autouse=True)
    def enabled(self, settings: Any) -> None:
        """Email goes over Braze."""
        settings.ACE_ENABLED_CHANNELS = ["braze_email"]
        settings.ACE_CHANNEL_DEFAULT_EMAIL = "braze_email"

    def test_a_message_that_has_to_wait_is_sent(self, provider: HttpTwin) -> None:
        """
        A message that Braze takes at the second attempt is sent, and the report holds Braze's id.
        """
        provider.answer_in_turn(Answer(429, headers={"Retry-After": "30"}), Answer(201, ACCEPTED))

        with frozen_clock() as clock:
            started = clock.now
            report = ace.send(make_message("tests.welcome"), limit_to_channels=[ChannelType.EMAIL])

        delivery = report[ChannelType.EMAIL]
        assert (delivery.outcome, delivery.attempts, delivery.provider_id) == (Outcome.SENT, 2, "a1b2c3")
        assert clock.now - started == timedelta(seconds=30)

    def test_a_refused_key_is_in_the_report_and_in_no_log(
        self, provider: HttpTwin, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        The report names Braze's status; neither the key nor the address is logged.
        """
        provider.answer(401, {"message": "Invalid API key: very-secret-key for zoe@example.com"})
        message = make_message("tests.welcome", recipient=Recipient(7, "zoe@example.com"))

        with caplog.at_level(logging.DEBUG, logger="edx_ace"):
            report = ace.send(message, limit_to_channels=[ChannelType.EMAIL])

        assert report[ChannelType.EMAIL].outcome is Outcome.FAILED
        assert report[ChannelType.EMAIL].code == "http_401"
        assert "http_401" in caplog.text
        assert "very-secret-key" not in caplog.text
        assert "zoe@example.com" not in caplog.text


class TestChannel:
    """What the pipeline asks of the channel."""

    @pytest.mark.parametrize("missing", ["API_KEY", "APP_ID", "REST_ENDPOINT"])
    def test_disabled_without_a_setting(self, settings: Any, missing: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        Without one of the three settings the channel is not enabled, which is no error; it can be constructed.
        """
        assert BrazeEmailChannel.enabled()

        delattr(settings, f"ACE_CHANNEL_BRAZE_{missing}")

        assert not BrazeEmailChannel.enabled()
        assert BrazeEmailChannel()
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    def test_claims_messages_with_a_campaign(self, settings: Any) -> None:
        """
        A message whose name has a campaign is this channel's; others are not.
        """
        settings.ACE_CHANNEL_BRAZE_CAMPAIGNS = {"welcome": "campaign-1"}

        assert BrazeEmailChannel.overrides_delivery_for_message(a_message())
        assert not BrazeEmailChannel.overrides_delivery_for_message(a_message(name="deadline"))

    def test_action_links(self) -> None:
        """
        There is one link, for unsubscribing, which can be left out; Braze counts opens by itself.
        """
        channel = BrazeEmailChannel()

        assert channel.get_action_links() == [("{{${set_user_to_unsubscribed_url}}}", "Unsubscribe from this list")]
        assert channel.get_action_links(omit_unsubscribe_link=True) == []
        assert channel.tracker_image_sources == []

    def test_the_old_name_of_the_links_warns(self) -> None:
        """
        action_links works as before and says what to call instead.
        """
        with pytest.warns(DeprecationWarning, match=r"call get_action_links\(\)"):
            links = BrazeEmailChannel().action_links

        assert links == BrazeEmailChannel().get_action_links()

    def test_without_requests_the_error_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Importing the channel without its dependency names the extra that brings it.
        """
        monkeypatch.delitem(sys.modules, "edx_ace.channel.braze")
        monkeypatch.setitem(sys.modules, "requests", None)

        with pytest.raises(MissingExtraError, match=r'The Braze channel .* pip install "edx-ace\[braze\]"'):
            import edx_ace.channel.braze  # noqa: F401
