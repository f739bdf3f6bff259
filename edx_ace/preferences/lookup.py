"""
Internal: what the policies of this app look up, once for all of them and for all messages of a batch.

Choices, quiet hours and what counts for frequency caps are one query: each policy that is enabled adds its part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import attrs
from django.db.models import Case, CharField, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Cast

from edx_ace import categories
from edx_ace.categories import Category
from edx_ace.channel import ChannelType
from edx_ace.conf import settings as core_settings
from edx_ace.message import Message
from edx_ace.message_types import MessageTypeInfo, info
from edx_ace.outbox.lookups import OneOf
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.people import person_key, shortened
from edx_ace.outbox.states import State
from edx_ace.policy import PolicyResult, shared_notes, waited_for
from edx_ace.preferences.choices import Chosen, choice_for, effective
from edx_ace.preferences.conf import settings
from edx_ace.preferences.models import Choice, QuietHours, Slot, Taking
from edx_ace.preferences.moments import Hours, monday_of
from edx_ace.utils import date as clock

#: States of what has not gone and will not.
NOT_SENT = (State.FAILED, State.SKIPPED, State.EXPIRED, State.CANCELLED, State.FOLDED)

#: How far from UTC a day may begin and end.
_FARTHEST = timedelta(hours=15)


#: What a policy says that has nothing against a message.
NOTHING = PolicyResult()


class UsedSlot(NamedTuple):
    """One row of `Slot`: *counts* unless its message has not gone."""

    channel_type: str
    message: UUID
    day: date
    number: int
    counts: bool


@attrs.define
class Known:
    """
    What is known of one person.

    Attributes:
        choices: What they chose, by channel type.

        quiet: When they are to be left alone; None: never.

        slots: What counts for their caps, of this week.
    """

    choices: dict[str, Chosen] = attrs.field(factory=dict)
    quiet: Hours | None = None
    slots: list[UsedSlot] = attrs.field(factory=list)


@attrs.define
class Asked:
    """
    One message that policies are asked about, with what they go by.

    Attributes:
        message: The message.

        person: Whom it goes to, as tables know them; None: nobody can be known by what it says.

        category: What it is about; None: it is essential, and nothing of this app applies.

        scope: What it belongs to.

        waited: See `edx_ace.policy.waited_for`.

        known: What is known of the person.
    """

    message: Message
    person: str | None
    category: Category | None
    scope: str
    waited: Mapping[ChannelType, str] | None
    known: Known

    def has_choices(self, channel_type: ChannelType) -> bool:
        """Return whether the person chose anything for *channel_type*."""
        return channel_type._value_ in self.known.choices

    def has_chosen_it(self, channel_type: ChannelType) -> bool:
        """Return whether a choice of the person counts for the message over *channel_type*."""
        assert self.category is not None
        chosen = self.known.choices.get(str(channel_type), {})
        return self.category.offers(channel_type) and choice_for(self.category, chosen, self.scope) is not None

    def taking(self, channel_type: ChannelType) -> Taking:
        """Return how the person takes it over *channel_type*."""
        assert self.category is not None
        return effective(self.category, channel_type, self.known.choices.get(str(channel_type), {}), self.scope)


def asked_about(messages: Sequence[Message]) -> list[Asked]:
    """Return *messages* with what policies go by, with at most one query."""
    notes = _notes()
    for message in messages:
        if id(message) not in notes.cases:
            notes.cases[id(message)] = _case(message, notes)
    cases = [notes.cases[id(message)] for message in messages]
    people = {case.person for case in cases if case.person and case.category}
    if missing := people - notes.known.keys():
        notes.known.update(_look_up(missing))
        for case in cases:
            case.known = notes.known.get(case.person or "", case.known)
    return cases


def forget(people: Iterable[str]) -> None:
    """Look up anew what is known of *people*."""
    for person in people:
        _notes().known.pop(person, None)


def is_enabled(policy: str) -> bool:
    """Return whether the site's settings name the *policy*."""
    return policy in core_settings.ENABLED_POLICIES


def digests_are_made() -> bool:
    """Return whether the policy ``digest`` is enabled, looked up once a batch."""
    return _notes().digests_are_made


def site_hours() -> Hours | None:
    """Return when people are left alone who have not said it themselves."""
    hours = settings.QUIET_HOURS
    return None if not hours else (time.fromisoformat(hours[0]), time.fromisoformat(hours[1]))


@attrs.define
class _Notes:
    known: dict[str, Known] = attrs.field(factory=dict)
    #: By the identity of the message.
    cases: dict[int, Asked] = attrs.field(factory=dict)
    types: dict[tuple[str, str], MessageTypeInfo] = attrs.field(factory=dict)
    categories: dict[str, Category] = attrs.field(factory=dict)
    #: What counts for whom nobody can know.
    of_nobody: Known = attrs.field(factory=lambda: Known(quiet=site_hours()))
    digests_are_made: bool = attrs.field(factory=lambda: is_enabled("digest"))


def _notes() -> _Notes:
    shared = shared_notes()
    if __name__ not in shared:
        shared[__name__] = _Notes()
    notes: _Notes = shared[__name__]
    return notes


def _case(message: Message, notes: _Notes) -> Asked:
    place = message.app_label, message.name
    if place not in notes.types:
        notes.types[place] = info(*place)
    known, category = notes.types[place], None
    if not known.is_essential(message):
        name = known.category_of(message)
        if name not in notes.categories:
            notes.categories[name] = categories.get(name)
        category = notes.categories[name]
    scope = shortened(categories.scope_of(message))
    return Asked(message, person_key(message.recipient), category, scope, waited_for(message), notes.of_nobody)


def _look_up(people: Collection[str]) -> dict[str, Known]:
    default = site_hours()
    choices: defaultdict[str, defaultdict[str, dict[tuple[str, str], Taking]]]
    choices = defaultdict(lambda: defaultdict(dict))
    found = {person: Known(quiet=default) for person in people}
    for table, person, kind, first, second, third, number in _rows(people):
        if table == _CHOICE:
            choices[person][kind][first, second] = _TAKING[third]
        elif table == _QUIET:
            found[person].quiet = (time.fromisoformat(first), time.fromisoformat(second)) if first else None
        else:
            slot = UsedSlot(kind, UUID(first), date.fromisoformat(second), number, counts=not third)
            found[person].slots.append(slot)
    for person, chosen in choices.items():
        found[person].choices = dict(chosen)
    return found


_TAKING = {taking.value: taking for taking in Taking}
_CHOICE, _QUIET, _SLOT = "choice", "quiet", "slot"


def _rows(people: Collection[str]) -> QuerySet[Any, Any]:
    """Return seven columns of each part: which it is, person, channel type, three texts, and a number."""
    own = OneOf(F("person"), sorted(people))
    rows = Choice.objects.filter(own).values_list(
        Value(_CHOICE), "person", "channel_type", "category", "scope", "taking", Value(0, IntegerField())
    )
    more: list[QuerySet[Any, Any]] = []
    if is_enabled("quiet_hours"):
        more.append(
            QuietHours.objects.filter(own).values_list(
                Value(_QUIET),
                "person",
                Value(""),
                Cast("start", CharField()),
                Cast("end", CharField()),
                Value(""),
                Value(0, IntegerField()),
            )
        )
    if is_enabled("frequency_cap"):
        gone = Delivery.objects.filter(
            payload=OuterRef("message"), channel_type=OuterRef("channel_type"), state__in=NOT_SENT
        )
        more.append(
            Slot.objects.filter(own, week__in=_weeks()).values_list(
                Value(_SLOT),
                "person",
                "channel_type",
                Cast("message", CharField()),
                Cast("day", CharField()),
                Case(When(Q(is_returned=True) | Q(Exists(gone)), then=Value("gone")), default=Value("")),
                F("number"),
            )
        )
    return rows.union(*more, all=True) if more else rows


def _weeks() -> list[date]:
    """Return with which days the week begins that it is now somewhere."""
    now: datetime = clock.get_current_time()
    return sorted({monday_of((now + shift).date()) for shift in (-_FARTHEST, _FARTHEST)})
