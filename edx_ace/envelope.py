"""
Public: what travels beside the rendered fields, and the parcel that content steps and channels work on.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import attrs

from edx_ace.channel.base import ChannelType
from edx_ace.conf import settings
from edx_ace.recipient import Recipient

if TYPE_CHECKING:
    from edx_ace.channel import Channel
    from edx_ace.message import Message


@attrs.frozen(kw_only=True)
class Envelope:
    """
    The addresses and headers of one message over one channel. Changed by copying (`attrs.evolve`).

    Attributes:
        message_uuid: Whose envelope this is.

        to: The recipient's address for this channel type, as given, or ACE_REDIRECT_ALL_TO; None when there is none.
            Checked by the channel.

        headers: Header names and values: the caller's, over the library's defaults.

        given: The address and the headers as the message itself gave them when it was sealed.
    """

    message_uuid: Any
    to: str | None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    given: tuple[str | None, Mapping[str, str]] | None = attrs.field(default=None, eq=False, repr=False)

    def with_headers(self, headers: Mapping[str, str]) -> Envelope:
        """Return a copy with *headers* added; a name that is there already, in any case, keeps its value."""
        present = {name.lower() for name in self.headers}
        added = {name: value for name, value in headers.items() if name.lower() not in present}
        return attrs.evolve(self, headers={**self.headers, **added})

    def with_changes_of(self, message: Message, channel_type: ChannelType) -> Envelope:
        """Return a copy with what *message* gives now otherwise than it did; if nothing, this envelope."""
        given_now = _given_by(message, channel_type)
        if self.given is None or self.given == given_now:
            return self
        (to, headers), (to_now, headers_now) = self.given, given_now
        changed = {name: value for name, value in headers_now.items() if headers.get(name) != value}
        kept = {name: value for name, value in self.headers.items() if name in headers_now or name not in headers}
        return attrs.evolve(self, to=self.to if to_now == to else to_now, headers=changed).with_headers(kept)


@attrs.frozen
class Parcel:
    """One message over one channel, rendered: what content steps transform and `Channel.deliver_many` takes."""

    message: Message
    channel: Channel
    rendered: Any
    envelope: Envelope


def seal(message: Message, channel_type: ChannelType) -> Envelope:
    """Return the envelope of *message* for *channel_type* as the message itself gives it."""
    to, headers = given = _given_by(message, channel_type)
    return Envelope(message_uuid=message.uuid, to=to, headers=headers, given=given)


def _given_by(message: Message, channel_type: ChannelType) -> tuple[str | None, Mapping[str, str]]:
    headers: Any = message.headers or {}
    if isinstance(headers, dict | Mapping):  # Asking an abstract class takes long.
        headers = dict(headers)
    return _address_of(message.recipient, channel_type), headers


def _address_of(recipient: Any, channel_type: ChannelType) -> str | None:
    if channel_type is ChannelType.EMAIL and (elsewhere := settings.REDIRECT_ALL_TO):
        return str(elsewhere)
    if isinstance(recipient, Recipient):
        return recipient.address_for(channel_type)
    # None, or a stand-in of a test, which has the attributes that recipients always had.
    return getattr(recipient, "email_address", None) if channel_type is ChannelType.EMAIL else None


_current: ContextVar[Envelope | None] = ContextVar("edx_ace_envelope", default=None)


class in_use:  # Used as a function is. A `contextmanager` would take three times as long.
    """Make *envelope* the one that `current` returns: `Channel.deliver` takes two arguments and finds it here."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope

    def __enter__(self) -> None:
        self._token = _current.set(self._envelope)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def current(message: Message, channel_type: ChannelType) -> Envelope:
    """
    Return the envelope in use for *message*, or a fresh one when a channel is called outside the pipeline.

    A channel that changes the message's recipient or headers before it passes the message on, for example to redirect
    all mail of a staging site, is heard.
    """
    envelope = _current.get()
    if envelope is None or envelope.message_uuid != message.uuid:
        return seal(message, channel_type)
    return envelope.with_changes_of(message, channel_type)
