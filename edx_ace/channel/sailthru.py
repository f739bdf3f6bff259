"""
Public: email through Sailthru, whose template puts the rendered parts together.

Needs the extra ``sailthru`` and the settings ACE_CHANNEL_SAILTHRU_TEMPLATE_NAME, ACE_CHANNEL_SAILTHRU_API_KEY and
ACE_CHANNEL_SAILTHRU_API_SECRET. The template at Sailthru finds the parts as ``ace_template_subject``,
``ace_template_from_name``, ``ace_template_body_html``, ``ace_template_head_html`` and ``ace_template_body``.
"""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import attr
from django.utils.translation import gettext as _

from edx_ace.errors import ChannelError, MissingExtraError

try:
    from sailthru.sailthru_client import SailthruClient
    from sailthru.sailthru_error import SailthruClientError
    from sailthru.sailthru_response import SailthruResponse
except ImportError as error:
    raise MissingExtraError("The Sailthru channel", "sailthru") from error

from edx_ace import deadline, envelope
from edx_ace.channel.base import Channel, ChannelType
from edx_ace.channel.mailbox import parse_mailbox, parse_mailboxes
from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.channel.providers import error_for_answer, error_for_exception, redacted, retry_time
from edx_ace.conf import settings
from edx_ace.text import check_text

if TYPE_CHECKING:
    from edx_ace.message import Message
    from edx_ace.renderers import RenderedEmail

LOG = logging.getLogger(__name__)

#: Sailthru's own error codes that stand for a passing trouble, with the HTTP status they amount to, whatever status
#: they come with. Source: Sailthru's API documentation, "Responses and errors".
_STATUS_OF_ERROR = {
    9: 500,  # internal error
    43: 429,  # too many requests
}


class SailthruEmailChannel(EmailChannelMixin, Channel):
    """Hands emails to Sailthru, one call each."""

    @classmethod
    def enabled(cls) -> bool:
        """Whether the template, the key and the secret are set."""
        return bool(
            settings.CHANNEL_SAILTHRU_TEMPLATE_NAME
            and settings.CHANNEL_SAILTHRU_API_KEY
            and settings.CHANNEL_SAILTHRU_API_SECRET
        )

    @property
    def action_links(self) -> list[tuple[str, str]]:
        """Deprecated: what `get_action_links` returns."""
        warnings.warn("action_links is deprecated; call get_action_links().", DeprecationWarning, stacklevel=2)
        return self.get_action_links()

    def get_action_links(self, *, omit_unsubscribe_link: bool = False) -> list[tuple[str, str]]:
        """Return (href, title) of the links for the foot of a message; Sailthru fills in the variables."""
        links = [("{view_url}", _("View on Web"))]
        if not omit_unsubscribe_link:
            links.append(("{optout_confirm_url}", _("Unsubscribe from this list")))
        return links

    @property
    def tracker_image_sources(self) -> list[str]:
        """The source of the image that counts opens; Sailthru fills in the variable."""
        return ["{beacon_src}"]

    def deliver(self, message: Message, rendered_message: RenderedEmail) -> str | None:
        """Hand the email over and return Sailthru's send id, if its answer holds one."""
        template = settings.CHANNEL_SAILTHRU_TEMPLATE_NAME
        to = parse_mailbox(envelope.current(message, ChannelType.EMAIL).to).address
        variables = self._variables(rendered_message)
        options = self._options(message)
        if settings.CHANNEL_SAILTHRU_DEBUG:
            LOG.info("[%s] would go to Sailthru: template %s, variables %s", message.log_id, template, list(variables))
            return None
        try:
            response = _client().send(template, to, _vars=variables, options=options)
        except SailthruClientError as failure:
            raise error_for_exception("Sailthru", failure) from failure
        refusal = _refusal(response)
        if refusal:
            raise refusal
        answer = response.get_body()
        send_id = answer.get("send_id") if isinstance(answer, dict) else None
        return str(send_id) if send_id else None

    def _variables(self, rendered: RenderedEmail) -> dict[str, str]:
        """Return what Sailthru's template is filled with."""
        parts = {**attr.asdict(rendered), "subject": self.get_subject(rendered)}
        return {f"ace_template_{name}": check_text(text, name) for name, text in parts.items()}

    @staticmethod
    def _options(message: Message) -> dict[str, str]:
        """Return Sailthru's options of the send: on whose behalf, which is one mailbox."""
        for name in ("reply_to", "from_address"):
            mailboxes = parse_mailboxes(message.options.get(name), name)
            if mailboxes:
                return {"behalf_email": str(mailboxes[0])}
        return {}


def _client() -> SailthruClient:
    keys = settings.CHANNEL_SAILTHRU_API_KEY, settings.CHANNEL_SAILTHRU_API_SECRET
    try:
        return SailthruClient(*keys, request_timeout=deadline.limit(settings.DEFAULT_API_TIMEOUT))
    except TypeError:
        # sailthru-client 2.2.3, which edx-ace 1.x required, has a timeout of its own and no argument for it.
        return SailthruClient(*keys)


def _refusal(response: SailthruResponse) -> ChannelError | None:
    """Return the error that *response* stands for; None when the message was accepted."""
    try:
        # An answer without a readable body is not "ok" either; its error has the code 0.
        error = None if response.is_ok() else response.get_error()
    except (KeyError, TypeError):
        # JSON, but not of the shape that the client expects.
        error = None
    code, said = (error.get_error_code(), error.get_message()) if error else (0, "")
    status = response.get_status_code()
    if not code and status not in range(300, 600):
        return None
    if code in _STATUS_OF_ERROR:
        status = _STATUS_OF_ERROR[code]
    elif status not in range(300, 600):
        # Refused with a status of success.
        status = 400
    secrets = settings.CHANNEL_SAILTHRU_API_KEY, settings.CHANNEL_SAILTHRU_API_SECRET
    return error_for_answer(
        "Sailthru",
        status,
        redacted(f"error {code}, {said}", *secrets) if code else "",
        retry_at=retry_time(response.get_response().headers, reset_header="X-Rate-Limit-Reset"),
    )
