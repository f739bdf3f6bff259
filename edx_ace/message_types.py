"""
Public: what is known about message types beyond their messages, by (app_label, name).

A class says it itself (CATEGORY, ESSENTIAL, sample_context); for types that cannot be changed, and for messages built
without one, ACE_MESSAGE_TYPES says it. The JSON of a message carries none of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from edx_ace.conf import settings
from edx_ace.errors import ConfigurationError
from edx_ace.message import Message, MessageType


@attrs.frozen
class MessageTypeInfo:
    """
    What is known about one message type.

    Attributes:
        message_type: Its class, or None when only ACE_MESSAGE_TYPES or nothing knows it.

        category: Name of its category, or None.

        essential: Whether choices, caps and quiet hours do not apply; None: as the message's options say.

        sample_context: A context with which its templates render.
    """

    message_type: type[MessageType] | None
    category: str | None
    essential: bool | None
    sample_context: dict[str, Any]


def registered() -> dict[tuple[str, str], type[MessageType]]:
    """Return every imported subclass of `MessageType` that lives in an installed app, by (app_label, name)."""
    found = {}
    for message_type in _subclasses(MessageType):
        try:
            found[message_type.default_app_label(), message_type.default_name()] = message_type
        except ConfigurationError:
            continue  # It can only be used with an explicit app_label, so it has no place of its own.
    return found


def info(app_label: str, name: str) -> MessageTypeInfo:
    """Return what is known about the message type (*app_label*, *name*); the setting wins over the class."""
    message_type = registered().get((app_label, name))
    configured = settings.MESSAGE_TYPES.get(f"{app_label}.{name}", {})
    if "sample_context" in configured:
        sample_context = dict(configured["sample_context"])
    else:
        sample_context = message_type.sample_context() if message_type else {}
    return MessageTypeInfo(
        message_type=message_type,
        category=configured.get("category", message_type.CATEGORY if message_type else None),
        essential=configured.get("essential", message_type.ESSENTIAL if message_type else None),
        sample_context=sample_context,
    )


def is_essential(message: Message) -> bool:
    """Return whether choices, caps and quiet hours do not apply to *message*."""
    known = info(message.app_label, message.name)
    if known.essential is not None:
        return known.essential
    return known.category is None and bool(message.options.get("transactional"))


def _subclasses(cls: type[MessageType]) -> Iterator[type[MessageType]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
