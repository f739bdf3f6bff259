"""
Public: what email channels share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings as django_settings

from edx_ace.channel.base import ChannelType
from edx_ace.errors import FatalChannelDeliveryError
from edx_ace.text import one_line

if TYPE_CHECKING:
    from edx_ace.message import Message
    from edx_ace.renderers import RenderedEmail

_DOCUMENT = (
    "<!DOCTYPE html>\n<html>\n  <head>\n    ",
    "\n  </head>\n  <body>\n    ",
    "\n  </body>\n</html>",
)


class EmailChannelMixin:
    """The parts of an email that every email channel makes alike; statics, so that a class will do."""

    channel_type: ClassVar[ChannelType] = ChannelType.EMAIL

    @staticmethod
    def get_from_address(message: Message) -> str:
        """
        Return ``options["from_address"]``, else Django's DEFAULT_FROM_EMAIL.

        Raises:
            FatalChannelDeliveryError: If there is neither.
        """
        address = message.options.get("from_address") or django_settings.DEFAULT_FROM_EMAIL
        if not address:
            raise FatalChannelDeliveryError(
                f"No sender's address: expected one mailbox such as user@example.com, got {address!r}. "
                "Set DEFAULT_FROM_EMAIL or options['from_address'].",
                code="no_sender",
            )
        return str(address)

    @staticmethod
    def get_subject(rendered_message: RenderedEmail) -> str:
        """Return the rendered subject on one line."""
        return one_line(rendered_message.subject)

    @staticmethod
    def make_simple_html_template(head_html: str, body_html: str) -> str:
        """
        Return a whole HTML document of *head_html* and *body_html*.

        A *body_html* that is a whole document already (it begins with a doctype or an html element, as messages that
        extend ``edx_ace/email/base.html`` do) is returned as it is.
        """
        if body_html.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
            return body_html
        before, between, after = _DOCUMENT
        return f"{before}{head_html}{between}{body_html}{after}"
