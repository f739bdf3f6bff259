"""
Public: `DjangoEmailChannel`, email through Django's mail backends.

Any backend will do: the one of ``MAILERS["default"]`` where MAILERS is defined, else EMAIL_BACKEND.
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from edx_ace.channel import mailbox
from edx_ace.channel.base import Channel, ChannelType
from edx_ace.channel.mailbox import Mailbox, check_text
from edx_ace.channel.mixins import EmailChannelMixin, one_line
from edx_ace.channel.smtp import as_channel_error
from edx_ace.conf import settings
from edx_ace.envelope import Envelope, Parcel, current
from edx_ace.errors import ChannelDownError, FatalChannelDeliveryError, RecoverableChannelDeliveryError

if TYPE_CHECKING:
    from edx_ace.message import Message
    from edx_ace.renderers import RenderedEmail

#: What django-anymail calls a recipient that the provider did not take.
_REFUSED = frozenset(["invalid", "rejected", "failed"])


class DjangoEmailChannel(EmailChannelMixin, Channel):
    """
    Sends each message to one mailbox through Django's mail backend.

    Options of a message:
        from_address: Sender, as ``name@example.com`` or ``Name <name@example.com>``. Default: DEFAULT_FROM_EMAIL.

        reply_to, cc, bcc: A mailbox or a list of them. Nothing goes to copies when the recipient is refused at once.

        headers: Further headers; those of ``message.headers`` win over them.

        attachments: Tuples (file name, content as str or bytes, MIME type or None), or Django's EmailAttachment.
    """

    def deliver(self, message: Message, rendered_message: RenderedEmail) -> str | None:
        """
        Send one email and return the provider's id for it: django-anymail's, else None.

        Raises:
            InvalidMessageError: If an address, a header or an attachment cannot stand in an email.
            ChannelError: As the mail server or provider answered.
        """
        email = self.compose(message, rendered_message, current(message, ChannelType.EMAIL))
        return raised(next(_send_all(get_backend(), [lambda: email])))

    def deliver_many(self, parcels: Sequence[Parcel]) -> Iterator[str | Exception | None]:
        """Send many emails over one session of the backend; see `Channel.deliver_many`."""
        if type(self).deliver is not DjangoEmailChannel.deliver:
            # A subclass has its own way of sending one.
            return super().deliver_many(parcels)
        drafts = (partial(self.compose, parcel.message, parcel.rendered, parcel.envelope) for parcel in parcels)
        return _send_all(get_backend(), drafts)

    def compose(self, message: Message, rendered: RenderedEmail, envelope: Envelope) -> mail.EmailMultiAlternatives:
        """
        Return the email that `deliver` sends.

        Raises:
            InvalidMessageError: If an address, a header or an attachment cannot stand in an email.
        """
        options = message.options
        sender = mailbox.parse_mailbox(self.get_from_address(message), "sender's address")
        if settings.EMAIL_USE_FROM_NAME and rendered.from_name:
            sender = Mailbox(one_line(check_text(rendered.from_name, "from_name")), sender.address)
        check_text(rendered.subject, "subject")
        html = self.make_simple_html_template(rendered.head_html, rendered.body_html)
        headers = mailbox.check_headers(envelope.with_headers(options.get("headers") or {}).headers)
        if not any(name.lower() == "auto-submitted" for name in headers):
            headers["Auto-Submitted"] = "auto-generated"
        headers["Message-ID"] = f"<{message.uuid}@{sender.domain}>"
        email = mail.EmailMultiAlternatives(
            subject=self.get_subject(rendered),
            body=check_text(rendered.body, "text body"),
            from_email=str(sender),
            to=[str(mailbox.parse_mailbox(envelope.to))],
            cc=_listed(options, "cc"),
            bcc=_listed(options, "bcc"),
            reply_to=_listed(options, "reply_to"),
            headers=headers,
            attachments=mailbox.check_attachments(
                options.get("attachments") or (), settings.EMAIL_MAX_ATTACHMENT_BYTES
            ),
        )
        email.attach_alternative(check_text(html, "HTML body"), "text/html")
        return email


def get_backend() -> BaseEmailBackend:
    """Return the mail backend of the site: a new instance, as settings say now."""
    # Django before 6.1 has no mailers; from 6.1 on get_connection() is deprecated.
    if hasattr(mail, "mailers"):
        return mail.mailers.default
    return mail.get_connection()


def _listed(options: dict[str, Any], name: str) -> list[str]:
    return [str(one) for one in mailbox.parse_mailboxes(options.get(name), f"address in options[{name!r}]")]


def _send_all(
    backend: BaseEmailBackend, drafts: Iterable[Callable[[], mail.EmailMultiAlternatives]]
) -> Iterator[str | Exception | None]:
    """Make each email and send it over one session of *backend*; yield an id, None or an error for each."""
    down: Exception | None = None
    is_open = False
    try:
        for draft in drafts:
            try:
                email = draft()
            except Exception as error:
                yield error
                continue
            if not is_open and down is None:
                down = _open(backend)
                is_open = down is None
            if down is not None:
                yield down
                continue
            result = _send(backend, email)
            yield result
            if isinstance(result, RecoverableChannelDeliveryError):
                # The session may be broken: the next message gets another.
                _close(backend)
                is_open = False
    finally:
        _close(backend)


def _open(backend: BaseEmailBackend) -> Exception | None:
    try:
        backend.open()
    except smtplib.SMTPResponseException as error:
        if type(error) is smtplib.SMTPResponseException:
            # smtplib raises the bare class for one thing: the server offered STARTTLS and then refused it.
            return ChannelDownError(
                f"The mail server refused STARTTLS with {error.smtp_code}. Check the encryption of the mail settings.",
                code="tls",
            )
        return as_channel_error(error)
    except Exception as error:
        return as_channel_error(error)
    return None


def _close(backend: BaseEmailBackend) -> None:
    # What was accepted stays accepted, however the goodbye goes.
    with suppress(Exception):
        backend.close()


def _send(backend: BaseEmailBackend, email: mail.EmailMultiAlternatives) -> str | Exception | None:
    try:
        sent = backend.send_messages([email])
    except Exception as error:
        return as_channel_error(anymail_error(error), email.recipients())
    status = getattr(email, "anymail_status", None)
    if status is not None:
        return _anymail_result(status, email)
    if sent == 0:
        return FatalChannelDeliveryError(
            f"{type(backend).__name__} of {type(backend).__module__} reports that it sent nothing.", code="not_sent"
        )
    return None


def _anymail_result(status: Any, email: mail.EmailMultiAlternatives) -> str | Exception | None:
    recipient = (status.recipients or {}).get(mailbox.parse_mailbox(email.to[0], smtputf8=True).address)
    if recipient is None:
        return FatalChannelDeliveryError(
            "A receiver of django-anymail's pre_send cancelled the message.", code="cancelled"
        )
    if recipient.status in _REFUSED:
        return FatalChannelDeliveryError(
            f"The provider refused the recipient: {recipient.status}.", code=f"anymail_{recipient.status}"
        )
    return None if recipient.message_id is None else str(recipient.message_id)


def anymail_error(error: Exception) -> Exception:
    """Return what *error* means if django-anymail raised it, which is not imported for this; else *error*."""
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__.startswith("anymail.")}
    if not names:
        return error
    status = getattr(error, "status_code", None)
    if status is not None:
        said = f"The mail provider answered {status}."
        code = f"http_{status}"
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return ChannelDownError(f"{said} Check its key in the settings of django-anymail.", code=code)
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return RecoverableChannelDeliveryError(said, code=code)
        return FatalChannelDeliveryError(said, code=code)
    if "AnymailConfigurationError" in names:
        return ChannelDownError(f"django-anymail is not set up: {type(error).__name__}.", code="configuration")
    if "AnymailRequestsAPIError" in names:
        return RecoverableChannelDeliveryError("No answer from the mail provider.", code="connection")
    return FatalChannelDeliveryError(f"django-anymail refused the message: {type(error).__name__}.", code="anymail")


def raised(result: str | Exception | None) -> str | None:
    """Return *result*, or raise it if it is an exception."""
    if isinstance(result, Exception):
        raise result
    return result
