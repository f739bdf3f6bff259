"""
The Sailthru channel: what it asks of Sailthru, and what it makes of each answer.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from edx_ace.channel import sailthru
from edx_ace.channel.sailthru import SailthruEmailChannel
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
from tests.http_twin import HttpTwin, Request

ACCEPTED = {"send_id": "WFQxNzY2", "email": "zoe@example.com", "template": "ace", "status": "unknown"}


@pytest.fixture(autouse=True)
def configured(settings: Any) -> None:
    """A site that uses Sailthru."""
    settings.ACE_CHANNEL_SAILTHRU_TEMPLATE_NAME = "ace"
    settings.ACE_CHANNEL_SAILTHRU_API_KEY = "public-key"
    settings.ACE_CHANNEL_SAILTHRU_API_SECRET = "very-secret"


def a_message(**fields: Any) -> Message:
    """A message to a person with a mailbox."""
    fields = {"recipient": Recipient(7, "zoe@example.com"), **fields}
    return Message(app_label="courses", name="welcome", **fields)


def asked(request: Request) -> Any:
    """Return the JSON that Sailthru's client puts into a form."""
    return json.loads(parse_qs(request.body.decode())["json"][0])


class TestRequest:
    """What goes to Sailthru."""

    def test_one_signed_send(self, provider: HttpTwin, rendered_email: RenderedEmail) -> None:
        """
        One signed POST asks Sailthru to fill its template with the parts of the email; the subject is on one line.
        """
        provider.answer(200, ACCEPTED)

        SailthruEmailChannel().deliver(a_message(), rendered_email)

        (request,) = provider.requests
        form = parse_qs(request.body.decode())
        assert (request.method, request.url) == ("POST", "https://api.sailthru.com/send")
        assert form["api_key"] == ["public-key"]
        assert "sig" in form
        assert "very-secret" not in request.body.decode()
        assert asked(request) == {
            "template": "ace",
            "email": "zoe@example.com",
            "vars": {
                "ace_template_from_name": "Courses",
                "ace_template_subject": "Olá, Zoë",
                "ace_template_body_html": "<p>Grüße</p>",
                "ace_template_head_html": "<title>Hi</title>",
                "ace_template_body": "Grüße",
            },
            "options": {},
        }

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"from_address": "team@example.com"}, {"behalf_email": "team@example.com"}),
            (
                {"reply_to": "help@example.com", "from_address": "team@example.com"},
                {"behalf_email": "help@example.com"},
            ),
            # Sailthru takes one mailbox.
            ({"reply_to": ["help@example.com", "staff@example.com"]}, {"behalf_email": "help@example.com"}),
            ({"reply_to": [], "from_address": None}, {}),
        ],
    )
    def test_on_whose_behalf(
        self, provider: HttpTwin, rendered_email: RenderedEmail, options: dict[str, Any], expected: dict[str, str]
    ) -> None:
        """
        reply_to, else from_address, becomes behalf_email.
        """
        provider.answer(200, ACCEPTED)

        SailthruEmailChannel().deliver(a_message(options=options), rendered_email)

        assert asked(provider.requests[0])["options"] == expected

    @pytest.mark.parametrize("recipient", [None, Recipient(7), Recipient(7, "")])
    def test_no_address(self, provider: HttpTwin, rendered_email: RenderedEmail, recipient: Recipient | None) -> None:
        """
        Without an address the message is refused, and Sailthru is not asked.
        """
        with pytest.raises(InvalidMessageError, match=r"^No email address"):
            SailthruEmailChannel().deliver(a_message(recipient=recipient), rendered_email)

        assert provider.requests == []

    def test_two_addresses(self, provider: HttpTwin, rendered_email: RenderedEmail) -> None:
        """
        Two addresses in one, which Sailthru would both serve, are refused.
        """
        with pytest.raises(InvalidMessageError, match="expected one mailbox"):
            SailthruEmailChannel().deliver(
                a_message(recipient=Recipient(7, "a@example.com,b@example.com")), rendered_email
            )

        assert provider.requests == []

    def test_debugging_sends_nothing(
        self, provider: HttpTwin, rendered_email: RenderedEmail, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        With ACE_CHANNEL_SAILTHRU_DEBUG the message is logged, without the person's address, and not sent.
        """
        settings.ACE_CHANNEL_SAILTHRU_DEBUG = True
        message = a_message()

        with caplog.at_level(logging.INFO, logger="edx_ace.channel.sailthru"):
            assert SailthruEmailChannel().deliver(message, rendered_email) is None

        assert f"[{message.log_id}] would go to Sailthru: template ace" in caplog.text
        assert "zoe@example.com" not in caplog.text
        assert provider.requests == []


class TestAnswer:
    """What the channel makes of Sailthru's answers."""

    @pytest.mark.parametrize(
        ("body", "provider_id"),
        [
            (ACCEPTED, "WFQxNzY2"),
            # Accepted, whatever the body is.
            (b"", None),
            ("<html>It worked</html>", None),
            ({}, None),
            ([], None),
            ([{"send_id": "x"}], None),
            ("7", None),
        ],
    )
    def test_accepted(
        self, provider: HttpTwin, rendered_email: RenderedEmail, body: Any, provider_id: str | None
    ) -> None:
        """
        A status of success without an error in the body is an acceptance; the send id is the provider's id.
        """
        provider.answer(200, body)

        assert SailthruEmailChannel().deliver(a_message(), rendered_email) == provider_id

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (500, {"error": 9, "errormsg": "Internal Error"}),
            # Sailthru's own code counts more than the status.
            (400, {"error": 9, "errormsg": "Internal Error"}),
            (200, {"error": 43, "errormsg": "Too many requests"}),
            (502, "<html>Bad gateway</html>"),
            (503, b""),
            (500, {"error": "Internal"}),
        ],
    )
    def test_passing_trouble(self, provider: HttpTwin, rendered_email: RenderedEmail, status: int, body: Any) -> None:
        """
        Errors of the server and too many requests are worth another attempt about ten seconds later.
        """
        provider.answer(status, body)

        with pytest.raises(RecoverableChannelDeliveryError, match=r"^Sailthru answered") as caught:
            SailthruEmailChannel().deliver(a_message(), rendered_email)

        assert 7 < seconds_until(caught.value.next_attempt_time) <= 12

    @pytest.mark.parametrize(
        ("headers", "shortest", "longest"),
        [
            # Seconds since 1970.
            ({"X-Rate-Limit-Reset": "{in_40}"}, 35, 40),
            ({"X-Rate-Limit-Limit": "300", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "{in_40}"}, 35, 40),
            ({"Retry-After": "20"}, 15, 20),
            # Not believed.
            ({"X-Rate-Limit-Limit": "300", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "1"}, 7, 12),
            ({}, 7, 12),
        ],
    )
    def test_rate_limit(
        self,
        provider: HttpTwin,
        rendered_email: RenderedEmail,
        headers: dict[str, str],
        shortest: int,
        longest: int,
    ) -> None:
        """
        Beyond the rate limit the next attempt is when Sailthru says that the limit is reset.
        """
        in_40 = int(time.time()) + 40
        headers = {name: value.format(in_40=in_40) for name, value in headers.items()}
        provider.answer(429, {"error": 43, "errormsg": "Too many send requests this minute"}, headers=headers)

        with pytest.raises(RecoverableChannelDeliveryError, match="Too many send requests") as caught:
            SailthruEmailChannel().deliver(a_message(), rendered_email)

        assert shortest < seconds_until(caught.value.next_attempt_time) <= longest
        assert caught.value.code == "http_429"

    @pytest.mark.parametrize(
        ("status", "body", "text"),
        [
            (400, {"error": 14, "errormsg": "Unknown template: ace"}, "answered 400: error 14, Unknown template: ace."),
            (400, {"error": 11, "errormsg": "Invalid email: zoe@example.com"}, "Invalid email: …@…"),
            # Refused with a status of success.
            (200, {"error": 34, "errormsg": "User has opted out"}, "answered 400: error 34, User has opted out."),
            (404, "<html>Not found</html>", "answered 404."),
        ],
    )
    def test_refused_for_good(
        self, provider: HttpTwin, rendered_email: RenderedEmail, status: int, body: Any, text: str
    ) -> None:
        """
        Any other error would come again.
        """
        provider.answer(status, body)

        with pytest.raises(FatalChannelDeliveryError, match=text):
            SailthruEmailChannel().deliver(a_message(), rendered_email)

    @pytest.mark.parametrize("status", [401, 403])
    def test_credentials_refused(self, provider: HttpTwin, rendered_email: RenderedEmail, status: int) -> None:
        """
        A refused key says nothing about the message, and the error does not repeat it.
        """
        provider.answer(status, {"error": 3, "errormsg": "Invalid API key: public-key"})

        with pytest.raises(ChannelDownError, match="Check the credentials") as caught:
            SailthruEmailChannel().deliver(a_message(), rendered_email)

        assert "public-key" not in str(caught.value)

    def test_no_answer_in_time(self, provider: HttpTwin, rendered_email: RenderedEmail, settings: Any) -> None:
        """
        An answer that does not come within ACE_DEFAULT_API_TIMEOUT is a passing trouble.
        """
        settings.ACE_DEFAULT_API_TIMEOUT = 0.2
        provider.answer(200, ACCEPTED, wait=5)

        with pytest.raises(RecoverableChannelDeliveryError, match="Sailthru did not answer in time"):
            SailthruEmailChannel().deliver(a_message(), rendered_email)

    def test_connection_cut(self, provider: HttpTwin, rendered_email: RenderedEmail) -> None:
        """
        A connection that breaks before the answer is a passing trouble.
        """
        provider.answer(200, ACCEPTED, cut="before")

        with pytest.raises(RecoverableChannelDeliveryError, match="The connection to Sailthru failed"):
            SailthruEmailChannel().deliver(a_message(), rendered_email)


class TestChannel:
    """What the pipeline asks of the channel."""

    @pytest.mark.parametrize("missing", ["TEMPLATE_NAME", "API_KEY", "API_SECRET"])
    def test_disabled_without_a_setting(self, settings: Any, missing: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        Without one of the three settings the channel is not enabled, which is no error; it can be constructed.
        """
        assert SailthruEmailChannel.enabled()

        delattr(settings, f"ACE_CHANNEL_SAILTHRU_{missing}")

        assert not SailthruEmailChannel.enabled()
        assert SailthruEmailChannel()
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    def test_the_client_is_looked_up_when_it_is_needed(
        self, monkeypatch: pytest.MonkeyPatch, provider: HttpTwin, rendered_email: RenderedEmail
    ) -> None:
        """
        Code that replaces edx_ace.channel.sailthru.SailthruClient is heard.
        """
        provider.answer(200, ACCEPTED)
        channel = SailthruEmailChannel()
        keys = []

        class Replacement(sailthru.SailthruClient):  # type: ignore[misc]  # the package ships no types
            def __init__(self, key: str, secret: str, **options: Any) -> None:
                keys.append((key, secret))
                super().__init__(key, secret, **options)

        monkeypatch.setattr(sailthru, "SailthruClient", Replacement)

        channel.deliver(a_message(), rendered_email)

        assert keys == [("public-key", "very-secret")]

    def test_the_client_that_the_released_package_required(
        self, monkeypatch: pytest.MonkeyPatch, provider: HttpTwin, rendered_email: RenderedEmail
    ) -> None:
        """
        sailthru-client 2.2.3 takes no timeout; sites that pin it go on sending.
        """
        provider.answer(200, ACCEPTED)

        class Older(sailthru.SailthruClient):  # type: ignore[misc]  # the package ships no types
            def __init__(self, api_key: str, secret: str, api_url: str | None = None) -> None:
                super().__init__(api_key, secret, api_url)

        monkeypatch.setattr(sailthru, "SailthruClient", Older)

        assert SailthruEmailChannel().deliver(a_message(), rendered_email) == ACCEPTED["send_id"]

    def test_action_links_and_tracker(self) -> None:
        """
        There are two links, of which the one for unsubscribing can be left out, and the image that counts opens.
        """
        channel = SailthruEmailChannel()

        assert channel.get_action_links() == [
            ("{view_url}", "View on Web"),
            ("{optout_confirm_url}", "Unsubscribe from this list"),
        ]
        assert channel.get_action_links(omit_unsubscribe_link=True) == [("{view_url}", "View on Web")]
        assert channel.tracker_image_sources == ["{beacon_src}"]

    def test_the_old_name_of_the_links_warns(self) -> None:
        """
        action_links works as before and says what to call instead.
        """
        with pytest.warns(DeprecationWarning, match=r"call get_action_links\(\)"):
            links = SailthruEmailChannel().action_links

        assert links == SailthruEmailChannel().get_action_links()

    def test_without_the_client_the_error_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Importing the channel without its dependency names the extra that brings it.
        """
        monkeypatch.delitem(sys.modules, "edx_ace.channel.sailthru")
        monkeypatch.setitem(sys.modules, "sailthru.sailthru_client", None)

        with pytest.raises(MissingExtraError, match=r'The Sailthru channel .* pip install "edx-ace\[sailthru\]"'):
            import edx_ace.channel.sailthru  # noqa: F401


def seconds_until(moment: datetime | None) -> float:
    """Return how long it is until *moment*."""
    assert moment is not None
    return (moment - datetime.now(UTC)).total_seconds()
