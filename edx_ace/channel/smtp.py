"""
Internal: SMTP: what its errors mean for a message.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterable

from edx_ace.errors import (
    ChannelDownError,
    ChannelError,
    FatalChannelDeliveryError,
    RecoverableChannelDeliveryError,
)

#: Replies that are about the login or encryption of the session and not about a message. Source: RFC 4954, 6; RFC 3207, 4.
_SESSION_REFUSED = frozenset([530, 534, 535, 538])

#: A server's words are cut after this many characters.
_MAX_REPLY_LENGTH = 200


def reply_error(code: int, text: bytes | str, addresses: Iterable[str] = ()) -> ChannelError:
    """
    Return what a refusal means.

    Args:
        code: Three digits, 400 to 599; anything else counts as a server that must not be trusted with mail now.

        text: The server's words; *addresses* in them are replaced.
    """
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    for address in addresses:
        words = words.replace(address, "<recipient>")
    said = f"The mail server answered {code} {ascii(words[:_MAX_REPLY_LENGTH])[1:-1]}."
    if code in _SESSION_REFUSED:
        return ChannelDownError(
            f"{said} Check the user, password and encryption of the mail settings.", code=f"smtp_{code}"
        )
    if 500 <= code <= 599:
        return FatalChannelDeliveryError(said, code=f"smtp_{code}")
    return RecoverableChannelDeliveryError(said, code=f"smtp_{code}")


def as_channel_error(error: Exception, addresses: Iterable[str] = ()) -> Exception:
    """
    Return what *error*, raised by smtplib or a socket, means for the message; any other error as it is.

    Args:
        error: What was raised.

        addresses: What to replace in the server's words.
    """
    match error:
        case smtplib.SMTPRecipientsRefused(recipients={**refused}) if refused:
            code, text = next(iter(refused.values()))
            return reply_error(code, text, addresses)
        case smtplib.SMTPAuthenticationError() | smtplib.SMTPConnectError() | smtplib.SMTPHeloError() if (
            error.smtp_code >= 500
        ):
            return _down(f"it answered {error.smtp_code}", f"smtp_{error.smtp_code}")
        case smtplib.SMTPResponseException():
            return reply_error(error.smtp_code, error.smtp_error, addresses)
        case smtplib.SMTPNotSupportedError():
            return _down("it lacks what the settings ask for", "smtp_not_supported")
        case smtplib.SMTPServerDisconnected() if not isinstance(error.__context__, TimeoutError):
            return _lost("disconnected", error)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return _lost("disconnected", error)
        case ssl.SSLError():
            return _down(f"the encryption failed ({error.reason})", "tls")
        case smtplib.SMTPServerDisconnected() | TimeoutError():
            return _lost("timeout", error)
        case smtplib.SMTPException():
            return FatalChannelDeliveryError(f"The mail backend gave up: {type(error).__name__}.", code="smtp")
        case OSError():
            return _lost("connection", error)
    return error


def _down(why: str, code: str) -> ChannelDownError:
    return ChannelDownError(
        f"The mail server cannot be used: {why}. Check the host, user, password and encryption of the mail settings.",
        code=code,
    )


def _lost(code: str, error: Exception) -> RecoverableChannelDeliveryError:
    what = {
        "connection": "No connection to the mail server",
        "disconnected": "The mail server closed the connection",
        "timeout": "The mail server did not answer in time",
    }[code]
    return RecoverableChannelDeliveryError(f"{what} ({type(error).__name__}); the message was not accepted.", code=code)
