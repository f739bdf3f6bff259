"""
Public: sources, which give the messages of a batch of references just before they are rendered.

A message that is enqueued as a reference (`FromSource`) takes a row of a few bytes and says what is true when it is
sent. A sub-app or site that has such messages registers a source in ``AppConfig.ready``::

    register(Source("shop.receipts", load_receipts))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from edx_ace.channel import ChannelType
from edx_ace.envelope import Parcel
from edx_ace.errors import ConfigurationError, did_you_mean
from edx_ace.message import Message
from edx_ace.outbox.errors import UnknownSourceError
from edx_ace.outbox.people import address_key
from edx_ace.report import Skipped

#: What names an object for its source: mostly a primary key.
Reference = str | int | UUID

#: Longest name of a source, in characters.
MAX_NAME_LENGTH = 100


@attrs.frozen
class Source:
    """
    Where messages come from that are enqueued as references.

    Attributes:
        name: Stands in the rows, so it has to outlive the code that it names. A label before it keeps it unique.

        load: Is given the references of one claim, each once, and returns a message for each by that very reference,
            or a `Skipped` that says why there is none. One that it leaves out is skipped as ``reference_gone``.
            An exception puts off the messages that it was raised for, which are found by loading in halves; an
            `InvalidMessageError` ends them. It is called by many threads and for each attempt anew.

        keep: Is given references and parcels of one claim, rendered and before content steps, just before permits are
            asked for: what it keeps is what is sent. An exception is logged and keeps none from being sent.
    """

    name: str
    load: Callable[[Sequence[Any]], Mapping[Any, Message | Skipped]]
    keep: Callable[[Sequence[tuple[Any, Parcel]]], object] | None = None


@attrs.frozen
class FromSource:
    """
    A message to enqueue that its source will give.

    Attributes:
        source: Name of the source.

        reference: What the source finds it by.

        outline: What is known of it beforehand: its type, whom it goes to, its send, uuid, options and when it expires.
            The message that the source gives has the same uuid, send and expiry, whatever it says itself. Neither
            context nor language of the outline are kept.
    """

    source: str
    reference: Reference
    outline: Message


@attrs.frozen
class Referred:
    """
    One of many messages to enqueue that their source will give, by what tables keep of whom it goes to.

    Attributes:
        reference: What the source finds it by.

        uuid: Of the message.

        recipient: See `edx_ace.outbox.people.person_key`.

        addresses: See `edx_ace.outbox.people.address_key`; by the value of the channel type.

        due_at: Not before this moment (aware). None: now.

        batch: The send that it belongs to. None: that of the outline.
    """

    reference: Reference
    uuid: UUID
    recipient: str | None
    addresses: Mapping[str, str]
    due_at: datetime | None = None
    batch: UUID | None = None

    def address_over(self, channel_type: ChannelType) -> str | None:
        """
        Return the address for *channel_type*, or None.

        Raises:
            InvalidMessageError: If it needs one.
        """
        return self.addresses.get(str(channel_type)) or address_key(channel_type, None)


_sources: dict[str, Source] = {}


def register(source: Source) -> None:
    """
    Let *source* give messages from now on.

    Raises:
        ConfigurationError: If its name is no text, empty, too long or another's, or it cannot load.
    """
    if not isinstance(source.name, str) or not callable(source.load):
        raise ConfigurationError(f"A source has a name, which is text, and a function that loads, given {source!r}.")
    if not 0 < len(source.name) <= MAX_NAME_LENGTH:
        raise ConfigurationError(
            f"The name of a source has 1 to {MAX_NAME_LENGTH} characters, given {len(source.name)}: {source.name!r}."
        )
    if _sources.setdefault(source.name, source) != source:
        raise ConfigurationError(
            f"There is a source called {source.name!r} already. Begin the name with the label of your app."
        )


def unregister(source: Source) -> None:
    """Let *source* give no more messages."""
    del _sources[source.name]


def get(name: str) -> Source:
    """
    Return the source with that name.

    Raises:
        UnknownSourceError: If none is registered in this process.
    """
    source = _sources.get(name) if isinstance(name, str) else None
    if source is None:
        raise UnknownSourceError(
            f"No source called {name!r} is registered in this process.{did_you_mean(name, _sources)} Register it in "
            f"AppConfig.ready of an installed app (edx_ace.outbox.sources.register)."
        )
    return source
