"""
Internal: what is particular to django-anymail's backends: statuses, errors, and one call for many messages.

django-anymail is never imported here: its backends and errors are recognised by what they are called.

A provider takes many messages in one call only where they share their content and differ in address and headers, as
the messages of an unpersonalised announcement do. Those are sent so; personalised ones go one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend

from edx_ace.channel.mailbox import parse_mailbox
from edx_ace.channel.providers import error_for_answer, is_ambiguous, retry_time
from edx_ace.errors import ChannelDownError, ChannelError, FatalChannelDeliveryError, RecoverableChannelDeliveryError
from edx_ace.report import Result

#: Messages in one call; every provider that django-anymail knows takes as many.
MAX_BATCH = 100

#: What django-anymail calls a recipient that the provider did not take.
_REFUSED = frozenset(["invalid", "rejected", "failed"])


def is_anymail(backend: BaseEmailBackend) -> bool:
    """Whether *backend* is one of django-anymail's."""
    return bool(_names(type(backend)))


def batches(
    makers: Iterable[Callable[[], EmailMultiAlternatives]], limit: int
) -> Iterator[list[EmailMultiAlternatives] | Exception]:
    """Make the emails; yield runs of up to *limit* that share their content, and the error of one that fails."""
    run: list[EmailMultiAlternatives] = []
    for maker in makers:
        try:
            email = maker()
        except Exception as error:
            if run:
                yield run
                run = []
            yield error
            continue
        if run and (len(run) == limit or not _shares_content(run, email)):
            yield run
            run = []
        run.append(email)
    if run:
        yield run


def send_batch(backend: BaseEmailBackend, emails: Sequence[EmailMultiAlternatives]) -> list[Result] | None:
    """
    Send *emails*, which share their content, in one call and return a result for each.

    None if *backend* cannot, or the provider refused the call as a whole: sent one by one, each gets its own answer.
    """
    # With this setting a backend that has no batches would put all recipients into one To header.
    if len(emails) == 1 or getattr(backend, "ignore_unsupported_features", True):
        return None
    first = emails[0]
    shared = {
        name: value
        for name, value in first.extra_headers.items()
        if all(email.extra_headers[name] == value for email in emails)
    }
    batch = EmailMultiAlternatives(
        first.subject, first.body, first.from_email, [email.to[0] for email in emails],
        reply_to=first.reply_to, headers=shared,
    )  # fmt: skip
    batch.alternatives = first.alternatives
    addresses = [_address(email) for email in emails]
    own_headers = [
        {name: value for name, value in email.extra_headers.items() if name not in shared} for email in emails
    ]
    batch.merge_data = {}  # type: ignore[attr-defined]
    batch.merge_headers = dict(zip(addresses, own_headers, strict=True))  # type: ignore[attr-defined]
    try:
        backend.send_messages([batch])
    except Exception as error:
        if "AnymailRecipientsRefused" not in _names(type(error)):
            meaning = error_for_exception(error)
            if not isinstance(meaning, ChannelError) or (
                isinstance(meaning, FatalChannelDeliveryError) and not meaning.is_ambiguous
            ):
                return None
            return [meaning] * len(emails)
    return [status_result(batch.anymail_status, address) for address in addresses]  # type: ignore[attr-defined]


def result_of(email: EmailMultiAlternatives) -> Result:
    """Return the provider's id for an email that django-anymail has sent, or what became of it instead."""
    return status_result(email.anymail_status, _address(email))  # type: ignore[attr-defined]


def status_result(status: Any, address: str) -> Result:
    """Return the provider's id in an AnymailStatus for *address*, or what became of the message instead."""
    recipient = (status.recipients or {}).get(address)
    if recipient is None:
        return FatalChannelDeliveryError("A receiver of anymail.signals.pre_send cancelled it.", code="cancelled")
    if recipient.status in _REFUSED:
        return FatalChannelDeliveryError(
            f"The mail provider answered for the recipient: {recipient.status}.", code=f"anymail_{recipient.status}"
        )
    return None if recipient.message_id is None else str(recipient.message_id)


def error_for_exception(error: Exception) -> Exception:
    """Return what *error* means for the message if django-anymail raised it; any other error as it is."""
    names = _names(type(error))
    if not names:
        return error
    status = getattr(error, "status_code", None)
    # An answer of 2xx that could not be read says nothing about the message, which the provider may well have taken.
    if status is not None and status not in range(200, 300):
        headers = getattr(getattr(error, "response", None), "headers", {})
        return error_for_answer("The mail provider", status, retry_at=retry_time(headers))
    if "AnymailConfigurationError" in names:
        return ChannelDownError(f"django-anymail is not set up: {type(error).__name__}.", code="configuration")
    if "AnymailRequestsAPIError" in names and status is None:
        return RecoverableChannelDeliveryError(
            "No answer from the mail provider.", code="connection", is_ambiguous=is_ambiguous(error)
        )
    return FatalChannelDeliveryError(
        f"django-anymail refused the message: {type(error).__name__}.", code="anymail", is_ambiguous=status is not None
    )


def _names(cls: type) -> set[str]:
    return {base.__name__ for base in cls.__mro__ if base.__module__.startswith("anymail.")}


def _address(email: EmailMultiAlternatives) -> str:
    return parse_mailbox(email.to[0], smtputf8=True).address


def _shares_content(run: Sequence[EmailMultiAlternatives], email: EmailMultiAlternatives) -> bool:
    first = run[0]
    return (
        not (email.cc or email.bcc or email.attachments or first.cc or first.bcc or first.attachments)
        and email.body == first.body
        and email.alternatives == first.alternatives
        and (email.subject, email.from_email, email.reply_to) == (first.subject, first.from_email, first.reply_to)
        and email.extra_headers.keys() == first.extra_headers.keys()
        and _address(email) not in {_address(other) for other in run}
    )
