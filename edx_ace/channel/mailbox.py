"""
Internal: checks of what goes into an email's envelope and header: mailboxes, header fields, attachments.

Every refusal is an `InvalidMessageError` whose text shows what was given with control characters escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from email.errors import MessageError
from email.header import decode_header, make_header
from email.utils import quote, unquote
from functools import lru_cache
from typing import NamedTuple

from edx_ace.errors import InvalidMessageError
from edx_ace.text import check_text, shown

#: Longest addr-spec that fits into an SMTP path, in octets. Source: RFC 5321, 4.5.3.1.3, less the angle brackets.
MAX_ADDRESS_LENGTH = 254

#: Longest text worth parsing as a mailbox: a display name and an address on one line. Source: RFC 5322, 2.1.1.
MAX_MAILBOX_LENGTH = 998

#: Longest word of a header, in characters: folding puts it onto a line of its own, after a space. Source: as above.
MAX_WORD_LENGTH = 997

#: Longest name of an attachment: what file systems take.
MAX_FILE_NAME_LENGTH = 255

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_QUOTED = r'"(?:[^"\\]|\\.)+"'

#: An address of the common kind. Dots may stand anywhere in the local part: some providers give out such addresses.
_is_plain = re.compile(rf"(?:{_ATEXT}|\.)+@{_DOMAIN}").fullmatch

#: The parts of a mailbox in the shapes that people write: an address, or a display name and an address in brackets.
_split_mailbox = re.compile(
    rf"""
    (?: (?P<name> {_QUOTED} | [^"<>@,:;\[\]\\]*+ ) \s* (?P<bracket><) )?
    (?P<local> {_QUOTED} | [^\s"<>@,:;()\[\]\\]+ ) @ (?P<domain> [^\s"<>@,;()\\]+ )
    (?(bracket)>)""",
    re.VERBOSE,
).fullmatch

#: A domain as it may stand in an SMTP command: a host name or an address literal such as ``[192.0.2.1]``.
_is_domain = re.compile(rf"{_DOMAIN}|\[[0-9A-Za-z:.-]+\]").fullmatch

#: What may stand in no address and no header: control characters, what some program takes for a line's end, surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

#: Header values may hold a tab; otherwise as `_UNSAFE`.
_UNSAFE_VALUE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

#: Characters that a display name may only hold inside quotes. Source: RFC 5322, 3.2.3; "=?" would read as RFC 2047.
_SPECIALS = re.compile(r'[][\\()<>@,:;".]|=\?')

#: A header's name: printable ASCII without the colon. Source: RFC 5322, 2.2.
_is_header_name = re.compile(r"[!-9;-~]+").fullmatch

#: Headers that this package or the mail system writes; a caller's would contradict them.
_OWNED_HEADERS = frozenset(["subject", "from", "to", "cc", "bcc", "sender", "message-id", "date", "received"])
_OWNED_PREFIXES = ("content-", "mime-", "dkim-")

_UNSAFE_IN_FILE_NAME = re.compile("[/\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Mailbox(NamedTuple):
    """
    One mailbox, checked.

    Attributes:
        name: Display name, decoded, on one line; may be empty.

        address: The addr-spec; its domain is ASCII.
    """

    name: str
    address: str

    @property
    def domain(self) -> str:
        """What follows the @."""
        return self.address.rpartition("@")[2]

    def __str__(self) -> str:
        """The mailbox as it reads in a header, not yet encoded."""
        if not self.name:
            return self.address
        name = f'"{quote(self.name)}"' if _SPECIALS.search(self.name) else self.name
        return f"{name} <{self.address}>"


def parse_mailbox(text: object, what: str = "email address of the recipient", *, smtputf8: bool = False) -> Mailbox:
    """
    Return the one mailbox that *text* holds, with an internationalised domain encoded by IDNA 2008.

    Args:
        text: ``user@example.com`` or ``Name <user@example.com>``.

        what: What *text* is, for the error.

        smtputf8: Whether what transmits the message can take a local part that is not ASCII.

    Raises:
        InvalidMessageError: If there is not exactly one mailbox, or it cannot be transmitted.
    """
    if text is None or text == "":
        raise InvalidMessageError(
            f"No {what}: expected one mailbox such as user@example.com, got {text!r}. "
            "Give it one, or leave email out with limit_to_channels.",
            code="no_address",
        )
    text = str(text)
    if is_plain(text):
        return Mailbox("", text)
    return _parse_unusual_mailbox(text, what, smtputf8)


def is_plain(text: str) -> bool:
    """Return whether *text* is an address of the common kind and nothing else: ASCII, without quotes."""
    return len(text) <= MAX_ADDRESS_LENGTH and _is_plain(text) is not None


def parse_mailboxes(texts: object, what: str, *, smtputf8: bool = False) -> list[Mailbox]:
    """Return a mailbox for each of *texts*: None, one text or an iterable of them, as options give them."""
    if not texts:
        return []
    if isinstance(texts, Iterator):
        # A retry would find it empty, and some never end.
        raise InvalidMessageError(
            f"The {what}: expected one mailbox or a list of them, got {type(texts).__name__}. Write list(…) around it.",
            code="bad_address",
        )
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        texts = [texts]
    return [parse_mailbox(text, what, smtputf8=smtputf8) for text in texts]


@lru_cache(maxsize=1024)
def _parse_unusual_mailbox(given: str, what: str, smtputf8: bool) -> Mailbox:
    if _UNSAFE.search(given):
        raise _bad_mailbox(what, given, "it holds a line break, control character or surrogate; remove it")
    if len(given) > MAX_MAILBOX_LENGTH:
        raise _bad_mailbox(what, given, f"it has {len(given)} characters; shorten it")
    match = _split_mailbox(given.strip())
    if not match:
        raise _bad_mailbox(what, given, "it is none, or holds more than one; give exactly one (others: cc, bcc)")
    name = _display_name(match["name"] or "", what, given)
    local, domain = match["local"], match["domain"]
    if not domain.isascii():
        domain = _ascii_domain(domain, what)
    if not _is_domain(domain):
        raise _bad_mailbox(what, given, "what follows the @ is no domain; correct it")
    if not local.isascii() and not smtputf8:
        raise _bad_mailbox(
            what,
            given,
            "its local part is not ASCII, which needs a mail server that offers SMTPUTF8; use another address",
        )
    address = f"{local}@{domain}"
    if len(address.encode()) > MAX_ADDRESS_LENGTH:
        raise _bad_mailbox(what, given, f"the address is longer than {MAX_ADDRESS_LENGTH} octets; use another")
    return Mailbox(name, address)


def _display_name(text: str, what: str, given: str) -> str:
    if text.startswith('"'):
        text = unquote(text)
    if "=?" in text:
        # What encoded words hide is checked as if it were written out.
        try:
            text = str(make_header(decode_header(text)))
        except (LookupError, ValueError, MessageError) as error:
            raise _bad_mailbox(what, given, "its display name cannot be decoded; write it without encoding") from error
        if _UNSAFE.search(text):
            raise _bad_mailbox(what, given, "its display name hides a line break or control character; remove it")
    return text.strip()


@lru_cache(maxsize=1024)
def _ascii_domain(domain: str, what: str) -> str:
    # Imported here because its tables take longer to load than most sites need it for.
    import idna

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise _bad_mailbox(what, domain, "its domain cannot be encoded by IDNA 2008; correct it") from error


def check_headers(headers: object) -> dict[str, str]:
    """
    Return *headers* with their values as str.

    Raises:
        InvalidMessageError: If a name or value cannot stand in an email, or the header is not the caller's to set.
    """
    if not isinstance(headers, dict | Mapping):  # Asking an abstract class takes long.
        raise InvalidMessageError(
            f"Headers: expected a dict of names and values, got {type(headers).__name__}.", code="bad_header"
        )
    checked = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not _is_header_name(name):
            raise InvalidMessageError(
                f"Header name {shown(name)}: expected printable ASCII without space and colon. Rename it.",
                code="bad_header",
            )
        if name.lower() in _OWNED_HEADERS or name.lower().startswith(_OWNED_PREFIXES):
            raise InvalidMessageError(
                f"Header {name!r} is written by the library or the mail server. Leave it out of headers; the "
                "subject has a template; sender, copies and attachments go into the options from_address, cc, bcc and "
                "attachments.",
                code="owned_header",
            )
        text = str(value)
        if _UNSAFE_VALUE.search(text):
            raise InvalidMessageError(
                f"Header {name!r}: expected one line of text, got {shown(text)}, which holds a line break, control "
                "character or surrogate. Remove it.",
                code="bad_header",
            )
        # What is not ASCII is encoded in short words.
        if len(text) > MAX_WORD_LENGTH and text.isascii() and max(map(len, text.split())) > MAX_WORD_LENGTH:
            raise InvalidMessageError(
                f"Header {name!r}: expected words of at most {MAX_WORD_LENGTH} characters, as a line of an email holds "
                f"no longer ones, got {shown(text)}. Shorten it.",
                code="bad_header",
            )
        checked[name] = text
    return checked


def check_attachments(attachments: object, max_bytes: int) -> list[tuple[str, str | bytes, str | None]]:
    """
    Return (file name, content, MIME type or None) of each of *attachments*.

    Args:
        attachments: Tuples of these three, or of the first two; Django's EmailAttachment is one.

        max_bytes: What all contents together may come to.

    Raises:
        InvalidMessageError: If one has another shape or a path in its name, or they are too large.
    """
    checked = []
    total = 0
    # An iterator would be empty when the message is sent again.
    is_list = isinstance(attachments, Iterable) and not isinstance(attachments, Iterator)
    for attachment in attachments if is_list else [attachments]:  # type: ignore[attr-defined]
        match attachment:
            case (str() as name, str() | bytes() as content):
                mimetype: str | None = None
            case (str() as name, str() | bytes() as content, None):
                mimetype = None
            case (str() as name, str() | bytes() as content, str() as given):
                mimetype = given
            case _:
                raise InvalidMessageError(
                    "options['attachments']: expected tuples (file name, content as str or bytes, MIME type or None), "
                    f"got {type(attachment).__name__}.",
                    code="bad_attachment",
                )
        if not name.strip(". ") or _UNSAFE_IN_FILE_NAME.search(name) or len(name) > MAX_FILE_NAME_LENGTH:
            raise InvalidMessageError(
                f"Attachment name {shown(name)}: expected a plain file name, without folders and control characters, "
                f"of at most {MAX_FILE_NAME_LENGTH} characters.",
                code="bad_attachment",
            )
        if mimetype is not None and not re.fullmatch(rf"{_ATEXT}+/[\w!#$&^.+-]+", mimetype, re.ASCII):
            raise InvalidMessageError(
                f"Attachment {shown(name)}: expected a MIME type such as application/pdf, got {shown(mimetype)}.",
                code="bad_attachment",
            )
        if isinstance(content, str):
            check_text(content, f"attachment {shown(name)}")
        total += len(content.encode() if isinstance(content, str) else content)
        checked.append((name, content, mimetype))
    if total > max_bytes:
        raise InvalidMessageError(
            f"The attachments have {total:,} bytes together, more than ACE_EMAIL_MAX_ATTACHMENT_BYTES ({max_bytes:,}). "
            "Send a link instead, or raise the setting.",
            code="attachments_too_large",
        )
    return checked


def _bad_mailbox(what: str, given: str, why: str) -> InvalidMessageError:
    return InvalidMessageError(f"The {what} is {shown(given)}: expected one mailbox, but {why}.", code="bad_address")
