"""
Public: what a channel is, and the kinds of channel there are.

A channel plug-in subclasses `Channel` and is found under the entry-point group ``openedx.ace.channel``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, EnumMeta
from typing import TYPE_CHECKING, Any, ClassVar

import edx_ace.channel as package
from edx_ace import deadline
from edx_ace.text import shown

if TYPE_CHECKING:
    from edx_ace.envelope import Parcel
    from edx_ace.errors import AceError
    from edx_ace.message import Message
    from edx_ace.renderers import AbstractRenderer
    from edx_ace.report import Accepted, Result, Skipped


class _EnabledTypes(EnumMeta):
    """
    Iterating yields email, push and then only the further types that an enabled channel has.

    Existing code compares ``set(ChannelType)`` with ``{EMAIL, PUSH}`` on sites that enable no other type.
    """

    def __iter__(cls) -> Iterator[Any]:
        # Looked up on the package at each call: existing tests replace it there.
        enabled: Mapping[Any, Any] = package.channels().channel_type_to_channel_impl
        return iter([member for member in ALL_TYPES if member in _ALWAYS or enabled.get(member)])

    def __reversed__(cls) -> Iterator[Any]:
        members: list[Any] = list(cls)
        return iter(members[::-1])

    def __len__(cls) -> int:
        return sum(1 for _ in cls)


class ChannelType(Enum, metaclass=_EnabledTypes):
    """The kinds of channel, in the order in which a message is sent over them."""

    _value_: str

    #: An email to one mailbox.
    EMAIL = "email"
    #: A notification on a person's devices.
    PUSH = "push"
    #: A text message to a phone number.
    SMS = "sms"
    #: An item in the feed inside the host's pages.
    IN_APP = "in_app"
    #: A message in a team's chat.
    CHAT = "chat"
    #: Signed JSON to another system.
    WEBHOOK = "webhook"

    def __str__(self) -> str:
        return self._value_

    def __format__(self, format_spec: str) -> str:
        return format(self._value_, format_spec)

    # One object a member, so its identity will do; Enum hashes the name, in Python.
    __hash__ = object.__hash__


#: Every kind of channel there is, enabled or not, in order. (Iterating ChannelType leaves out what is not enabled.)
ALL_TYPES: tuple[ChannelType, ...] = tuple(ChannelType.__members__.values())
_ALWAYS = (ChannelType.EMAIL, ChannelType.PUSH)


def channel_type_of(given: ChannelType | str, error: type[AceError]) -> ChannelType:
    """
    Return the channel type that an argument names, enabled or not.

    Raises:
        error: If there is none.
    """
    try:
        return ChannelType(given)
    except ValueError:
        raise error(f"Expected a channel type ({', '.join(map(str, ALL_TYPES))}), given {shown(given)}.") from None


class Channel(ABC):
    """
    One way to transmit a message. Constructed once, without arguments, and shared by all threads.

    Attributes:
        channel_type: The kind of channel this implements.

        renderer: The renderer of this channel. None: the one of its type.
    """

    channel_type: ClassVar[ChannelType] = None  # type: ignore[assignment]  # every concrete channel sets it
    renderer: ClassVar[AbstractRenderer | None] = None

    @classmethod
    def enabled(cls) -> bool:
        """Whether this channel can be used as the site is configured now."""
        return True

    @classmethod
    def overrides_delivery_for_message(cls, message: Message) -> bool:
        """Whether this channel claims *message* when it is one of several candidates."""
        return False

    @abstractmethod
    def deliver(self, message: Message, rendered_message: Any) -> str | Accepted | Skipped | None:
        """
        Hand *rendered_message* over, once.

        Args:
            message: The message; its envelope is `edx_ace.envelope.current`.

            rendered_message: What this channel's renderer made; str fields, already translated.

        Returns:
            The provider's id for it, if it gives one, or `Accepted` with more than that; `Skipped` when there was
            nowhere to send to.

        Raises:
            RecoverableChannelDeliveryError: If the same call may succeed later.
            FatalChannelDeliveryError: If it never will.
            ChannelDownError: If the channel itself is broken.
            InvalidMessageError: If *message* lacks what this channel needs.
        """

    def deliver_many(self, parcels: Sequence[Parcel]) -> Iterator[Result]:
        """
        Hand many messages over and yield one result for each, in order, as it becomes known.

        Override it where a provider takes many messages at once or a connection can stay open. A result is what
        `deliver` returns, or the exception that it would raise; nothing is raised for a single message.
        """
        from edx_ace.envelope import in_use

        for parcel in parcels:
            result: Result
            if deadline.is_over():
                yield deadline.out_of_time()
                continue
            try:
                with in_use(parcel.envelope):
                    result = self.deliver(parcel.message, parcel.rendered)
            except Exception as error:
                result = error
            # Not inside the `with`: what a generator enters is entered for its caller, too, while it is suspended.
            yield result
