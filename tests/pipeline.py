"""
Internal: the channels, policies and messages that tests of the pipeline put together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edx_ace import Channel, ChannelType, Message, Policy, PolicyResult, Recipient


class Recorder(Channel):
    """Accepts everything and remembers it."""

    channel_type = ChannelType.EMAIL

    def __init__(self, channel_type: ChannelType = ChannelType.EMAIL, claims: bool = False) -> None:
        self.channel_type = channel_type  # type: ignore[misc]  # one class serves every type here
        self.claims = claims
        self.delivered: list[Message] = []

    def overrides_delivery_for_message(self, message: Message) -> bool:  # type: ignore[override]
        return self.claims

    def deliver(self, message: Message, rendered_message: Any) -> str | None:
        self.delivered.append(message)
        return f"id-{len(self.delivered)}"


class Scripted(Recorder):
    """Raises what *script* holds, in turn, and accepts a message where it holds None or has ended."""

    def __init__(self, *script: Exception | None, channel_type: ChannelType = ChannelType.EMAIL) -> None:
        super().__init__(channel_type)
        self.script = list(script)

    def deliver(self, message: Message, rendered_message: Any) -> str | None:
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        return super().deliver(message, rendered_message)


class Says(Policy):
    """Answers every message with what *answer* returns for it."""

    def __init__(self, answer: Callable[[Message], PolicyResult]) -> None:
        self.answer = answer

    def check(self, message: Message) -> PolicyResult:
        return self.answer(message)


def welcome(**fields: Any) -> Message:
    """Return a message whose templates exist."""
    return Message(
        **{
            "app_label": "tests",
            "name": "welcome",
            "recipient": Recipient(lms_user_id=7, email_address="ann@example.com"),
            "context": {"name": "Ann"},
            "language": "en",
            **fields,
        }
    )


def always() -> bool:
    """There is time: what work that is done in slices asks after each."""
    return True


def never() -> bool:
    """The slice is over."""
    return False
