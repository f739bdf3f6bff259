"""
Public: handing one rendered message to one channel, once (`attempt`) or until it succeeds or expires (`deliver`).

`attempt` and `attempt_many` never sleep and turn every error into an `Attempt`, so that a queue can decide when to try
again; `deliver` waits in the caller.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from edx_ace.channel import Channel
from edx_ace.channel.registry import name_of
from edx_ace.conf import settings
from edx_ace.errors import RecoverableChannelDeliveryError
from edx_ace.report import Accepted, Attempt, Delivery, Outcome, Result, Skipped, code_of, reason_of
from edx_ace.utils.date import as_utc, get_current_time
from edx_ace.utils.signals import send_ace_message_sent_signal

if TYPE_CHECKING:
    from edx_ace.envelope import Parcel
    from edx_ace.message import Message

LOG = logging.getLogger(__name__)

#: Frozen, so that one will do for every message that was accepted without an id.
_SENT = Attempt(outcome=Outcome.SENT)

#: Longest time that a message is retried in its caller, in seconds.
MAX_EXPIRATION_DELAY = 5 * 60

#: Wait before the next attempt where the channel names no moment, or one that has passed.
RETRY_DELAY = timedelta(seconds=5)


def deliver(channel: Channel, rendered_message: Any, message: Message) -> Delivery:
    """
    Hand *rendered_message* to *channel*, sleeping between attempts, until it is accepted or expires.

    The first time it has to wait is logged as a warning: whoever watches should know why nothing moves.

    Returns:
        The delivery: SENT, SKIPPED or EXPIRED.

    Raises:
        Exception: Whatever the channel raised, unless the same call may succeed later.
    """
    logger = message.get_message_specific_logger(LOG)
    logger.debug("Attempting delivery of message")
    started = get_current_time()
    expiry = expiry_of(message, started)
    attempts, last = 0, None
    while get_current_time() < expiry:
        attempts += 1
        last = attempt(channel, rendered_message, message)
        if last.outcome in (Outcome.SENT, Outcome.SKIPPED):
            return done(channel, message, last, attempts)
        if last.outcome is Outcome.FAILED and last.error is not None:
            raise counted(last.error, attempts)
        now = get_current_time()
        next_time = next_attempt_time(last, now)
        if next_time > expiry:
            logger.debug("The next attempt would come after the message's expiry")
            break
        seconds = (next_time - now).total_seconds()
        if attempts == 1:
            logger.warning(
                "Not sent over %s yet, trying again until %s: %s: %s",
                channel.channel_type,
                expiry.isoformat(" ", "seconds"),
                last.code,
                last.reason,
            )
        logger.debug("Waiting %s s before the next attempt", seconds)
        message.report(f"{channel.channel_type}_delivery_retried", seconds)
        time.sleep(seconds)
    return expired(channel, message, last, attempts, get_current_time() - started)


def attempt(channel: Channel, rendered_message: Any, message: Message) -> Attempt:
    """
    Hand *rendered_message* to *channel* once and say what came of it. Never sleeps and never raises.
    """
    try:
        provider_id = channel.deliver(message, rendered_message)
    except Exception as error:
        return _attempt_of(error)
    return _attempt_of(provider_id)


def attempt_many(channel: Channel, parcels: Sequence[Parcel]) -> Iterator[Attempt]:
    """
    Hand *parcels* to *channel* and yield what came of each, in order, as it becomes known.

    The channel's `deliver_many` is used unless a subclass has overridden `deliver` beneath it, which it would bypass.
    """
    done = 0
    try:
        for result, _ in zip(_deliver_many_of(channel)(channel, parcels), parcels, strict=False):
            done += 1
            yield _attempt_of(result)
        failure: Exception = RuntimeError(
            f"{type(channel).__name__}.deliver_many must yield one result a parcel: "
            f"expected {len(parcels)}, given {done}."
        )
    except Exception as error:
        failure = error
    for _ in parcels[done:]:
        yield _attempt_of(failure)


def counted(error: Exception, attempts: int) -> Exception:
    """Return *error*, which ended a delivery, with a note of how many *attempts* there were."""
    # On any exception, and not by a class of our own around it: callers of `deliver` catch what the channel raised.
    error.__dict__["_ace_attempts"] = attempts
    return error


def attempts_before(error: Exception) -> int:
    """Return how often a message was handed over before *error* ended its delivery; 0 if that was not a channel's."""
    return int(error.__dict__.get("_ace_attempts", 0))


def expiry_of(message: Message, started: datetime) -> datetime:
    """Return the moment after which *message*, first tried at *started*, is not handed over any more."""
    expiry = message.expiration_time or started + timedelta(seconds=settings.DEFAULT_EXPIRATION_DELAY)
    return min(as_utc(expiry), started + timedelta(seconds=MAX_EXPIRATION_DELAY))


def next_attempt_time(last: Attempt, now: datetime) -> datetime:
    """Return the moment of the attempt after *last*: the channel's wish, if it lies ahead."""
    # What is no moment, such as a number of seconds, is a fault of the channel and not of the message.
    wished = as_utc(last.retry_at) if isinstance(last.retry_at, datetime) else None
    return wished if wished is not None and wished > now else now + RETRY_DELAY


def done(channel: Channel, message: Message, last: Attempt, attempts: int) -> Delivery:
    """Return the delivery that *last*, SENT or SKIPPED, ended; one that was sent is told to the signal's receivers."""
    if last.outcome is Outcome.SKIPPED:
        return _delivery(channel, Outcome.SKIPPED, code=last.code, reason=last.reason, attempts=attempts)
    tell_sent(channel, message)
    return _delivery(channel, Outcome.SENT, attempts=attempts, provider_id=last.provider_id)


def tell_sent(channel: Channel, message: Message) -> None:
    """Tell monitoring and the signal's receivers that *message* went over *channel*."""
    message.report(f"{channel.channel_type}_delivery_succeeded", True)
    send_ace_message_sent_signal(channel, message)


def expired(channel: Channel, message: Message, last: Attempt | None, attempts: int, after: timedelta) -> Delivery:
    """Tell monitoring that *message* expired *after* that long; return its delivery."""
    message.report(f"{channel.channel_type}_delivery_expired", after)
    reason = "The message expired before it could be handed over."
    if last is not None:
        tried = f"{attempts} attempts, of which the last" if attempts > 1 else "one attempt, which"
        reason = f"The message expired after {tried} ended with {last.code}: {last.reason}"
    return _delivery(channel, Outcome.EXPIRED, code="expired", reason=reason, attempts=attempts)


def _delivery(channel: Channel, outcome: Outcome, **fields: Any) -> Delivery:
    return Delivery(channel_type=channel.channel_type, outcome=outcome, channel=name_of(channel), **fields)


def _attempt_of(result: object) -> Attempt:
    if result is None:
        return _SENT
    if isinstance(result, RecoverableChannelDeliveryError):
        return Attempt(
            outcome=Outcome.RETRY,
            code=result.code,
            reason=str(result),
            retry_at=result.next_attempt_time,
            error=result,
        )
    if isinstance(result, Exception):
        return Attempt(outcome=Outcome.FAILED, code=code_of(result), reason=reason_of(result), error=result)
    if isinstance(result, Skipped):
        return Attempt(outcome=Outcome.SKIPPED, code=result.code, reason=result.reason)
    if isinstance(result, Accepted):
        return Attempt(
            outcome=Outcome.SENT, provider_id=result.provider_id, units=result.units, provider=result.provider
        )
    return Attempt(outcome=Outcome.SENT, provider_id=result if isinstance(result, str) else None)


def _deliver_many_of(
    channel: Channel,
) -> Callable[[Channel, Sequence[Parcel]], Iterator[Result]]:
    mro = type(channel).__mro__
    batch, single = (
        next((i for i, cls in enumerate(mro) if name in vars(cls)), len(mro)) for name in ("deliver_many", "deliver")
    )
    return type(channel).deliver_many if batch <= single else Channel.deliver_many
