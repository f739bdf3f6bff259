"""
Public: `DjangoEmailChannel`, email through Django's mail backends.

Any backend will do: the one of ``MAILERS["default"]`` where MAILERS is defined, else EMAIL_BACKEND.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend

from edx_ace import deadline
from edx_ace.channel import anymail, mailbox, mime, smtp
from edx_ace.channel.base import Channel, ChannelType
from edx_ace.channel.mailbox import Mailbox
from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.conf import settings
from edx_ace.envelope import Envelope, Parcel, current
from edx_ace.errors import FatalChannelDeliveryError, RecoverableChannelDeliveryError
from edx_ace.report import Result
from edx_ace.text import check_text, one_line

if TYPE_CHECKING:
    from edx_ace.message import Message
    from edx_ace.renderers import RenderedEmail
    from edx_ace.report import Accepted, Skipped


#: What cannot stand in a Message-ID. Nothing in a uuid; in what a caller of `deliver` takes for one, anything.
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_.-]")


class DjangoEmailChannel(EmailChannelMixin, Channel):
    """
    Sends each message to one mailbox through Django's mail backend.

    Options of a message:
        from_address: Sender, as ``name@example.com`` or ``Name <name@example.com>``. Default: DEFAULT_FROM_EMAIL.

        reply_to, cc, bcc: A mailbox or a list of them. Over SMTP, nothing goes to copies when the recipient is refused.

        headers: Further headers; those of ``message.headers`` win over them.

        attachments: Tuples (file name, content as str or bytes, MIME type or None), or Django's EmailAttachment.
    """

    def deliver(self, message: Message, rendered_message: RenderedEmail) -> str | Accepted | Skipped | None:
        """
        Send one email and return the mail server's or provider's id for it, if it gives one.

        Raises:
            InvalidMessageError: If an address, a header or an attachment cannot stand in an email.
            ChannelError: As the mail server or provider answered.
        """
        parcel = Parcel(message, self, rendered_message, current(message, ChannelType.EMAIL))
        [result] = self._send_all([parcel])
        if isinstance(result, Exception):
            raise result
        return result

    def deliver_many(self, parcels: Sequence[Parcel]) -> Iterator[Result]:
        """
        Send many emails over one session of the backend; see `Channel.deliver_many`.

        To an SMTP server they are streamed, over ACE_EMAIL_CONNECTIONS connections.
        """
        return self._send_all(parcels)

    def _send_all(self, parcels: Sequence[Parcel]) -> Iterator[Result]:
        backend = get_backend()
        allows_utf8 = _allows_utf8(backend)
        makers = [
            partial(self.compose, parcel.message, parcel.rendered, parcel.envelope, smtputf8=allows_utf8)
            for parcel in parcels
        ]
        # A subclass of Django's backend may have another idea of sending.
        if type(backend) is EmailBackend:
            jobs = (partial(_as_job, maker) for maker in makers)
            return smtp.send_many(backend, jobs, max(1, min(settings.EMAIL_CONNECTIONS, len(makers))))
        return _send_through(backend, makers)

    def compose(
        self, message: Message, rendered: RenderedEmail, envelope: Envelope, *, smtputf8: bool = False
    ) -> mail.EmailMultiAlternatives:
        """
        Return the email that `deliver` sends.

        Args:
            message, rendered, envelope: What to send and where to.

            smtputf8: Whether the recipient's local part may be other than ASCII.

        Raises:
            InvalidMessageError: If an address, a header or an attachment cannot stand in an email.
        """
        options = message.options
        sender = mailbox.parse_mailbox(self.get_from_address(message), "sender's address")
        if settings.EMAIL_USE_FROM_NAME and rendered.from_name.strip():
            sender = Mailbox(one_line(check_text(rendered.from_name, "rendered from_name")), sender.address)
        check_text(rendered.subject, "rendered subject")
        html = self.make_simple_html_template(rendered.head_html, rendered.body_html)
        headers = mailbox.check_headers(envelope.headers)
        if options.get("headers"):
            sealed = attrs.evolve(envelope, headers=headers)
            headers = dict(sealed.with_headers(mailbox.check_headers(options["headers"])).headers)
        if "auto-submitted" not in {name.lower() for name in headers}:
            headers["Auto-Submitted"] = "auto-generated"
        headers["Message-ID"] = f"<{_NOT_IN_ID.sub('', str(message.uuid))}@{sender.domain}>"
        email = mime.Email(
            subject=self.get_subject(rendered),
            body=check_text(rendered.body, "rendered text body"),
            from_email=str(sender),
            to=[str(mailbox.parse_mailbox(envelope.to, smtputf8=smtputf8))],
            cc=[] if settings.REDIRECT_ALL_TO else _listed(options, "cc"),
            bcc=[] if settings.REDIRECT_ALL_TO else _listed(options, "bcc"),
            reply_to=_listed(options, "reply_to"),
            headers=headers,
        )
        if options.get("attachments"):
            for attachment in mailbox.check_attachments(options["attachments"], settings.EMAIL_MAX_ATTACHMENT_BYTES):
                email.attach(*attachment)
        email.attach_alternative(check_text(html, "rendered HTML body"), "text/html")
        return email


def get_backend() -> BaseEmailBackend:
    """Return the mail backend of the site: a new instance, as settings say now."""
    # Django before 6.1 has no mailers; from 6.1 on get_connection() is deprecated.
    if hasattr(mail, "mailers"):
        return mail.mailers.default
    return mail.get_connection()


def _listed(options: dict[str, Any], name: str) -> list[str]:
    if not options.get(name):
        return []
    return [str(one) for one in mailbox.parse_mailboxes(options[name], f"address in options[{name!r}]")]


def _allows_utf8(backend: BaseEmailBackend) -> bool:
    """Whether *backend* can carry a local part that is not ASCII: our SMTP finds out, providers say so themselves."""
    return type(backend) is EmailBackend or anymail.is_anymail(backend)


def _as_job(maker: Callable[[], mail.EmailMultiAlternatives]) -> smtp.Job:
    email = maker()
    sender = mailbox.parse_mailbox(email.from_email, "sender's address")
    recipients = [mailbox.parse_mailbox(text, smtputf8=True).address for text in email.recipients()]
    return smtp.Job(sender.address, list(dict.fromkeys(recipients)), mime.as_bytes(email))


def _send_through(
    backend: BaseEmailBackend, makers: Iterable[Callable[[], mail.EmailMultiAlternatives]]
) -> Iterator[Result]:
    """Make each email and send it over one session of *backend*; yield an id, None or an error for each."""
    down: Exception | None = None
    is_open = False
    is_anymail = anymail.is_anymail(backend)
    try:
        for batch in anymail.batches(makers, anymail.MAX_BATCH if is_anymail else 1):
            if isinstance(batch, Exception):
                yield batch
                continue
            if deadline.is_over():
                yield from [deadline.out_of_time()] * len(batch)
                continue
            _limit_time_out(backend)
            if not is_open and down is None:
                down = _open(backend)
                is_open = down is None
            if down is not None:
                yield from [down] * len(batch)
                continue
            results = anymail.send_batch(backend, batch) if is_anymail else None
            for result in results or (_send(backend, email, is_anymail) for email in batch):
                yield result
                if isinstance(result, RecoverableChannelDeliveryError):
                    # The session may be broken: the next message gets another.
                    _close(backend)
                    is_open = False
    finally:
        _close(backend)


def _limit_time_out(backend: BaseEmailBackend) -> None:
    """Let *backend* wait no longer than is left, where it has a time-out as Django's and django-anymail's have."""
    time_out = getattr(backend, "timeout", "")
    if time_out is None or isinstance(time_out, int | float):
        backend.timeout = deadline.limit(time_out)  # type: ignore[attr-defined]


def _open(backend: BaseEmailBackend) -> Exception | None:
    try:
        smtp.open_backend(backend)
    except Exception as error:
        return smtp.error_for_opening(anymail.error_for_exception(error))
    return None


def _close(backend: BaseEmailBackend) -> None:
    # What was accepted stays accepted, however the goodbye goes.
    with suppress(Exception):
        backend.close()


def _send(backend: BaseEmailBackend, email: mail.EmailMultiAlternatives, is_anymail: bool) -> Result:
    try:
        sent = backend.send_messages([email])
    except Exception as error:
        # How far the message was when a connection was lost only the backend could say.
        meaning = anymail.error_for_exception(error)
        return smtp.error_for_exception(meaning, email.recipients(), is_ambiguous=True)
    if is_anymail:
        return anymail.result_of(email)
    if sent == 0:
        return FatalChannelDeliveryError(
            f"{type(backend).__name__} of {type(backend).__module__} reports that it sent nothing.", code="not_sent"
        )
    return None
