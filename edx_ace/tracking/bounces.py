"""
Internal: reading the mailbox to which mail that could not be delivered comes back. ``manage.py ace_bounces`` calls it.

For sites whose mail goes out by plain SMTP, where no provider tells what became of it. flufl.bounce finds out who a
bounce is about, in the many forms that mail servers have for it; complaints have one form (ARF, RFC 5965). Which
message it was its Message-ID says: it begins with the message's uuid, and stands in the copy that comes along. Anybody
may write to that mailbox: what does not name a message to that address changes nothing.

A mail that the recipient's server forwarded comes back with the address that it was forwarded to. Whom it was for then
stands in the copy alone (``To``). That much, too, knows only who has the mail; but as other forwarding may have worked,
it counts as a bounce for a reason that may pass.
"""

from __future__ import annotations

import imaplib
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import Message as Mail
from email.utils import getaddresses
from typing import Any
from uuid import UUID

import attrs

from edx_ace.errors import ConfigurationError, MissingExtraError
from edx_ace.tracking.conf import settings
from edx_ace.tracking.errors import BadEventError
from edx_ace.tracking.events import Recorded, record_event
from edx_ace.tracking.models import Kind
from edx_ace.tracking.smtp_codes import is_hard, status_in

LOG = logging.getLogger(__name__)

#: As which provider events from here are kept.
PROVIDER = "mailbox"

#: How much of a mail is read, in bytes: the report and the header of what came back stand first.
MAX_BYTES = 1024 * 1024

#: How long the server may take for an answer, in seconds.
TIMEOUT_SECONDS = 30

#: How many messages and addresses one mail may be about.
_MOST = 20

#: Types of reports that somebody did not want a message; the others come from filters. Source: RFC 5965, 7.3.
_COMPLAINTS = {"abuse", "fraud"}

_MESSAGE_ID = re.compile(
    rb"^message-id:\s*<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@", re.IGNORECASE | re.MULTILINE
)

#: Whom it was for, in the header of what came back or in a complaint; long lines are folded.
_TO = re.compile(rb"^(?:to|original-rcpt-to):((?:[^\n]|\n[ \t])*)", re.IGNORECASE | re.MULTILINE)

#: An address, what became of the message to it, and the mail server's status code.
Failure = tuple[str, Kind, str]


@attrs.frozen
class Mailbox:
    """Where bounces arrive, as ACE_BOUNCE_MAILBOX says."""

    host: str
    user: str
    password: str = attrs.field(repr=False)
    port: int = 993
    ssl: bool = True
    folder: str = "INBOX"
    done_folder: str = ""

    @classmethod
    def configured(cls) -> Mailbox:
        """
        Return that of the settings.

        Raises:
            ConfigurationError: If it lacks something, or has what it does not know.
        """
        setting: Any = settings.BOUNCE_MAILBOX
        try:
            return cls(**setting)
        except TypeError:
            # No values, of which one is the password.
            given = ", ".join(map(repr, setting)) or "nothing" if isinstance(setting, dict) else type(setting).__name__
            known = ", ".join(field.name for field in attrs.fields(cls)[3:])
            raise ConfigurationError(
                f"ACE_BOUNCE_MAILBOX must name host, user and password, and may name {known}; given {given}."
            ) from None


@attrs.frozen
class Report:
    """
    What one mail says of the messages with these uuids.

    Attributes:
        messages: Candidates; most mails hold one.

        failures: What it says itself.

        forwarded: What that means for whom the messages were for, if they went to none of the addresses in *failures*.
    """

    messages: tuple[UUID, ...]
    failures: tuple[Failure, ...]
    forwarded: tuple[Failure, ...] = ()


def read(mailbox: Mailbox, limit: int) -> Counter[str]:
    """
    Record the bounces and complaints among up to *limit* unread mails, and return how many came to what.

    What is recorded is moved or deleted. Everything else is marked as read and left for people.

    Raises:
        OSError, imaplib.IMAP4.error: If the server does not answer, or refuses.
    """
    numbers: Counter[str] = Counter()
    with _session(mailbox) as server:
        [found] = _checked(server.uid("SEARCH", "UNSEEN"))
        for uid in (found or b"").decode().split()[:limit]:
            outcome = record(parse(_fetch(server, uid)))
            numbers[outcome] += 1
            if outcome == "recorded":
                _put_away(server, uid, mailbox.done_folder)
            else:
                _checked(server.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)"))
        if numbers["recorded"]:
            _checked(server.expunge())
    return numbers


def parse(content: bytes) -> Report | None:
    """
    Return what the mail *content* reports; None: it is neither a bounce nor a complaint.

    Raises:
        MissingExtraError: If flufl.bounce is not installed.
    """
    mail = message_from_bytes(content, policy=policy.compat32)
    returned = _returned(mail)
    uuids = dict.fromkeys(UUID(found.decode()) for found in _MESSAGE_ID.findall(returned))
    messages = tuple(uuids)[:_MOST]
    if mail.get_param("report-type") == "feedback-report":
        return Report(messages, _for_all(returned, Kind.COMPLAINED)) if _is_complaint(mail) else None
    failures = _failures(mail)
    if not failures:
        return None
    _, kind, status = failures[0]
    return Report(
        messages,
        failures[:_MOST],
        _for_all(returned, Kind.SOFT_BOUNCE if kind is Kind.HARD_BOUNCE else kind, status),
    )


def record(report: Report | None) -> str:
    """Record what *report* says, and return if it is ``recorded``, ``unmatched``, or something ``other`` (None)."""
    if report is None:
        return "other"
    is_matched = _is_matched(report.messages, report.failures) or _is_matched(report.messages, report.forwarded)
    return "recorded" if is_matched else "unmatched"


def _is_matched(messages: Iterable[UUID], failures: Iterable[Failure]) -> bool:
    """Record *failures* of *messages*, and return whether one of these went to one of their addresses."""
    found = False
    for address, kind, status in failures:
        for message in messages:
            with suppress(BadEventError):
                recorded = record_event(PROVIDER, kind, address=address, message=message, code=status)
                found = found or recorded is not Recorded.UNMATCHED
    return found


def _failures(mail: Mail) -> tuple[Failure, ...]:
    """Return what *mail* says did not arrive."""
    try:
        from flufl.bounce import all_failures
    except ImportError as error:
        raise MissingExtraError("The bounce mailbox", "bounces") from error

    try:
        temporary, permanent = all_failures(mail)
    except (MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError, AssertionError):
        # Its detectors take the shape of a bounce for granted.
        LOG.warning("A mail in the bounce mailbox cannot be read.")
        return ()
    status = _status(mail)
    found = [(address, _kind(True, status)) for address in sorted(permanent)]
    found += [(address, _kind(False, status)) for address in sorted(temporary - permanent)]
    return tuple((address.decode("utf-8", "replace"), kind, status) for address, kind in found)


def _is_complaint(mail: Mail) -> bool:
    """Return whether *mail*, a report, says that somebody did not want a message."""
    return any(str(part.get("Feedback-Type", "")).strip().lower() in _COMPLAINTS for part in mail.walk())


def _for_all(returned: bytes, kind: Kind, status: str = "") -> tuple[Failure, ...]:
    """Return *kind* for everybody whom what *returned* was for."""
    values = [found.decode("utf-8", "replace") for found in _TO.findall(returned)]
    addresses = dict.fromkeys(address for _, address in getaddresses(values[:_MOST]) if address)
    return tuple((address, kind, status) for address in addresses)[:_MOST]


def _kind(is_permanent: bool, status: str) -> Kind:
    if not is_permanent:
        # The mail server still tries.
        return Kind.DEFERRED
    return Kind.SOFT_BOUNCE if status and not is_hard(status) else Kind.HARD_BOUNCE


def _status(mail: Mail) -> str:
    """Return the enhanced status code of the first failure that *mail* reports."""
    for part in mail.walk():
        for name in ("Status", "Diagnostic-Code"):
            if found := status_in(str(part.get(name, ""))):
                return found
    return ""


def _returned(mail: Mail) -> bytes:
    """Return the text of *mail* after its own header, in which the header of what came back stands."""
    parts = []
    for part in mail.walk():
        if part is not mail:
            parts.append("".join(f"{name}: {value}\n" for name, value in part.items()).encode("utf-8", "replace"))
        if not part.is_multipart():
            payload: Any = part.get_payload(decode=True)
            parts.append(payload or b"")
    return b"\n".join(parts)


@contextmanager
def _session(mailbox: Mailbox) -> Iterator[imaplib.IMAP4]:
    kind: Any = imaplib.IMAP4_SSL if mailbox.ssl else imaplib.IMAP4
    with kind(mailbox.host, mailbox.port, timeout=TIMEOUT_SECONDS) as server:
        server.login(mailbox.user, mailbox.password)
        _checked(server.select(_quoted(mailbox.folder)))
        yield server


def _fetch(server: imaplib.IMAP4, uid: str) -> bytes:
    answer = _checked(server.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_BYTES}>)"))
    return next((part[1] for part in answer if isinstance(part, tuple)), b"")


def _put_away(server: imaplib.IMAP4, uid: str, folder: str) -> None:
    if folder:
        _checked(server.uid("COPY", uid, _quoted(folder)))
    _checked(server.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted \Seen)"))


def _checked(answer: tuple[str, Any]) -> Any:
    status, data = answer
    if status != "OK":
        raise imaplib.IMAP4.error("The mail server refused a command.")
    return data


def _quoted(folder: str) -> str:
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
