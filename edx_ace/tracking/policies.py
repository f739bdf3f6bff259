"""
Public: the policies ``suppression`` and ``budget``, and the guard that keeps to suppressions at the last moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import attrs
from django.db.models import F, Q

import edx_ace.channel as channels
from edx_ace import categories
from edx_ace.channel import ChannelType, get_channel_for_message
from edx_ace.channel.base import ALL_TYPES
from edx_ace.channel.registry import name_of
from edx_ace.errors import InvalidMessageError, UnsupportedChannelError
from edx_ace.message import Message
from edx_ace.message_types import is_essential
from edx_ace.outbox import costs
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.guards import Guard, SqlCondition
from edx_ace.outbox.lookups import OneOf
from edx_ace.outbox.people import person_keys_of_address
from edx_ace.policy import Policy, PolicyResult
from edx_ace.tracking.conf import settings
from edx_ace.tracking.models import PASSED_BY_ESSENTIAL, Reason, Suppression
from edx_ace.tracking.suppression import in_force

#: What a policy says that has nothing against a message.
_NOTHING = PolicyResult()


class SuppressionPolicy(Policy):
    """Denies the channels whose address for the recipient is suppressed."""

    def check(self, message: Message) -> PolicyResult:
        """Return the channels over which *message* must not go."""
        return self.check_many([message])[0]

    def check_many(self, messages: Sequence[Message]) -> list[PolicyResult]:
        """Return the channels over which each of *messages* must not go, with one query."""
        digests = [_digests(message) for message in messages]
        wanted = {digest for by_type in digests for keys in by_type.values() for digest in keys}
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        if wanted:
            rows = Suppression.objects.filter(in_force(), OneOf(F("digest"), wanted))
            for digest, kind, category, reason in rows.values_list("digest", "channel_type", "category", "reason"):
                found.setdefault((digest, kind), []).append((category, reason))
        return [_suppressed(message, by_type, found) for message, by_type in zip(messages, digests, strict=True)]


def _digests(message: Message) -> dict[ChannelType, list[str]]:
    found = {}
    for channel_type in ALL_TYPES:
        address = None if message.recipient is None else message.recipient.address_for(channel_type)
        if address:
            try:
                found[channel_type] = person_keys_of_address(channel_type, address)
            except InvalidMessageError:
                # The channel will refuse it.
                continue
    return found


def _suppressed(
    message: Message,
    by_type: Mapping[ChannelType, Sequence[str]],
    found: Mapping[tuple[str, str], Sequence[tuple[str, str]]],
) -> PolicyResult:
    if not any((digest, str(kind)) in found for kind, digests in by_type.items() for digest in digests):
        return _NOTHING
    concerned = ("", categories.of(message))
    against = {
        channel_type: Reason(reason)
        for channel_type, digests in by_type.items()
        for digest in digests
        for category, reason in found.get((digest, str(channel_type)), ())
        if category in concerned and not (reason in PASSED_BY_ESSENTIAL and is_essential(message))
    }
    if not against:
        return _NOTHING
    reasons = ", ".join(sorted({reason.value for reason in against.values()}))
    return PolicyResult(set(against), code="suppressed", reason=f"The address is suppressed ({reasons}).")


_PASSED = ", ".join(f"'{reason}'" for reason in PASSED_BY_ESSENTIAL)
_IS_SUPPRESSED = f"""
    EXISTS (
        SELECT 1 FROM {Suppression._meta.db_table} s
        WHERE s.address = {{address}} AND s.channel_type = {{channel_type}} AND s.category IN ({{category}}, '')
        AND (s.expires_at IS NULL OR s.expires_at > {{now}}) AND NOT ({{is_essential}} AND s.reason IN ({_PASSED}))
    )
"""


def _suppressed_now() -> Q:
    return Q(SqlCondition(_IS_SUPPRESSED, now=DatabaseNow()))


#: What was suppressed between the policy's answer and the hand-over counts, too.
SUPPRESSED = Guard("suppressed", "The address is suppressed.", _suppressed_now)


@attrs.frozen
class Budget:
    """
    What a channel may cost in a calendar month.

    Attributes:
        amount: In the site's currency.

        is_deferring: Whether what is too much waits for the next month; otherwise it is skipped.
    """

    amount: Decimal
    is_deferring: bool

    @classmethod
    def parse(cls, about: object) -> Budget:
        """
        Return what one value of ACE_BUDGETS stands for.

        Raises:
            ValueError: If it is malformed.
        """
        match about:
            case {"amount": str() | int() | float() as amount, **others} if (
                others.keys() <= {"then"} and others.get("then", "deny") in ("deny", "defer") and _is_amount(amount)
            ):
                return cls(Decimal(str(amount)), others.get("then") == "defer")
        raise ValueError(f"Expected {{'amount': '500', 'then': 'deny' or 'defer'}}, given {about!r}.")


class BudgetPolicy(Policy):
    """
    Denies, or defers to the next month, what costs a channel more than ACE_BUDGETS gives it, unless it is essential.

    It goes by what was sent, and by one unit for each message of the batch that is asked about. So a budget is exceeded
    by at most what workers have prepared at that moment, ACE_OUTBOX_BATCH messages for each of their threads but one,
    by the units beyond the first of each message, and by what essential messages cost.
    """

    @classmethod
    def enabled(cls) -> bool:
        """Whether a channel has a budget."""
        return bool(settings.BUDGETS)

    def check(self, message: Message) -> PolicyResult:
        """Return the channels whose budget *message* would exceed."""
        return self.check_many([message])[0]

    def check_many(self, messages: Sequence[Message]) -> list[PolicyResult]:
        """Return the channels whose budget each of *messages* would exceed, with one query."""
        now = datetime.now(UTC)
        budgets = {name: Budget.parse(about) for name, about in settings.BUDGETS.items()}
        spent = costs.spent(list(budgets), now.date().replace(day=1))
        prices = {name: costs.price_of(name) for name in budgets}
        left = {name: budget.amount - spent[name] for name, budget in budgets.items()}
        types = {
            channel_type
            for channel_type, registered in channels.channels().channel_type_to_channel_impl.items()
            if not registered.keys().isdisjoint(budgets)
        }
        results = []
        for message in messages:
            deny, defer = set(), {}
            for channel_type in () if is_essential(message) else types:
                name = _channel_of(channel_type, message)
                if name not in budgets:
                    continue
                if prices[name] <= left[name] and left[name] > 0:
                    left[name] -= prices[name]
                elif budgets[name].is_deferring:
                    defer[channel_type] = _next_month(now)
                else:
                    deny.add(channel_type)
            said = {"code": "budget_spent", "reason": "The channel's budget of this month is spent."}
            results.append(PolicyResult(deny, defer=defer, **said) if deny or defer else _NOTHING)
        return results


def _channel_of(channel_type: ChannelType, message: Message) -> str | None:
    try:
        return name_of(get_channel_for_message(channel_type, message))
    except UnsupportedChannelError:
        return None


def _next_month(now: datetime) -> datetime:
    year, month = (now.year, now.month + 1) if now.month < 12 else (now.year + 1, 1)
    return datetime(year, month, 1, tzinfo=UTC)


def _is_amount(value: object) -> bool:
    try:
        amount = Decimal(str(value))
    except ArithmeticError:
        return False
    return amount.is_finite() and amount >= 0
