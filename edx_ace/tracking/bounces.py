"""
Internal: reading the mailbox to which mail that could not be delivered comes back. ``manage.py ace_bounces`` calls it.

For sites whose mail goes out by plain SMTP, where no provider tells what became of it. flufl.bounce finds out who a
bounce is about, in the many forms that mail servers have for it. Which message it was its Message-ID says: it begins
with the message's uuid, and stands in the copy that bounces bring along. Anybody may write to that mailbox: what does
not name a message to that address changes nothing.
"""

from __future__ import annotations

import imaplib
import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import Message as Mail
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

#: How many messages and addresses one bounce may be about.
_MOST = 20

_MESSAGE_ID = re.compile(
    rb"^message-id:\s*<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@", re.IGNORECASE | re.MULTILINE
)


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
class Bounce:
    """
    What one mail says: that messages with these uuids did not reach these addresses.

    Attributes:
        messages: Candidates; most bounces hold one.

        failures: Addresses, what became of the message to them, and the mail server's status code.
    """

    messages: tuple[UUID, ...]
    failures: tuple[tuple[str, Kind, str], ...]


def read(mailbox: Mailbox, limit: int) -> Counter[str]:
    """
    Record the bounces among up to *limit* unread mails, and return how many came to what.

    A bounce that is recorded is moved or deleted. Everything else is marked as read and left for people.

    Raises:
        OSError, imaplib.IMAP4.error: If the server does not answer, or refuses.
    """
    numbers: Counter[str] = Counter()
    with _session(mailbox) as server:
        [found] = _checked(server.uid("SEARCH", "UNSEEN"))
        for uid in (found or b"").decode().split()[:limit]:
            outcome = _record(parse(_fetch(server, uid)))
            numbers[outcome] += 1
            if outcome == "recorded":
                _put_away(server, uid, mailbox.done_folder)
            else:
                _checked(server.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)"))
        if numbers["recorded"]:
            _checked(server.expunge())
    return numbers


def parse(content: bytes) -> Bounce | None:
    """
    Return what the mail *content* says came back; None: it is no bounce.

    Raises:
        MissingExtraError: If flufl.bounce is not installed.
    """
    try:
        from flufl.bounce import all_failures
    except ImportError as error:
        raise MissingExtraError("The bounce mailbox", "bounces") from error

    try:
        mail = message_from_bytes(content, policy=policy.compat32)
        temporary, permanent = all_failures(mail)
    except (MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError, AssertionError):
        # Its detectors take the shape of a bounce for granted.
        LOG.warning("A mail in the bounce mailbox cannot be read.")
        return None
    status = _status(mail)
    failures = [(address, _kind(True, status)) for address in sorted(permanent)]
    failures += [(address, _kind(False, status)) for address in sorted(temporary - permanent)]
    if not failures:
        return None
    uuids = dict.fromkeys(UUID(found.decode()) for found in _MESSAGE_ID.findall(_returned(mail)))
    return Bounce(
        tuple(uuids)[:_MOST],
        tuple((address.decode("utf-8", "replace"), kind, status) for address, kind in failures[:_MOST]),
    )


def _record(bounce: Bounce | None) -> str:
    if bounce is None:
        return "other"
    matched = False
    for address, kind, status in bounce.failures:
        for message in bounce.messages:
            with suppress(BadEventError):
                recorded = record_event(PROVIDER, kind, address=address, message=message, code=status)
                matched = matched or recorded is not Recorded.UNMATCHED
    return "recorded" if matched else "unmatched"


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
