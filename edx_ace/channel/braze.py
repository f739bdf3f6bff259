"""
Public: email through Braze's REST interface, to people whom Braze knows by the host's user id.

Needs the extra ``braze`` and the settings ACE_CHANNEL_BRAZE_API_KEY, ACE_CHANNEL_BRAZE_APP_ID and
ACE_CHANNEL_BRAZE_REST_ENDPOINT. A message that ACE_CHANNEL_BRAZE_CAMPAIGNS names is claimed by this channel.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from edx_ace.errors import MissingExtraError

try:
    import requests
    from requests.exceptions import RequestException
except ImportError as error:
    raise MissingExtraError("The Braze channel", "braze") from error

from edx_ace import deadline
from edx_ace.channel.base import Channel
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.channel.mailbox import parse_mailbox, parse_mailboxes
from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.channel.providers import error_for_answer, error_for_exception, redacted, retry_time
from edx_ace.conf import settings
from edx_ace.text import check_text

if TYPE_CHECKING:
    from edx_ace.message import Message
    from edx_ace.renderers import RenderedEmail
    from edx_ace.report import Accepted, Skipped

#: Braze replaces this Liquid tag by the recipient's own unsubscribe link.
_UNSUBSCRIBE_LINK = "{{${set_user_to_unsubscribed_url}}}"


class BrazeEmailChannel(EmailChannelMixin, Channel):
    """Hands emails to Braze; those of a recipient without an account go to Django's mail backend."""

    @classmethod
    def enabled(cls) -> bool:
        """Whether the key, the app and the endpoint are set."""
        return bool(
            settings.CHANNEL_BRAZE_API_KEY and settings.CHANNEL_BRAZE_APP_ID and settings.CHANNEL_BRAZE_REST_ENDPOINT
        )

    @classmethod
    def overrides_delivery_for_message(cls, message: Message) -> bool:
        """Whether a Braze campaign is configured for messages of this name."""
        return bool(settings.CHANNEL_BRAZE_CAMPAIGNS.get(message.name))

    @property
    def action_links(self) -> list[tuple[str, str]]:
        """Deprecated: what `get_action_links` returns."""
        warnings.warn("action_links is deprecated; call get_action_links().", DeprecationWarning, stacklevel=2)
        return self.get_action_links()

    def get_action_links(self, *, omit_unsubscribe_link: bool = False) -> list[tuple[str, str]]:
        """Return (href, title) of the links for the foot of a message."""
        return [] if omit_unsubscribe_link else [(_UNSUBSCRIBE_LINK, _("Unsubscribe from this list"))]

    @property
    def tracker_image_sources(self) -> list[str]:
        """None: Braze puts in its own."""
        return []

    def deliver(self, message: Message, rendered_message: RenderedEmail) -> str | Accepted | Skipped | None:
        """Hand the email over and return Braze's dispatch id, if its answer holds one."""
        user_id = None if message.recipient is None else message.recipient.lms_user_id
        # Braze finds the address by the account, so that it cannot be told another one.
        if not user_id or settings.REDIRECT_ALL_TO:
            return DjangoEmailChannel().deliver(message, rendered_message)
        try:
            response = requests.post(
                f"https://{settings.CHANNEL_BRAZE_REST_ENDPOINT}/messages/send",
                headers={"Authorization": f"Bearer {settings.CHANNEL_BRAZE_API_KEY}"},
                json=self._payload(user_id, message, rendered_message),
                timeout=deadline.limit(settings.DEFAULT_API_TIMEOUT),
                # A redirected POST becomes a GET, whose success would look like Braze's.
                allow_redirects=False,
                # The body is read apart: once the status says "accepted", nothing in the body can take it back.
                stream=True,
            )
        except RequestException as failure:
            raise error_for_exception("Braze", failure) from failure
        try:
            answer = _json_object(response)
        finally:
            response.close()
        if response.status_code not in range(300, 600):
            dispatch_id = answer.get("dispatch_id")
            return str(dispatch_id) if dispatch_id else None
        raise error_for_answer(
            "Braze",
            response.status_code,
            redacted(answer.get("message", ""), settings.CHANNEL_BRAZE_API_KEY),
            retry_at=retry_time(response.headers),
        )

    def _payload(self, user_id: object, message: Message, rendered: RenderedEmail) -> dict[str, Any]:
        """Return the JSON for Braze's ``/messages/send``."""
        transactional = bool(message.options.get("transactional"))
        campaign, _colon, variation = (settings.CHANNEL_BRAZE_CAMPAIGNS.get(message.name) or "").partition(":")
        html = self.make_simple_html_template(rendered.head_html, rendered.body_html)
        reply_to = parse_mailboxes(message.options.get("reply_to"), "reply_to")
        return {
            "external_user_ids": [str(user_id)],
            "recipient_subscription_state": "all" if transactional else "subscribed",
            "campaign_id": campaign or None,
            "override_frequency_capping": bool(message.options.get("override_frequency_capping", transactional)),
            "messages": {
                "email": {
                    "app_id": settings.CHANNEL_BRAZE_APP_ID,
                    "subject": check_text(self.get_subject(rendered), "subject"),
                    "from": str(
                        parse_mailbox(
                            settings.CHANNEL_BRAZE_FROM_EMAIL or self.get_from_address(message), "from address"
                        )
                    ),
                    # Braze takes one text here.
                    "reply_to": ", ".join(map(str, reply_to)) or None,
                    "body": check_text(html, "HTML"),
                    "plaintext_body": check_text(rendered.body, "plain text"),
                    "message_variation_id": variation or None,
                    "should_inline_css": False,
                }
            },
        }


def _json_object(response: requests.Response) -> dict[str, Any]:
    """Return the JSON object in *response*; an empty one when there is none, or the body breaks off."""
    try:
        answer = response.json()
    except (RequestException, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}
