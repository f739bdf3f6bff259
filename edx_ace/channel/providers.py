"""
Internal: what channels that call a provider's HTTP interface share: which error an answer is, and when to try again.

Texts of these errors end up in logs and in the database, so what a provider said goes through `redacted` first, and
what an HTTP library said (which may quote headers) is not repeated at all.
"""

from __future__ import annotations

import random
import re
import ssl
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.utils.http import parse_http_date_safe

from edx_ace.errors import (
    ChannelDownError,
    ChannelError,
    FatalChannelDeliveryError,
    RecoverableChannelDeliveryError,
)
from edx_ace.text import one_line
from edx_ace.utils.date import get_current_time

#: When a provider does not say how long to wait: this long, give or take the spread, in seconds.
RETRY_DELAY_SECONDS = 10
RETRY_SPREAD_SECONDS = 2

#: A provider that asks for a longer wait than this is not believed, in seconds.
LONGEST_WAIT_SECONDS = 3600

#: Longest text of a provider that is repeated, and that is looked at for it, in characters.
_MAX_SAID_LENGTH = 200
_MAX_READ_LENGTH = 2000

#: Answers below 500 that stand for a passing trouble.
_PASSING = frozenset([HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS])

#: Functions of the standard library in which a connection is not yet one to the provider.
_OF_BEGINNING = frozenset(["do_handshake", "_tunnel"])

_ADDRESS = re.compile(r"[^\s<>\"'(),:;]+@[^\s<>\"'(),:;]+")


def redacted(text: object, *secrets: str | None) -> str:
    """Return *text* on one line, cut where it is long, without mail addresses and *secrets*."""
    line = one_line(str(text)[:_MAX_READ_LENGTH])
    for secret in filter(None, secrets):
        line = line.replace(secret, "…")
    line = _ADDRESS.sub("…@…", line)
    return line if len(line) <= _MAX_SAID_LENGTH else f"{line[:_MAX_SAID_LENGTH]}…"


def retry_time(headers: Mapping[str, Any], reset_header: str | None = None) -> datetime:
    """
    Return the earliest moment for the next attempt (aware UTC).

    Args:
        headers: Of the provider's answer. Retry-After counts, in seconds or as a date.

        reset_header: Name of a header that says the same in seconds since 1970, if the provider has one.
    """
    now = get_current_time()
    for wait in _waits(now, headers, reset_header):
        if 0 < wait <= LONGEST_WAIT_SECONDS:
            return now + timedelta(seconds=wait)
    spread = random.uniform(-RETRY_SPREAD_SECONDS, RETRY_SPREAD_SECONDS)
    return now + timedelta(seconds=RETRY_DELAY_SECONDS + spread)


def _waits(now: datetime, headers: Mapping[str, Any], reset_header: str | None) -> Iterator[float]:
    """Yield the seconds to wait according to each header that says so."""
    retry_after = str(headers.get("Retry-After", "")).strip()
    if _is_number(retry_after):
        yield int(retry_after)
    elif (moment := parse_http_date_safe(retry_after)) is not None:
        yield (datetime.fromtimestamp(moment, UTC) - now).total_seconds()
    reset = str(headers.get(reset_header, "")).strip() if reset_header else ""
    if _is_number(reset):
        yield int(reset) - now.timestamp()


def _is_number(text: str) -> bool:
    # Twelve digits are more than any clock shows; int() refuses very long ones with an error.
    return text.isascii() and text.isdigit() and len(text) <= 12


def error_for_answer(provider: str, status: int, said: str = "", *, retry_at: datetime) -> ChannelError:
    """
    Return the error that an answer with *status* stands for.

    Args:
        provider: The provider's name, as it reads at the start of a sentence.

        status: HTTP status; none of 2xx.

        said: What the provider said about it, `redacted`.

        retry_at: When to try again, if that helps; from `retry_time`.
    """
    text = f"{provider} answered {status}{f': {said}' if said else ''}."
    code = f"http_{status}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ChannelDownError(f"{text} Check the credentials in the settings.", code=code)
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # A gateway that says so did what a client does that waits in vain: it handed the message on.
        is_ambiguous = status == HTTPStatus.GATEWAY_TIMEOUT
        return RecoverableChannelDeliveryError(text, retry_at, code=code, is_ambiguous=is_ambiguous)
    if status < HTTPStatus.BAD_REQUEST:
        return ChannelDownError(
            f"{text} Expected an answer and no redirect. Check the endpoint in the settings.", code=code
        )
    return FatalChannelDeliveryError(text, code=code)


def error_for_exception(provider: str, error: Exception) -> ChannelError:
    """
    Return the error that *error*, raised by requests or by a client built on it, stands for.
    """
    # Imported here because only the channels that are built on it bring it.
    from requests.exceptions import RequestException, Timeout

    chain = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in chain):
        return ChannelDownError(
            f"{provider} could not be reached: this machine does not trust its TLS certificate. Check the endpoint in "
            "the settings and the certificate authorities that are installed.",
            code="tls",
        )
    failure = next((cause for cause in chain if isinstance(cause, RequestException)), error)
    name = type(failure).__name__
    if isinstance(failure, Timeout):
        may_have_arrived = is_ambiguous(error)
        return RecoverableChannelDeliveryError(
            f"{provider} did not answer in time ({name}).",
            retry_time({}),
            # One that never began to listen is as good as none.
            code="timeout" if may_have_arrived else "connection",
            is_ambiguous=may_have_arrived,
        )
    if isinstance(failure, ValueError):
        # A malformed URL or header; the library's own text quotes it, and with it the key.
        return ChannelDownError(
            f"{provider} could not be called ({name}). Check the endpoint and the key in the settings.",
            code="configuration",
        )
    return RecoverableChannelDeliveryError(
        f"The connection to {provider} failed ({name}).",
        retry_time({}),
        code="connection",
        is_ambiguous=is_ambiguous(error),
    )


def is_ambiguous(error: BaseException) -> bool:
    """
    Return whether a provider may have taken the message although *error* was raised in place of its answer.

    It cannot have where a connection to it never came to be, a proxy and encryption included. Anything else may be an
    answer that was on its way.
    """
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    # Not by urllib3's ProxyError, which it also makes of an answer that is lost behind a proxy.
    unconnected = (ConnectTimeoutError, NewConnectionError)
    return not any(isinstance(cause, unconnected) or _is_of_beginning(cause) for cause in _causes(error))


def _is_of_beginning(error: BaseException) -> bool:
    # By its place, as no class tells a failure of encryption or of a proxy at the beginning from a later one.
    return any(frame.f_code.co_name in _OF_BEGINNING for frame, _ in traceback.walk_tb(error.__traceback__))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error*, what it was raised for, and so on; urllib3 wraps some as arguments, Firebase as attributes."""
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        found = pending.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            named = [getattr(found, name, None) for name in ("reason", "cause")]
            pending += [found.__cause__, found.__context__, *named, *found.args]
