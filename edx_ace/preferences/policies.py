"""
Public: the policy ``preference``, which keeps to what people chose, and the guard that does so at the last moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models import OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact

from edx_ace import categories
from edx_ace.channel.base import ALL_TYPES
from edx_ace.message import Message
from edx_ace.message_types import is_essential
from edx_ace.outbox.guards import Guard
from edx_ace.outbox.people import person_key, shortened
from edx_ace.policy import Policy, PolicyResult
from edx_ace.preferences.choices import EVERYTHING, Chosen, effective
from edx_ace.preferences.lookup import choices_of
from edx_ace.preferences.models import Choice, Taking


class PreferencePolicy(Policy):
    """Denies the channels over which the recipient does not want the message's category; essential messages pass."""

    def check(self, message: Message) -> PolicyResult:
        """Return the channels that are turned off for *message*."""
        return self.check_many([message])[0]

    def check_many(self, messages: Sequence[Message]) -> list[PolicyResult]:
        """Return the channels that are turned off for each of *messages*, with one query."""
        choices = choices_of(messages)
        return [_result(message, choices.get(person_key(message.recipient) or "", {})) for message in messages]


def _result(message: Message, chosen: Mapping[str, Chosen]) -> PolicyResult:
    if is_essential(message):
        return PolicyResult()
    category = categories.get(categories.of(message))
    scope = shortened(categories.scope_of(message))
    deny = {
        channel_type
        for channel_type in ALL_TYPES
        if effective(category, channel_type, chosen.get(str(channel_type), {}), scope) is Taking.OFF
    }
    if not deny:
        return PolicyResult()
    if any(category.offers(channel_type) and str(channel_type) in chosen for channel_type in deny):
        return PolicyResult(deny, code="opted_out", reason=f"The person turned {category.name!r} off.")
    return PolicyResult(deny, code="not_opted_in", reason=f"{category.name!r} does not go there unless it is chosen.")


def _opted_out() -> Q:
    chosen = (
        Choice.objects.filter(
            person=OuterRef("recipient"),
            channel_type=OuterRef("channel_type"),
            category__in=[OuterRef("category"), EVERYTHING],
            scope__in=[OuterRef("scope"), ""],
        )
        # The most specific first, as `effective` has it.
        .order_by("-scope", "-category")
        .values("taking")[:1]
    )
    fixed = [category.name for category in categories.all_categories().values() if not category.can_be_turned_off]
    is_off = Exact(Coalesce(Subquery(chosen), Value("")), Value(Taking.OFF.value))
    return Q(is_off, is_essential=False) & ~Q(category__in=fixed)


#: What was chosen between the policy's answer and the hand-over counts, too.
OPTED_OUT = Guard("opted_out", "The person turned it off.", _opted_out)
