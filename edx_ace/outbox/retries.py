"""
Internal: whether and when a delivery is attempted again, by what kind of error its last attempt ended with.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from enum import Enum

from edx_ace.errors import ChannelDownError
from edx_ace.outbox.conf import settings
from edx_ace.report import Attempt, Outcome
from edx_ace.utils.date import as_utc, get_current_time

#: Longest wait between two attempts, whatever a channel asks for.
LONGEST_WAIT = timedelta(hours=1)

#: Shortest one: a channel that cannot be used is not asked in a loop.
SHORTEST_WAIT = timedelta(seconds=1)

#: Attempts that nobody knows the end of before the delivery is left as unknown.
MAX_AMBIGUOUS_ATTEMPTS = 3

#: Codes by which a channel asks to slow down, and those that are about the channel and not about the message.
_THROTTLED = frozenset(["http_429", "smtp_421", "out_of_time"])
_CHANNEL_DOWN = frozenset(["connection", "smtp_530", "smtp_534", "smtp_535", "smtp_538"])


class ErrorClass(Enum):
    """What kind of error ended an attempt."""

    #: A repeat would fail the same: the recipient or the message is refused.
    PERMANENT = "permanent"
    #: The recipient's side cannot take it now.
    TEMPORARY = "temporary"
    #: The channel asks to slow down. Spends no attempt.
    THROTTLED = "throttled"
    #: The channel itself cannot be used; says nothing about the message. Spends no attempt.
    CHANNEL_DOWN = "channel_down"
    #: Nobody knows whether it was accepted.
    AMBIGUOUS = "ambiguous"

    @property
    def spends_attempt(self) -> bool:
        """Whether such an attempt counts."""
        return self not in (ErrorClass.THROTTLED, ErrorClass.CHANNEL_DOWN)


def classify(attempt: Attempt) -> ErrorClass:
    """Return what kind of error ended *attempt*, whose outcome is RETRY or FAILED."""
    if attempt.is_ambiguous:
        return ErrorClass.AMBIGUOUS
    if isinstance(attempt.error, ChannelDownError) or attempt.code in _CHANNEL_DOWN:
        return ErrorClass.CHANNEL_DOWN
    if attempt.outcome is Outcome.FAILED:
        return ErrorClass.PERMANENT
    return ErrorClass.THROTTLED if attempt.code in _THROTTLED else ErrorClass.TEMPORARY


def is_last(kind: ErrorClass, attempts: int, ambiguous_attempts: int) -> bool:
    """Return whether an error of this kind is the end after so many counted attempts, so many of them ambiguous."""
    if kind is ErrorClass.AMBIGUOUS and ambiguous_attempts >= MAX_AMBIGUOUS_ATTEMPTS:
        return True
    return kind is ErrorClass.PERMANENT or (kind.spends_attempt and attempts >= settings.OUTBOX_MAX_ATTEMPTS)


def wait_before_next(attempts: int, attempt: Attempt | None = None) -> timedelta:
    """
    Return how long to wait after so many counted attempts: what the channel asked for, else a random part of a time
    that doubles with each, so that what failed together does not return together.
    """
    # What is no moment, such as a number of seconds, is a fault of the channel: then it is as if it had not asked.
    if attempt is not None and isinstance(attempt.retry_at, datetime):
        # As a difference: the clock by which rows become due is the database's.
        wished = as_utc(attempt.retry_at) - get_current_time()
        return max(SHORTEST_WAIT, min(wished, LONGEST_WAIT))
    longest = min(settings.OUTBOX_RETRY_SECONDS * 2.0 ** min(max(attempts - 1, 0), 16), LONGEST_WAIT.total_seconds())
    return max(SHORTEST_WAIT, timedelta(seconds=random.uniform(0, longest)))
