"""
Public: the policies ``preference``, with the guards that keep to choices at the last moment, and ``quiet_hours``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from django.db.models import Q

from edx_ace import categories
from edx_ace.categories import Category
from edx_ace.channel.base import ALL_TYPES
from edx_ace.message import Message
from edx_ace.outbox.guards import Guard, SqlCondition
from edx_ace.policy import Policy, PolicyResult
from edx_ace.preferences.digests import is_held
from edx_ace.preferences.lookup import NOTHING, Asked, asked_about
from edx_ace.preferences.models import Choice, Taking
from edx_ace.preferences.moments import end_of_quiet
from edx_ace.preferences.places import zones_of
from edx_ace.preferences.quiet import QUIET
from edx_ace.utils import date as clock


class PreferencePolicy(Policy):
    """Denies the channels over which the recipient does not want the message's category; essential messages pass."""

    def check(self, message: Message) -> PolicyResult:
        """Return the channels that are turned off for *message*."""
        return self.check_many([message])[0]

    def check_many(self, messages: Sequence[Message]) -> list[PolicyResult]:
        """Return the channels that are turned off for each of *messages*, with one query."""
        # Most people have not chosen anything.
        by_default: dict[str, PolicyResult] = {}
        results = []
        for asked in asked_about(messages):
            if asked.category is None:
                results.append(NOTHING)
            elif asked.known.choices:
                results.append(_denied(asked, asked.category))
            else:
                name = asked.category.name
                if name not in by_default:
                    by_default[name] = _denied(asked, asked.category)
                results.append(by_default[name])
        return results


class QuietHoursPolicy(Policy):
    """Defers what would reach the person in their quiet hours to the end of these; essential messages pass."""

    def check(self, message: Message) -> PolicyResult:
        """Return until when the person is left alone."""
        return self.check_many([message])[0]

    def check_many(self, messages: Sequence[Message]) -> list[PolicyResult]:
        """Return until when each person is left alone, with at most one query."""
        now = clock.get_current_time()
        # Many have the same.
        ends = cache(lambda hours, zone: end_of_quiet(now, hours, zone))
        results = []
        for asked, zone in zip(asked_about(messages), zones_of(messages), strict=True):
            hours = None if asked.category is None else asked.known.quiet
            until = None if hours is None else ends(hours, zone)
            if until is None:
                results.append(NOTHING)
            else:
                defer = {kind: until for kind in ALL_TYPES if not is_held(asked, kind)}
                results.append(PolicyResult(defer=defer, code=QUIET, reason="The person has quiet hours."))
        return results


def _denied(asked: Asked, category: Category) -> PolicyResult:
    deny = {channel_type for channel_type in ALL_TYPES if asked.taking(channel_type) is Taking.OFF}
    if not deny:
        return NOTHING
    if any(map(asked.has_chosen_it, deny)):
        return PolicyResult(deny, code="opted_out", reason=f"The person turned {category.name!r} off.")
    return PolicyResult(deny, code="not_opted_in", reason=f"{category.name!r} does not go there unless it is chosen.")


#: The most specific first, as `effective` has it.
_CHOICE = f"""
    COALESCE((
        SELECT c.taking FROM {Choice._meta.db_table} c
        WHERE c.person = {{recipient}} AND c.channel_type = {{channel_type}}
        AND c.category IN ({{category}}, '') AND c.scope IN ({{scope}}, '')
        ORDER BY c.scope DESC, c.category DESC LIMIT 1
    ), '')
"""
_IS_OFF, _IS_MISSING = f"{_CHOICE} = '{Taking.OFF}'", f"{_CHOICE} = ''"


def _opted_out() -> Q:
    fixed = [category.name for category in categories.all_categories().values() if not category.can_be_turned_off]
    return Q(SqlCondition(_IS_OFF), is_essential=False) & ~Q(category__in=fixed)


def _not_opted_in() -> Q:
    missing = Q(pk__in=[])
    for category in categories.all_categories().values():
        if category.can_be_turned_off and not category.default:
            missing |= Q(SqlCondition(_IS_MISSING), category=category.name)
        if category.channels:
            missing |= Q(category=category.name) & ~Q(channel_type__in=category.channels)
    return missing & Q(is_essential=False)


#: What was chosen between the policy's answer and the hand-over counts, too.
OPTED_OUT = Guard("opted_out", "The person turned it off.", _opted_out)
NOT_OPTED_IN = Guard("not_opted_in", "The person did not ask for it.", _not_opted_in)
