"""
Internal: the messages that both sides send; uses nothing that the released edx-ace lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import letter

from edx_ace.message import Message, MessageType
from edx_ace.recipient import Recipient


class WeeklySummary(MessageType):
    """What happened in a course, with ten variables and a list of five lessons."""

    APP_LABEL = "learning"


def messages(count: int) -> Iterator[Message]:
    """Yield *count* messages of one type to as many people, made as a site makes them."""
    message_type = WeeklySummary(context=letter.CONTEXT, expiration_time=datetime(2100, 1, 1, tzinfo=UTC))
    for number in range(count):
        recipient = Recipient(number, letter.address(number))
        yield message_type.personalize(recipient, letter.LANGUAGE, letter.personal_context(number))
