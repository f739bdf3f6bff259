"""
Public: the whole pipeline on one screen.

policies → the channel of each allowed type → rendering → content steps → delivery → report. One channel's failure
never stops another's, nor one message's another's: outcomes are data, in the `SendReport`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from edx_ace import content, delivery, envelope, policy, presentation
from edx_ace.batch import BatchDelivery, ReportStream, chunks
from edx_ace.channel import Channel, ChannelType, get_channel_for_message
from edx_ace.channel.registry import Limits, choose, limits_of, name_of
from edx_ace.envelope import Parcel
from edx_ace.message import Message
from edx_ace.report import Delivery, Explanation, Outcome, SendReport
from edx_ace.sending import Sending

log = logging.getLogger(__name__)


def send(msg: Message, limit_to_channels: Iterable[ChannelType | str] | None = None) -> SendReport:
    """
    Send *msg* over every channel that policies allow, waiting for retries, and say what came of it.

    Nothing but a wrong argument is raised: a message that is refused, or that fails, is reported and logged as such.

    Args:
        msg: The message.

        limit_to_channels: Use no other channels. A ChannelType or its value admits that type; the name of a channel
            admits its type and selects that channel. Empty or None: no limit.

    Raises:
        UnknownChannelError: If *limit_to_channels* names something else; nothing is sent.
    """
    limits = limits_of(limit_to_channels)
    msg.report_basics()
    sending = Sending(msg)
    if sending.is_valid(limits):
        for channel_type, channel in _plan(sending, policy.channels_for(msg), limits):
            try:
                parcel = content.apply([_render(channel_type, channel, msg)])[0]
                if isinstance(parcel, Exception):
                    raise parcel
                with envelope.in_use(parcel.envelope):
                    sending.add(delivery.deliver(channel, parcel.rendered, msg))
            except Exception as error:
                sending.fail(error, channel_type, channel)
    return sending.report()


def send_many(
    messages: Iterable[Message], limit_to_channels: Iterable[ChannelType | str] | None = None
) -> Iterator[SendReport]:
    """
    Send *messages*, any number of them in constant memory, yielding the report of each as soon as it is known.

    Nothing is sent until the result is iterated, and nothing more once the iteration stops; one that is never begun
    warns. A message that has to be retried waits without holding up the others, so reports may come out of order.

    Args:
        messages: Any iterable; taken a chunk at a time. If it raises, what it gave before is still sent.

        limit_to_channels: As for `send`, for all of them.

    Raises:
        UnknownChannelError: If *limit_to_channels* names something else; nothing is sent.
        TypeError: If *messages* yields something that is no Message.
    """
    return ReportStream(_send_chunks(messages, limits_of(limit_to_channels)))


def explain(message: Message, limit_to_channels: Iterable[ChannelType | str] | None = None) -> Explanation:
    """
    Say what `send` would do with *message*, policy by policy and channel by channel, without sending or rendering it.

    Args:
        message: The message.

        limit_to_channels: As for `send`.

    Raises:
        UnknownChannelError: If *limit_to_channels* names something else.
    """
    limits = limits_of(limit_to_channels)
    sending = Sending(message)
    with policy.only_asking():
        allowed = policy.channels_for(message)
    if sending.is_valid(limits):
        for channel_type, channel in _plan(sending, allowed, limits):
            sending.add(Delivery(channel_type=channel_type, outcome=Outcome.SENT, channel=name_of(channel)))
    return Explanation(message.log_id, tuple(policy.decisions_of(allowed)), tuple(sending.deliveries))


def _send_chunks(messages: Iterable[Message], limits: Limits) -> Iterator[SendReport]:
    batch: BatchDelivery[Sending] = BatchDelivery()
    lookups: dict[Any, dict[str, Any]] = {}
    try:
        for chunk in chunks(messages):
            sendings = [Sending(message) for message in chunk]
            with presentation.lookups_shared_in(lookups):
                packed = _pack([sending for sending in sendings if sending.is_valid(limits)], limits)
            for sending in sendings:
                if sending.is_complete:
                    yield sending.report()
            yield from _reports(batch.deliver(packed))
    except Exception:
        # The iterable failed: what waits for a retry is one of those that it gave before.
        yield from _reports(batch.finish())
        raise
    yield from _reports(batch.finish())


def _reports(results: Iterable[tuple[Sending, Channel, Delivery | Exception]]) -> Iterator[SendReport]:
    for sending, channel, result in results:
        sending.open -= 1
        if isinstance(result, Exception):
            sending.fail(result, channel.channel_type, channel)
        else:
            sending.add(result)
        if sending.is_complete:
            yield sending.report()


def _pack(sendings: list[Sending], limits: Limits) -> list[tuple[Sending, Parcel]]:
    """Return a parcel for each message and channel that it is to go over; what stops before that is recorded."""
    packed = []
    allowed = policy.channels_for_many([sending.message for sending in sendings])
    for sending, channel_types in zip(sendings, allowed, strict=True):
        sending.message.report_basics()
        for channel_type, channel in _plan(sending, channel_types, limits):
            try:
                packed.append((sending, _render(channel_type, channel, sending.message)))
            except Exception as error:
                sending.fail(error, channel_type, channel)
    ready = []
    for (sending, parcel), changed in zip(packed, content.apply([parcel for _, parcel in packed]), strict=True):
        if isinstance(changed, Exception):
            sending.fail(changed, parcel.channel.channel_type, parcel.channel)
        else:
            sending.open += 1
            ready.append((sending, changed))
    return ready


def _plan(sending: Sending, allowed: Iterable[ChannelType], limits: Limits) -> Iterator[tuple[ChannelType, Channel]]:
    """Yield each channel that the message is to go over; a type that is out is recorded, with the reason."""
    for channel_type in policy.in_order({*policy.considered(allowed), *limits}):
        if limits and channel_type not in limits:
            if channel_type in allowed:
                log.debug("Skipping channel %s", channel_type)
            continue
        obstacle = policy.obstacle(allowed, channel_type)
        if obstacle is None:
            try:
                named = limits.get(channel_type)
                if named is None:
                    channel = get_channel_for_message(channel_type, sending.message)
                else:
                    channel = choose(named, sending.message)
            except Exception as error:
                sending.fail(error, channel_type)
            else:
                yield channel_type, channel
        else:
            sending.add(obstacle)


def _render(channel_type: ChannelType, channel: Channel, message: Message) -> Parcel:
    rendered = presentation.render(channel, message)
    return Parcel(message, channel, rendered, envelope.seal(message, channel_type))
