"""
Internal: the factories of `edx_ace.testing`.
"""

from __future__ import annotations

import itertools
from typing import Any

from edx_ace.message import Message, MessageType
from edx_ace.message_types import sample
from edx_ace.recipient import Recipient

_numbers = itertools.count(1)


def make_recipient(**fields: Any) -> Recipient:
    """Return a recipient with *fields*; an id and an address that are not given are like nobody else's."""
    number = next(_numbers)
    return Recipient(**{"lms_user_id": number, "email_address": f"person{number}@example.com", **fields})


def make_message(message_type: type[MessageType] | str, **fields: Any) -> Message:
    """
    Return a message of *message_type* (a class or ``"app_label.name"``) that renders: with its sample context.

    Args:
        message_type: Its class, or ``"app_label.name"``, which need not exist as long as nothing renders the message.

        fields: Attributes of the message. ``context`` goes over the sample context, ``options`` over those of the type.
            Without ``recipient`` it goes to somebody else each time.
    """
    recipient = fields.pop("recipient") if "recipient" in fields else make_recipient()
    message = sample(message_type, recipient, fields.pop("language", None), fields.pop("context", None))
    message.options.update(fields.pop("options", {}))
    for name, value in fields.items():
        if not hasattr(message, name):
            raise TypeError(f"make_message takes the attributes of a Message, given {name!r}.")
        setattr(message, name, value)
    return message
