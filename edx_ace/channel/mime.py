"""
Internal: the bytes of an email for SMTP, fast for the common shape.

A text and an HTML part under simple headers make up almost all mail that is sent in bulk, and building a tree of
objects for each costs more than sending it. `as_bytes` writes that shape down directly, byte for byte as Django 5.2
does; anything else goes through Django's own classes. Django 6 would encode lines of more than 78 bytes by base64 or
quoted-printable, which spam filters and readers of raw mail like less; the parsed message is the same.
"""

from __future__ import annotations

import email.policy
import re
import secrets
import time
from email.header import Header
from email.utils import formataddr, formatdate, getaddresses
from functools import lru_cache
from typing import Any

import django
from django.conf import settings as django_settings
from django.core.mail import EmailMultiAlternatives

from edx_ace.channel.mailbox import parse_mailbox
from edx_ace.errors import InvalidMessageError

#: Longest line that a mail server must accept, in octets without CRLF. Source: RFC 5321, 4.5.3.1.6.
MAX_LINE_LENGTH = 998

#: Where header lines are folded, in characters. Source: RFC 5322, 2.1.1.
_FOLD_AT = 78

_POLICY = email.policy.compat32.clone(linesep="\r\n")


class _WholeWords(email.policy.EmailPolicy):
    """
    Writes a header whose words are longer than a line as `_POLICY` does: each stays whole, on a line of its own.

    Python's own writes it in encoded words, of which no mailbox provider makes a link again: RFC 2047 has them in texts
    that people read alone.
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        """Return the lines of the header."""
        longest = max(map(len, value.split()), default=0)
        if value.isascii() and _FOLD_AT - 2 < longest < MAX_LINE_LENGTH:
            return _POLICY.fold(name, value).encode()
        return super().fold_binary(name, value)


class Email(EmailMultiAlternatives):
    """An email that goes like any other, but that links in its headers stay whole, whichever backend writes them."""

    def message(self, **arguments: Any) -> Any:
        """Return what backends write."""
        made = super().message(**arguments)
        if isinstance(made.policy, email.policy.EmailPolicy):
            made.policy = _WholeWords(linesep=made.policy.linesep, utf8=made.policy.utf8)
        return made


_HEAD = '\
Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\
MIME-Version: 1.0\r\n\
{headers}\r\n\
\r\n'

_PART = '\
--{boundary}\r\n\
Content-Type: text/{subtype}; charset="utf-8"\r\n\
MIME-Version: 1.0\r\n\
Content-Transfer-Encoding: {encoding}\r\n\
\r\n'

#: Header values that need neither encoding nor, while they are short, folding.
_is_simple = re.compile(r"[!-~]+(?: [!-~]+)*").fullmatch

#: Headers that Django gives an order or a meaning of their own when they are among further headers.
_SPECIAL_HEADERS = frozenset(["from", "to", "cc", "bcc", "reply-to", "sender", "date", "mime-version", "subject"])
_SPECIAL_PREFIXES = ("content-", "resent-")


def as_bytes(mail: EmailMultiAlternatives, *, boundary: str | None = None, date: str | None = None) -> bytes:
    """
    Return *mail* as it goes over SMTP, with CRLF line ends and before dot-stuffing.

    Args:
        mail: Its headers must have been checked.

        boundary: Of the multipart; chosen at random by default.

        date: Value of the Date header; now by default.
    """
    return _common_shape(mail, boundary, date) or _any_shape(mail)


def _any_shape(mail: EmailMultiAlternatives) -> bytes:
    if not all(parse_mailbox(text, smtputf8=True).address.isascii() for text in mail.to):
        raise InvalidMessageError(
            "The recipient's local part is not ASCII. Such messages can have no attachments, no Reply-To among their "
            "headers, and no lines of more than 998 octets: Django cannot encode them. Leave these out.",
            code="bad_address",
        )
    if django.VERSION >= (6, 0):
        return mail.message(policy=email.policy.SMTP).as_bytes()
    # The classes of Django 5.2 take the line end here; the types are those of a later one.
    return mail.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg,unused-ignore]


def _common_shape(mail: EmailMultiAlternatives, boundary: str | None, date: str | None) -> bytes | None:
    """Return the bytes of *mail*, or None if its shape is another."""
    if mail.attachments or len(mail.alternatives) != 1 or mail.encoding or django_settings.DEFAULT_CHARSET != "utf-8":
        return None
    html, mimetype = mail.alternatives[0]
    if mimetype != "text/html":
        return None
    fields = [("Subject", str(mail.subject)), ("From", mail.from_email)]
    for name, values in (("To", mail.to), ("Cc", mail.cc), ("Reply-To", mail.reply_to)):
        if values:
            fields.append((name, ", ".join(values)))
    fields.append(("Date", date or _date(int(time.time()), django_settings.EMAIL_USE_LOCALTIME)))
    has_id = False
    for name, value in mail.extra_headers.items():
        lowered = name.lower()
        if lowered in _SPECIAL_HEADERS or lowered.startswith(_SPECIAL_PREFIXES):
            return None
        has_id = has_id or lowered == "message-id"
        fields.append((name, value))
    text_body, html_body = _body(str(mail.body)), _body(str(html))
    if not has_id or text_body is None or html_body is None:
        return None
    boundary = boundary or f"==============={secrets.randbits(63):019d}=="
    headers = "\r\n".join([_field(name, value) for name, value in fields])
    pieces = [_HEAD.format(boundary=boundary, headers=headers).encode()]
    # Like Django: without a text body there is no text part.
    parts = [("plain", text_body), ("html", html_body)] if text_body else [("html", html_body)]
    for subtype, body in parts:
        encoding = "7bit" if body.isascii() else "8bit"
        pieces += [_PART.format(boundary=boundary, subtype=subtype, encoding=encoding).encode(), body, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces)


@lru_cache(maxsize=1)
def _date(second: int, is_local: bool) -> str:
    """Return the Date header for *second*. Cached: many messages are written in one."""
    return formatdate(second, is_local)


def _body(text: str) -> bytes | None:
    """Return *text* with CRLF line ends, or None if a line is too long to go without an encoding."""
    body = text.encode()
    position = 0
    while len(body) - position > MAX_LINE_LENGTH:
        end_of_line = body.rfind(b"\n", position, position + MAX_LINE_LENGTH + 1)
        if end_of_line < 0:
            return None
        position = end_of_line + 1
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return body.replace(b"\n", b"\r\n")


def _field(name: str, value: str) -> str:
    if _is_simple(value):
        if len(name) + len(value) + 2 <= _FOLD_AT:
            return f"{name}: {value}"
        if " " not in value:
            return f"{name}: \r\n {value}"
    return _unusual_field(name, value)


@lru_cache(maxsize=1024)
def _unusual_field(name: str, value: str) -> str:
    """Return a header field that needs encoding or folding. Cached: senders and subjects come again and again."""
    if not value.isascii():
        if name in ("From", "To", "Cc", "Reply-To"):
            value = ", ".join(_address(display_name, address) for display_name, address in getaddresses([value]))
            if not value.isascii():
                return f"{name}: {value}"
        else:
            value = _encoded(value)
    elif name == "Subject":
        value = Header(value).encode()
    return _POLICY.fold(name, value).removesuffix("\r\n")


def _address(display_name: str, address: str) -> str:
    if address.isascii():
        return formataddr((_encoded(display_name), address))
    # As it is, in UTF-8. Source: RFC 6532.
    return f"{Header(display_name, 'utf-8').encode()} <{address}>" if display_name else address


def _encoded(value: str) -> str:
    return Header(value, None if value.isascii() else "utf-8").encode()
