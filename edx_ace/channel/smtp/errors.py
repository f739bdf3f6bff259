"""
Internal: which of this package's errors a mail server's reply, or a failure of smtplib or a socket, is.

Their texts end up in logs and in the database, so addresses in a server's words are replaced.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterable

from edx_ace.errors import (
    ChannelDownError,
    ChannelError,
    FatalChannelDeliveryError,
    RecoverableChannelDeliveryError,
)

#: Replies that are about the login or encryption of the session and not about a message.
#: Sources: RFC 4954, 6; RFC 3207, 4.
_SESSION_REFUSED = frozenset([530, 534, 535, 538])

#: The server closes the session. Source: RFC 5321, 3.8.
CLOSING = 421

#: A server's words are cut after this many characters.
_MAX_REPLY_LENGTH = 200


def error_for_reply(code: int, text: bytes | str, addresses: Iterable[str] = ()) -> ChannelError:
    """
    Return what a refusal means.

    Args:
        code: Three digits; 5xx is for good, anything else for now.

        text: The server's words; *addresses* in them are replaced.
    """
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    for address in addresses:
        words = re.sub(f"<?{re.escape(address)}>?", "<recipient>", words, flags=re.IGNORECASE)
    said = f"The mail server answered {code} {ascii(words[:_MAX_REPLY_LENGTH])[1:-1]}."
    if code in _SESSION_REFUSED:
        return server_down(f"it answered {code}", f"smtp_{code}")
    if 500 <= code <= 599:
        return FatalChannelDeliveryError(said, code=f"smtp_{code}")
    return RecoverableChannelDeliveryError(said, code=f"smtp_{code}")


def error_for_exception(error: Exception, addresses: Iterable[str] = (), is_ambiguous: bool = False) -> Exception:
    """
    Return what *error*, raised by smtplib or a socket, means for the message; any other error as it is.

    Args:
        error: What was raised.

        addresses: What to replace in the server's words.

        is_ambiguous: Whether the message may have been written before a connection was lost.
    """
    match error:
        case smtplib.SMTPRecipientsRefused(recipients={**refused}) if refused:
            code, text = next(iter(refused.values()))
            return error_for_reply(code, text, addresses)
        case smtplib.SMTPAuthenticationError() | smtplib.SMTPConnectError() | smtplib.SMTPHeloError() if (
            error.smtp_code >= 500
        ):
            return server_down(f"it answered {error.smtp_code}", f"smtp_{error.smtp_code}")
        case smtplib.SMTPResponseException():
            return error_for_reply(error.smtp_code, error.smtp_error, addresses)
        case smtplib.SMTPNotSupportedError():
            return server_down("it lacks what the settings ask for", "smtp_not_supported")
        case smtplib.SMTPServerDisconnected() if not isinstance(error.__context__, TimeoutError):
            return connection_lost("disconnected", type(error).__name__, is_ambiguous)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return connection_lost("disconnected", type(error).__name__, is_ambiguous)
        case ssl.SSLError():
            return server_down(
                f"the encryption failed ({getattr(error, 'reason', None) or type(error).__name__})", "tls"
            )
        case smtplib.SMTPServerDisconnected() | TimeoutError():
            return connection_lost("timeout", type(error).__name__, is_ambiguous)
        case smtplib.SMTPException():
            return FatalChannelDeliveryError(f"The mail backend gave up: {type(error).__name__}.", code="smtp")
        case ConnectionRefusedError() | socket.gaierror():
            return connection_lost("connection", type(error).__name__)
        case OSError():
            return connection_lost("connection", type(error).__name__, is_ambiguous)
    return error


def error_for_opening(error: Exception) -> Exception:
    """
    Return what *error*, raised before a session had begun, means for the messages that wait for it.

    A server that hangs up, says nothing or asks to come back says nothing about them: it is as good as none.
    """
    found = error_for_exception(error)
    if isinstance(found, RecoverableChannelDeliveryError) and found.code != f"smtp_{CLOSING}":
        return RecoverableChannelDeliveryError(str(found), code="connection")
    return found


def ambiguous(why: str) -> RecoverableChannelDeliveryError:
    """Return the error of a message that may have been accepted; *why* ends up in brackets."""
    return RecoverableChannelDeliveryError(
        f"The connection was lost before the mail server confirmed the message ({why}); it may have been accepted.",
        code="ambiguous",
        is_ambiguous=True,
    )


def server_down(why: str, code: str) -> ChannelDownError:
    """Return the error of a server that takes no message of this site; *why* follows a colon."""
    return ChannelDownError(
        f"The mail server cannot be used: {why}. Check the host, user, password and encryption of the mail settings.",
        code=code,
    )


def connection_lost(code: str, why: str, is_ambiguous: bool = False) -> RecoverableChannelDeliveryError:
    """Return the error of a message that was not accepted, unless *is_ambiguous*; *code* is one of the three below."""
    what = {
        "connection": "No connection to the mail server",
        "disconnected": "The mail server closed the connection",
        "timeout": "The mail server did not answer in time",
    }[code]
    return RecoverableChannelDeliveryError(f"{what} ({why}).", code=code, is_ambiguous=is_ambiguous)
