"""
Public: what travels beside the rendered fields, and the parcel that content steps and channels work on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import attrs

from edx_ace.channel.base import ChannelType

if TYPE_CHECKING:
    from edx_ace.channel import Channel
    from edx_ace.message import Message


@attrs.frozen(kw_only=True)
class Envelope:
    """
    The addresses and headers of one message over one channel. Changed by copying (`attrs.evolve`).

    Attributes:
        message_uuid: Whose envelope this is.

        to: The recipient's address for this channel type, as given; None when there is none. Checked by the channel.

        headers: Header names and values: the caller's, over the library's defaults.
    """

    message_uuid: Any
    to: str | None
    headers: Mapping[str, str] = attrs.field(factory=dict)

    def with_headers(self, headers: Mapping[str, str]) -> Envelope:
        """Return a copy with *headers* added; a name that is there already, in any case, keeps its value."""
        present = {name.lower() for name in self.headers}
        added = {name: value for name, value in headers.items() if name.lower() not in present}
        return attrs.evolve(self, headers={**self.headers, **added})


@attrs.frozen
class Parcel:
    """One message over one channel, rendered: what content steps transform and `Channel.deliver_many` takes."""

    message: Message
    channel: Channel
    rendered: Any
    envelope: Envelope


def seal(message: Message, channel_type: ChannelType) -> Envelope:
    """Return the envelope of *message* for *channel_type* as the message itself gives it."""
    recipient = message.recipient
    return Envelope(
        message_uuid=message.uuid,
        to=None if recipient is None else recipient.address_for(channel_type),
        headers=dict(message.headers or {}),
    )


_current: ContextVar[Envelope | None] = ContextVar("edx_ace_envelope", default=None)


@contextmanager
def in_use(envelope: Envelope) -> Iterator[None]:
    """Make *envelope* the one that `current` returns: `Channel.deliver` takes two arguments and finds it here."""
    token = _current.set(envelope)
    try:
        yield
    finally:
        _current.reset(token)


def current(message: Message, channel_type: ChannelType) -> Envelope:
    """Return the envelope in use for *message*, or a fresh one when a channel is called outside the pipeline."""
    envelope = _current.get()
    if envelope is not None and envelope.message_uuid == message.uuid:
        return envelope
    return seal(message, channel_type)
