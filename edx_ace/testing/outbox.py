"""
Internal: the outbox of `edx_ace.testing`, which records messages where they would leave the site.

Policies, the choice of the channel, rendering, content steps and the envelope are the site's own; only the last step of
each channel is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import new_class
from typing import Any, cast
from unittest.mock import patch

import attrs

from edx_ace import channel as channel_package
from edx_ace import envelope
from edx_ace.channel import Channel, ChannelMap, ChannelType
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.channel.registry import candidate_names
from edx_ace.envelope import Envelope
from edx_ace.message import Message, MessageType
from edx_ace.recipient import Recipient


@attrs.frozen(kw_only=True)
class SentMessage:
    """
    One message over one channel.

    Attributes:
        message: The message.

        channel_type: The kind of channel it went over.

        channel: Name of the channel.

        rendered: What the channel was given: for email the attributes subject, body, body_html …, for push title, body.

        envelope: The address and the headers beside it.
    """

    message: Message
    channel_type: ChannelType
    channel: str
    rendered: Any
    envelope: Envelope

    def __str__(self) -> str:
        to = self.envelope.to or getattr(self.message.recipient, "lms_user_id", None)
        title = getattr(self.rendered, "subject", None) or getattr(self.rendered, "title", "")
        return f"{self.message.unique_name} to {to} over {self.channel_type} ({self.channel}): {title!r}"


class Outbox:
    """
    What was sent, in order.

    Attributes:
        sent: A `SentMessage` for each message and channel.
    """

    def __init__(self) -> None:
        self.sent: list[SentMessage] = []

    @property
    def email(self) -> list[SentMessage]:
        """What went over email."""
        return self._over(ChannelType.EMAIL)

    @property
    def push(self) -> list[SentMessage]:
        """What went over push."""
        return self._over(ChannelType.PUSH)

    @property
    def sms(self) -> list[SentMessage]:
        """What went over SMS."""
        return self._over(ChannelType.SMS)

    @property
    def in_app(self) -> list[SentMessage]:
        """What went into the feed inside the host's pages."""
        return self._over(ChannelType.IN_APP)

    @property
    def chat(self) -> list[SentMessage]:
        """What went into a team's chat."""
        return self._over(ChannelType.CHAT)

    @property
    def webhook(self) -> list[SentMessage]:
        """What went to another system."""
        return self._over(ChannelType.WEBHOOK)

    def clear(self) -> None:
        """Forget what was sent so far."""
        self.sent.clear()

    def assert_sent(
        self,
        message_type: type[MessageType] | str,
        *,
        to: Recipient | str | int | None = None,
        channel: ChannelType | str | None = None,
        count: int | None = None,
    ) -> list[SentMessage]:
        """
        Assert that messages of *message_type* were sent, and return them.

        Args:
            message_type: Its class, or ``"app_label.name"``.

            to: Only to this recipient, address or user id.

            channel: Only over this channel type (or its value, such as ``"push"``) or the channel of this name.

            count: Exactly so many. None: at least one.

        Raises:
            AssertionError: Listing what was sent instead.
        """
        name = message_type if isinstance(message_type, str) else _unique_name(message_type)
        found = [
            sent
            for sent in self.sent
            if sent.message.unique_name == name
            and (to is None or to in (sent.envelope.to, sent.message.recipient, _user_id(sent)))
            and (channel is None or channel in (sent.channel_type, str(sent.channel_type), sent.channel))
        ]
        if bool(found) if count is None else len(found) == count:
            return found
        expected = f"Expected {name}"
        if to is not None:
            expected += f" to {to}"
        if channel is not None:
            expected += f" over {channel}"
        wanted = "at least once" if count is None else f"{count} ×"
        raise AssertionError(f"{expected}, {wanted}, but it was sent {len(found)} ×. {self}")

    def assert_nothing_sent(self) -> None:
        """
        Assert that no message left the site.

        Raises:
            AssertionError: Listing what was sent.
        """
        if self.sent:
            raise AssertionError(f"Expected that nothing is sent. {self}")

    def __str__(self) -> str:
        if not self.sent:
            return "Nothing was sent; a message that failed left a line in the log."
        return "\n  ".join(["Sent:", *map(str, self.sent)])

    def _over(self, channel_type: ChannelType) -> list[SentMessage]:
        return [sent for sent in self.sent if sent.channel_type is channel_type]


@contextmanager
def capture(*channels: type[Channel]) -> Iterator[Outbox]:
    """
    Record what is sent inside the ``with`` block, instead of transmitting it, and yield the `Outbox`.

    The channels that are enabled keep their names, renderers and choices. Email is recorded even where the site enables
    no email channel, and push where its settings name a push channel that is not set up for tests. What the email
    channel checks before it opens a connection is checked.

    Args:
        channels: Further channel classes to record, by class name, for types that the site does not enable.
    """
    outbox = Outbox()
    site_channels = channel_package.channels
    recorders: dict[tuple[str, type[Channel]], Channel] = {}

    def recorder(name: str, channel_class: type[Channel]) -> Channel:
        # One instance each: a channel is known by its identity.
        if (name, channel_class) not in recorders:
            recorders[name, channel_class] = _recorder(outbox, name, channel_class)
        return recorders[name, channel_class]

    def recording_channels() -> ChannelMap:
        enabled = site_channels().channel_type_to_channel_impl
        found = [(name, type(channel)) for named in enabled.values() for name, channel in named.items()]
        found += [(channel_class.__name__, channel_class) for channel_class in channels]
        types = {channel_class.channel_type for _, channel_class in found}
        for channel_type, channel_class in _STAND_INS.items():
            if channel_type not in types:
                found += [(name, channel_class) for name in _names_in_settings(channel_type)]
        return ChannelMap((name, recorder(name, channel_class)) for name, channel_class in found)

    with patch.object(channel_package, "channels", recording_channels):
        yield outbox


class _Push(Channel):
    """Stands for the push channel of a site that names one and has not set it up."""

    channel_type = ChannelType.PUSH

    def deliver(self, message: Message, rendered_message: Any) -> None:
        """Overridden by every recorder."""


#: What stands for the channels of a type that the site does not enable.
_STAND_INS: dict[ChannelType, type[Channel]] = {ChannelType.EMAIL: DjangoEmailChannel, ChannelType.PUSH: _Push}


def _recorder(outbox: Outbox, name: str, channel_class: type[Channel]) -> Channel:
    """Return a channel like *channel_class* that puts into *outbox* what it should transmit."""

    def deliver(self: Channel, message: Message, rendered_message: Any) -> None:
        current = envelope.current(message, self.channel_type)
        if isinstance(self, DjangoEmailChannel):
            self.compose(message, rendered_message, current)
        outbox.sent.append(
            SentMessage(
                message=message,
                channel_type=self.channel_type,
                channel=name,
                rendered=rendered_message,
                envelope=current,
            )
        )

    # Called like the original: the payload of message_sent names the channel's class.
    recording_class = new_class(
        channel_class.__name__, (channel_class,), exec_body=lambda body: body.update(deliver=deliver)
    )
    return cast(Channel, recording_class())


def _names_in_settings(channel_type: ChannelType) -> list[str]:
    """Return the names by which the site asks for a channel of *channel_type*; for email, else one that serves."""
    probe = Message("edx_ace", "probe", None, options={"transactional": True})
    names = list(dict.fromkeys(name for _, name in candidate_names(channel_type, probe)))
    return names or ([str(channel_type)] if channel_type is ChannelType.EMAIL else [])


def _unique_name(message_type: type[MessageType]) -> str:
    return f"{message_type.default_app_label()}.{message_type.default_name()}"


def _user_id(sent: SentMessage) -> Any:
    return None if sent.message.recipient is None else sent.message.recipient.lms_user_id
