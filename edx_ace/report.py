"""
Public: what came of a message: outcomes, attempts, deliveries and the report that `edx_ace.send` returns.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

import attrs
from django.template import TemplateDoesNotExist

from edx_ace.errors import AceError, ChannelError, MessageTemplateMissing

if TYPE_CHECKING:
    from uuid import UUID

    from edx_ace.channel import ChannelType
    from edx_ace.message import Message
    from edx_ace.policy import Decision


class Outcome(Enum):
    """What came of one message over one channel, or of one attempt."""

    #: The channel accepted it.
    SENT = "sent"
    #: It was not to go over this channel: a policy denied it, no channel of the type is enabled, or there is no device.
    SKIPPED = "skipped"
    #: A policy asks to wait; nothing was sent.
    DEFERRED = "deferred"
    #: It could not be handed over before it expired.
    EXPIRED = "expired"
    #: It will not go this way; the reason says why.
    FAILED = "failed"
    #: Of an attempt only: the same hand-over may succeed later.
    RETRY = "retry"

    def __str__(self) -> str:
        return str(self.value)


@attrs.frozen
class Skipped:
    """
    What `Channel.deliver` returns when there was nowhere to send to, which is nobody's fault.

    Attributes:
        code: Short and stable.

        reason: A sentence for people.
    """

    code: str
    reason: str


@attrs.frozen
class Accepted:
    """
    What `Channel.deliver` returns when there is more to say than the provider's id.

    Attributes:
        provider_id: The provider's id for the message, if it gave one.

        units: For how many the provider counts it: the segments of an SMS, for example.

        provider: Name of the provider it went to, where the channel has several with prices of their own.
    """

    provider_id: str | None = None
    units: int = 1
    provider: str = ""


#: What `Channel.deliver_many` yields for a parcel: the provider's id or None, `Accepted`, `Skipped`, or what `deliver`
#: would raise.
Result = str | Accepted | Skipped | Exception | None


@attrs.frozen(kw_only=True)
class Attempt:
    """
    What came of one hand-over.

    Attributes:
        outcome: SENT, SKIPPED, RETRY or FAILED.

        code: Short and stable, for example ``"smtp_450"``; empty when sent.

        reason: A sentence; empty when sent.

        provider_id: The provider's id for the message, if it gave one.

        units: For how many the provider counts it.

        provider: Name of the provider, where the channel has several.

        retry_at: For RETRY, the earliest moment for the next attempt (as the channel gave it), or None.

        error: What the channel raised.
    """

    outcome: Outcome
    code: str = ""
    reason: str = ""
    provider_id: str | None = None
    units: int = 1
    provider: str = ""
    retry_at: datetime | None = None
    error: Exception | None = None

    @property
    def is_ambiguous(self) -> bool:
        """Whether the message may have been accepted, as the channel's error says."""
        return isinstance(self.error, ChannelError) and self.error.is_ambiguous


@attrs.frozen(kw_only=True)
class Delivery:
    """
    One message over one channel type.

    Attributes:
        channel_type: The type of channel.

        outcome: What came of it.

        code: Short and stable: what figures are grouped by; empty when sent.

        reason: A sentence for people; empty when sent.

        channel: Name of the implementation, once one was chosen.

        provider_id: The provider's id for the message, if it gave one.

        attempts: How often it was handed over.

        until: For DEFERRED, the moment from which it may go (aware).
    """

    channel_type: ChannelType
    outcome: Outcome
    code: str = ""
    reason: str = ""
    channel: str | None = None
    provider_id: str | None = None
    attempts: int = 0
    until: datetime | None = None

    @classmethod
    def failed(cls, channel_type: ChannelType, error: Exception, **fields: Any) -> Self:
        """Return the delivery that *error* ended."""
        return cls(
            channel_type=channel_type, outcome=Outcome.FAILED, code=code_of(error), reason=reason_of(error), **fields
        )

    def __str__(self) -> str:
        parts = [f"{self.channel_type}: {self.outcome}"]
        if self.channel:
            parts.append(f"over {self.channel}")
        if self.provider_id:
            parts.append(f"as {self.provider_id}")
        if self.attempts > 1:
            parts.append(f"after {self.attempts} attempts")
        text = " ".join(parts)
        return f"{text} ({self.code}: {self.reason})" if self.code else text


@attrs.frozen
class SendReport:
    """
    What came of one message: truthy when it was sent over at least one channel.

    Attributes:
        log_id: Names the message in logs.

        uuid: The message's uuid.

        deliveries: One for each channel type that was asked for, in the order of ChannelType.
    """

    log_id: str
    uuid: UUID
    deliveries: tuple[Delivery, ...]

    @classmethod
    def of(cls, message: Message, deliveries: list[Delivery]) -> Self:
        """Return the report of *message*."""
        return cls(message.log_id, message.uuid, tuple(deliveries))

    def __bool__(self) -> bool:
        return any(delivery.outcome is Outcome.SENT for delivery in self.deliveries)

    def __getitem__(self, channel_type: ChannelType) -> Delivery:
        """Return the delivery over *channel_type*; KeyError when it was not asked for."""
        return {delivery.channel_type: delivery for delivery in self.deliveries}[channel_type]

    @property
    def outcomes(self) -> dict[ChannelType, Outcome]:
        """What came of it, by channel type."""
        return {delivery.channel_type: delivery.outcome for delivery in self.deliveries}

    def __str__(self) -> str:
        return "\n  ".join([self.log_id, *(map(str, self.deliveries) or ("no channel was asked for",))])


@attrs.frozen
class Explanation:
    """
    What `edx_ace.send` would do with one message: truthy when it would go over at least one channel.

    Attributes:
        log_id: Names the message in logs.

        decisions: Every policy's decision about every channel type.

        plan: One entry for each channel type that was asked for; SENT stands for "would be handed over".
    """

    log_id: str
    decisions: tuple[Decision, ...]
    plan: tuple[Delivery, ...]

    def __bool__(self) -> bool:
        return any(entry.outcome is Outcome.SENT for entry in self.plan)

    def __str__(self) -> str:
        lines = [self.log_id, "  policies:"]
        for decision in self.decisions:
            why = f" ({decision.code}: {decision.reason})" if decision.code else ""
            lines.append(f"    {decision.policy}, {decision.channel_type}: {decision.verdict.value}{why}")
        if not self.decisions:
            lines.append("    none is enabled")
        lines.append("  channels:")
        for entry in self.plan:
            if entry.outcome is Outcome.SENT:
                lines.append(f"    {entry.channel_type}: would go over {entry.channel}")
            else:
                lines.append(f"    {entry.channel_type}: {entry.outcome} ({entry.code}: {entry.reason})")
        return "\n".join(lines)


def code_of(error: Exception) -> str:
    """Return the code of one of our errors, else ``"unexpected_error"``."""
    if isinstance(error, TemplateDoesNotExist):
        return MessageTemplateMissing.code
    return error.code if isinstance(error, AceError) else "unexpected_error"


def reason_of(error: Exception) -> str:
    """Return the sentence of *error*; of one that is not ours only the class, for its text may hold personal data."""
    if isinstance(error, MessageTemplateMissing):
        return f"Expected the templates {' and '.join(error.needed)}, which do not exist."
    if isinstance(error, TemplateDoesNotExist):
        return f"The template {text_of(error)} does not exist."
    if isinstance(error, AceError):
        return text_of(error)
    return f"{type(error).__name__} was raised; see the log."


def text_of(error: Exception) -> str:
    """Return ``str(error)`` for a report: printable, and the name of the class where an error cannot even say that."""
    try:
        text = str(error)
    except Exception:
        return type(error).__name__
    return text if text.isprintable() else ascii(text)[1:-1]
