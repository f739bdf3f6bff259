"""
Public: policies, which say over which channels a message must not go, or must wait, and why.

A policy plug-in subclasses `Policy` and is found under the entry-point group ``openedx.ace.policy``.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import Enum
from typing import Any, cast

import attr
import attrs

from edx_ace.channel import ChannelType
from edx_ace.channel.base import ALL_TYPES
from edx_ace.conf import settings
from edx_ace.errors import AceError, ConfigurationError
from edx_ace.message import Message
from edx_ace.report import Delivery, Outcome
from edx_ace.utils import date
from edx_ace.utils.plugins import get_plugins

LOG = logging.getLogger(__name__)

POLICY_PLUGIN_NAMESPACE = "openedx.ace.policy"


class Verdict(Enum):
    """What one policy says about one channel type."""

    #: Nothing against it.
    ALLOW = "allow"
    #: Not over this channel.
    DENY = "deny"
    #: Not before a moment.
    DEFER = "defer"
    #: The policy itself failed, so the message must not go.
    ERROR = "error"


_OUTCOME = {Verdict.DEFER: Outcome.DEFERRED, Verdict.DENY: Outcome.SKIPPED, Verdict.ERROR: Outcome.FAILED}
_WEIGHT = {Verdict.DEFER: 1, Verdict.DENY: 2, Verdict.ERROR: 3}
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@attrs.frozen
class Decision:
    """
    One policy's verdict about one channel type.

    Attributes:
        policy: Name of the policy's class.

        code: Short and stable: what figures are grouped by.

        reason: A sentence for people.

        until: For DEFER, the moment from which the channel may be used (aware).
    """

    policy: str
    channel_type: ChannelType
    verdict: Verdict
    code: str = ""
    reason: str = ""
    until: datetime | None = None


def _require_channel_types(_result: object, field: attr.Attribute[Any], value: Any) -> None:
    if not isinstance(value, set | frozenset | Mapping):
        raise TypeError(
            f"PolicyResult.{field.name} must be a set of ChannelType, given {value!r} ({type(value).__name__}). "
            f"For one channel type write {{ChannelType.EMAIL}}."
        )
    for item in value:
        if not isinstance(item, ChannelType):
            raise TypeError(
                f"PolicyResult.{field.name} must hold ChannelType members, given {item!r}. Write ChannelType({item!r})."
            )


def _require_moments(_result: object, _field: attr.Attribute[Any], value: Mapping[ChannelType, datetime]) -> None:
    for channel_type, moment in value.items():
        if not isinstance(moment, datetime):
            raise TypeError(f"PolicyResult.defer[{channel_type}] must be a datetime, given {moment!r}.")


@attr.s(auto_attribs=True)
class PolicyResult:
    """
    What a policy says about one message.

    Args:
        deny: Channel types that the message must not use.

        defer: Channel types that it may use from a moment on.

        code: Short and stable, for example ``"opted_out"``.

        reason: A sentence for people.

    Raises:
        TypeError: If *deny* or *defer* holds anything but ChannelType members.
    """

    deny: set[ChannelType] | frozenset[ChannelType] = attr.ib(factory=set, validator=_require_channel_types)
    defer: Mapping[ChannelType, datetime] = attr.ib(
        factory=dict, kw_only=True, validator=[_require_channel_types, _require_moments]
    )
    code: str = attr.ib(default="", kw_only=True)
    reason: str = attr.ib(default="", kw_only=True)


class Policy(ABC):
    """Says over which channels a message must not go, or must wait. Constructed once, without arguments."""

    @classmethod
    def enabled(cls) -> bool:
        """Whether this policy is asked as the site is configured now."""
        return True

    @abstractmethod
    def check(self, message: Message) -> PolicyResult:
        """Return what this policy says about *message*; if it raises, the message goes nowhere."""

    def check_many(self, messages: Sequence[Message]) -> Sequence[PolicyResult]:
        """Return one result for each of *messages*, in order. Override it where one query answers for all."""
        return [self.check(message) for message in messages]

    def settle(self, messages: Sequence[Message], allowed: Sequence[AllowedChannels]) -> Sequence[PolicyResult]:
        """
        Do what the answer calls for, such as to count a message, and return one more result for each of *messages*.

        Called once all policies have been asked, with what they leave of each message, and only where it is about to be
        sent; `explain` ends before. If it fails for many, it is called again with one message at a time.
        """
        return [PolicyResult() for _ in messages]


class AllowedChannels(set[ChannelType]):
    """
    The channel types a message may use now: a plain set, with the decisions that led to it.

    Attributes:
        considered: The channel types that policies were asked about.

        decisions: Each policy's decision about each channel type, in the order of policies and of ChannelType.
    """

    def __init__(self, allowed: Iterable[ChannelType] = (), decisions: Iterable[Decision] = ()) -> None:
        super().__init__(allowed)
        self.considered = frozenset(self)
        self.decisions = list(decisions)


def policies() -> list[Policy]:
    """Return the policies that ACE_ENABLED_POLICIES names and that are enabled now, in that order."""
    return [cast(Policy, plugin.obj) for plugin in get_plugins(POLICY_PLUGIN_NAMESPACE, settings.ENABLED_POLICIES)]


def channels_for(message: Message) -> AllowedChannels:
    """Return the channel types that no policy denies or defers for *message*."""
    return channels_for_many([message])[0]


def channels_for_many(
    messages: Sequence[Message], waited: Sequence[Mapping[ChannelType, str]] | None = None
) -> list[AllowedChannels]:
    """
    Return `channels_for` each of *messages*, each policy being asked once for all of them.

    A policy that fails for the batch is asked again message by message; where it fails again, the message goes nowhere.

    Args:
        messages: The messages.

        waited: For each message of a queue, what policies get as `waited_for`.
    """
    # Of the iterator, as `list` would ask the class for its length, too, which finds the enabled channels once more.
    every_type = list(iter(ChannelType))
    allowed = [AllowedChannels(every_type) for _ in messages]
    asked = policies()
    with _in_one_batch(messages, waited):
        for policy in asked:
            _decide_all(policy, messages, allowed, _results(policy, messages))
        if not _only_asking.get():
            for policy in asked:
                if getattr(type(policy), "settle", Policy.settle) is not Policy.settle:
                    _decide_all(policy, messages, allowed, _settled(policy, messages, allowed), is_final=True)
    for message, channel_types in zip(messages, allowed, strict=True):
        message.report("policy_allowed_channels", ",".join(map(str, in_order(channel_types))))
    return allowed


@contextmanager
def only_asking() -> Iterator[None]:
    """Inside the ``with`` block policies are asked about messages that are not sent: nothing is settled."""
    token = _only_asking.set(True)
    try:
        yield
    finally:
        _only_asking.reset(token)


def shared_notes() -> dict[Any, Any]:
    """
    Return a dict that lives while the policies are asked about one batch of messages, under keys of the caller's own.

    What one policy has looked up for the batch, the next need not look up again. Outside of a batch it is a new one.
    """
    batch = _batch.get()
    return {} if batch is None else batch.notes


def waited_for(message: Message) -> Mapping[ChannelType, str] | None:
    """
    Return the channel types that a policy is asked about for *message*, and the code of what it waited for over each.

    Only of a message that a queue holds, which sends it later where a policy defers it. None: it is sent now or never.
    The code is empty while it has waited for nothing.
    """
    batch = _batch.get()
    return None if batch is None else batch.waited.get(id(message))


@attrs.frozen
class _Batch:
    """What policies share while they are asked about a batch."""

    #: By the identity of the message, which a queue has.
    waited: Mapping[int, Mapping[ChannelType, str]]
    notes: dict[Any, Any] = attrs.field(factory=dict)


_batch: ContextVar[_Batch | None] = ContextVar("edx_ace_policy_batch", default=None)
_only_asking: ContextVar[bool] = ContextVar("edx_ace_policy_only_asking", default=False)


@contextmanager
def _in_one_batch(messages: Sequence[Message], waited: Sequence[Mapping[ChannelType, str]] | None) -> Iterator[None]:
    by_message = {} if waited is None else dict(zip(map(id, messages), waited, strict=True))
    token = _batch.set(_Batch(by_message))
    try:
        yield
    finally:
        _batch.reset(token)


def considered(allowed: Iterable[ChannelType]) -> Iterable[ChannelType]:
    """Return the channel types that *allowed* was chosen from; it may be a plain set from a replaced `channels_for`."""
    return allowed.considered if isinstance(allowed, AllowedChannels) else {*allowed, *ChannelType}


def decisions_of(allowed: Iterable[ChannelType]) -> list[Decision]:
    """Return the decisions that led to *allowed*; none when it is a plain set, as a replaced `channels_for` returns."""
    return allowed.decisions if isinstance(allowed, AllowedChannels) else []


def obstacle(allowed: Iterable[ChannelType], channel_type: ChannelType) -> Delivery | None:
    """Return what keeps a message from going over *channel_type*, given its `channels_for`; None: nothing does."""
    if channel_type in allowed:
        return None
    against = [
        decision
        for decision in decisions_of(allowed)
        if decision.channel_type is channel_type and decision.verdict is not Verdict.ALLOW
    ]
    if against:
        # An error outweighs a denial, and that a delay; of several delays the longest counts.
        worst = max(against, key=lambda decision: (_WEIGHT[decision.verdict], decision.until or _EARLIEST))
        return Delivery(
            channel_type=channel_type,
            outcome=_OUTCOME[worst.verdict],
            code=worst.code,
            reason=worst.reason,
            until=worst.until,
        )
    if channel_type in list(ChannelType):
        code, reason = "policy_denied", f"Policies do not allow {channel_type}."
    else:
        code, reason = "no_channel", f"No channel for {channel_type} is enabled; name one in ACE_ENABLED_CHANNELS."
    return Delivery(channel_type=channel_type, outcome=Outcome.SKIPPED, code=code, reason=reason)


def in_order(channel_types: Iterable[ChannelType]) -> list[ChannelType]:
    """Return *channel_types* in the order of ChannelType, whatever collection they come in."""
    members = set(channel_types)
    return [channel_type for channel_type in ALL_TYPES if channel_type in members]


def _decide_all(
    policy: Policy,
    messages: Sequence[Message],
    allowed: Sequence[AllowedChannels],
    results: Sequence[PolicyResult | Exception],
    is_final: bool = False,
) -> None:
    """Note what *policy* says; a final result that says nothing new leaves no decision."""
    name = type(policy).__name__
    every_type = in_order(allowed[0].considered) if allowed else []
    # Made once, as most policies have nothing against most messages.
    nothing_against = [] if is_final else [Decision(name, channel_type, Verdict.ALLOW) for channel_type in every_type]
    for message, channel_types, result in zip(messages, allowed, results, strict=True):
        if not isinstance(result, PolicyResult):
            _log_failure(name, message, result)
        elif not result.deny and not result.defer:
            channel_types.decisions += nothing_against
            continue
        decisions = [_decide(name, channel_type, result) for channel_type in every_type]
        if is_final:
            decisions = [decision for decision in decisions if decision.verdict is not Verdict.ALLOW]
        channel_types.decisions += decisions
        channel_types.difference_update(d.channel_type for d in decisions if d.verdict is not Verdict.ALLOW)


def _settled(
    policy: Policy, messages: Sequence[Message], allowed: Sequence[AllowedChannels]
) -> list[PolicyResult | Exception]:
    try:
        return _one_each(policy, "settle", policy.settle(messages, allowed), len(messages))
    except Exception as error:
        if len(messages) == 1:
            return [error]
        LOG.exception("%s.settle failed; settling message by message.", type(policy).__name__)
    return [
        result
        for message, channel_types in zip(messages, allowed, strict=True)
        for result in _settled(policy, [message], [channel_types])
    ]


def _results(policy: Policy, messages: Sequence[Message]) -> list[PolicyResult | Exception]:
    # Looked up on the class: a stand-in with every attribute would answer check_many with nonsense.
    if len(messages) > 1 and getattr(type(policy), "check_many", Policy.check_many) is not Policy.check_many:
        try:
            return _one_each(policy, "check_many", policy.check_many(messages), len(messages))
        except Exception:
            LOG.exception("%s.check_many failed; asking message by message.", type(policy).__name__)
    return [_check(policy, message) for message in messages]


def _one_each(
    policy: Policy, method: str, results: Sequence[PolicyResult], number: int
) -> list[PolicyResult | Exception]:
    if len(results) != number:
        raise ConfigurationError(
            f"{type(policy).__name__}.{method} must return one result a message: expected {number}, given "
            f"{len(results)}."
        )
    return [_checked(policy, result) for result in results]


def _check(policy: Policy, message: Message) -> PolicyResult | Exception:
    try:
        return _checked(policy, policy.check(message))
    except Exception as error:
        return error


def _checked(policy: Policy, result: object) -> PolicyResult | Exception:
    if isinstance(result, PolicyResult):
        return result
    return ConfigurationError(
        f"{type(policy).__name__} must return a PolicyResult for each message, given {type(result).__name__}."
    )


def _decide(policy: str, channel_type: ChannelType, result: PolicyResult | Exception) -> Decision:
    if isinstance(result, Exception):
        sentence = str(result) if isinstance(result, AceError) else f"{policy} failed with {type(result).__name__}."
        return Decision(policy, channel_type, Verdict.ERROR, "policy_error", sentence)
    code, reason = result.code, result.reason
    if channel_type in result.deny:
        return Decision(
            policy,
            channel_type,
            Verdict.DENY,
            code or "policy_denied",
            reason or f"{policy} does not allow {channel_type}.",
        )
    until = result.defer.get(channel_type)
    if until is not None:
        until = date.as_utc(until)
        sentence = reason or f"{policy} asks to wait until {until.isoformat(timespec='seconds')}."
        return Decision(policy, channel_type, Verdict.DEFER, code or "policy_deferred", sentence, until)
    return Decision(policy, channel_type, Verdict.ALLOW)


def _log_failure(policy: str, message: Message, error: Exception) -> None:
    message.get_message_specific_logger(LOG).error(
        "Policy %s failed, so the message goes nowhere: %s", policy, type(error).__name__, exc_info=error
    )
