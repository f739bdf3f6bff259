"""
Public: the policy ``frequency_cap``: how many messages a person gets in a day and in a week.

Each message that is about to go takes a slot: a row under a number of which a person has one a week, so that of two
processes that count at the same time only one can write what it has counted, and the other counts again. A message that
has a slot for today keeps it, however often it is tried. One that in the end has not gone does not count any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
from django.db import IntegrityError, OperationalError, router, transaction

# Looked up on the package at each call, as everywhere: tests replace it there.
import edx_ace.channel as channels
from edx_ace.channel import ChannelType
from edx_ace.channel.base import ALL_TYPES
from edx_ace.limits import parse as parse_limits
from edx_ace.message import Message
from edx_ace.outbox.inserting import insert_lines
from edx_ace.outbox.people import person_key
from edx_ace.policy import AllowedChannels, Policy, PolicyResult
from edx_ace.preferences import digests
from edx_ace.preferences.conf import settings
from edx_ace.preferences.lookup import NOTHING, Asked, UsedSlot, asked_about, forget, is_enabled
from edx_ace.preferences.models import Slot
from edx_ace.preferences.moments import moment, monday_of
from edx_ace.preferences.places import zones_of
from edx_ace.report import Outcome, SendReport
from edx_ace.utils import date as clock

#: The code of what is over a cap.
CAPPED = "frequency_cap"

#: Under which name a cap counts what goes over all channels together.
ALL = "all"

#: How long slots are kept, from the Monday of their week.
KEPT = timedelta(days=21)

#: How often counting is tried while others count for the same people: each try that is lost, somebody else has won, so
#: that this is how many may do so at the same moment.
_TRIES = 50

_PERIODS = ("day", "week")


@attrs.frozen
class Cap:
    """At most *most* messages in each *period*: ``"day"`` or ``"week"``."""

    most: int
    period: str


def parse(text: str) -> tuple[Cap, ...]:
    """
    Return what a text such as ``"3/day, 10/week"`` means.

    Raises:
        TypeError, ValueError: If it is none.
    """
    return tuple(Cap(most, period) for most, period in parse_limits(text, _PERIODS, "3/day, 10/week"))


class FrequencyCapPolicy(Policy):
    """
    Defers what exceeds ``ACE_FREQUENCY_CAPS`` to the person's next day or week, or to their digest.

    Of several messages the one that is prepared first gets the slot: in the outbox, that of the higher priority.
    """

    @classmethod
    def enabled(cls) -> bool:
        """Whether there is a cap."""
        return bool(settings.FREQUENCY_CAPS)

    def check(self, message: Message) -> PolicyResult:
        """Return over which channels *message* would exceed a cap."""
        return self.check_many([message])[0]

    def check_many(self, messages: Sequence[Message]) -> list[PolicyResult]:
        """Return over which channels each of *messages* would exceed a cap, if the others did not go."""
        caps, today_in = _caps(), cache(_today)
        smallest = _smallest(caps)
        results = []
        for asked, zone in zip(asked_about(messages), zones_of(messages), strict=True):
            if asked.category is None or len(asked.known.slots) < smallest:
                results.append(NOTHING)
                continue
            tally = _Tally(asked.known.slots, caps, smallest)
            kinds = [kind for kind in asked.waited or ALL_TYPES if not digests.is_held(asked, kind)]
            today = today_in(zone)
            results.append(_result(asked, zone, today, {kind: tally.free_from(asked, kind, today) for kind in kinds}))
        return results

    def settle(self, messages: Sequence[Message], allowed: Sequence[AllowedChannels]) -> list[PolicyResult]:
        """Take a slot for each of *messages* over each channel that is left of it; return what finds none."""
        for is_last in [False] * (_TRIES - 1) + [True]:
            results, taken = self._take(messages, allowed)
            if not taken:
                return results
            using = router.db_for_write(Slot)
            try:
                with transaction.atomic(using):
                    # In one order, so that two processes do not wait for each other.
                    insert_lines(Slot, {}, _Taken._fields, sorted(taken), using)
            except (IntegrityError, OperationalError):
                if is_last:
                    raise
                forget({slot.person for slot in taken})
            else:
                return results
        raise AssertionError

    def _take(
        self, messages: Sequence[Message], allowed: Sequence[AllowedChannels]
    ) -> tuple[list[PolicyResult], list[_Taken]]:
        caps, today_in, registered = _caps(), cache(_today), channels.channels().channel_type_to_channel_impl
        smallest, week_of = _smallest(caps), cache(monday_of)
        tallies: dict[str, _Tally] = {}
        results: list[PolicyResult] = []
        taken: list[_Taken] = []
        for asked, zone, left in zip(asked_about(messages), zones_of(messages), allowed, strict=True):
            person = asked.person
            if asked.category is None or person is None:
                results.append(NOTHING)
                continue
            tally = tallies.get(person)
            if tally is None:
                tally = tallies[person] = _Tally(asked.known.slots, caps, smallest)
            today = today_in(zone)
            free = {}
            for kind in left if asked.waited is None else left & asked.waited.keys():
                if registered.get(kind):
                    free[kind] = tally.free_from(asked, kind, today)
                    if free[kind] == today and (number := tally.take(asked, kind, today)):
                        taken.append(_Taken(person, week_of(today), number, today, str(kind), asked.message.uuid))
            results.append(_result(asked, zone, today, free))
        return results, taken


def give_back(sender: Any, message: Message, report: SendReport, **kwargs: Any) -> None:
    """Let *message*, which a plain send did not get out, not count: what the outbox has is looked up there."""
    if not (settings.FREQUENCY_CAPS and is_enabled("frequency_cap")):
        return
    sent = {str(one.channel_type) for one in report.deliveries if one.outcome is Outcome.SENT}
    person = person_key(message.recipient)
    if person and {str(kind) for kind, found in _registered() if found} - sent:
        Slot.objects.filter(person=person, message=message.uuid).exclude(channel_type__in=sent).update(is_returned=True)


def purge() -> int:
    """Delete slots that do not count for anything any more, and return how many."""
    return Slot.objects.filter(week__lt=clock.get_current_time().date() - KEPT).delete()[0]


def _registered() -> Any:
    return channels.channels().channel_type_to_channel_impl.items()


def _caps() -> dict[str, tuple[Cap, ...]]:
    return {kind: parse(text) for kind, text in settings.FREQUENCY_CAPS.items()}


def _smallest(caps: Mapping[str, tuple[Cap, ...]]) -> int:
    """Return how many messages exceed no cap, whatever they are."""
    return min(cap.most for several in caps.values() for cap in several)


def _today(zone: ZoneInfo) -> date:
    return clock.get_current_time().astimezone(zone).date()


class _Tally:
    """What a person got, and what the messages of this batch add to it."""

    def __init__(self, slots: Sequence[UsedSlot], caps: Mapping[str, tuple[Cap, ...]], smallest: int) -> None:
        self.caps, self.smallest = caps, smallest
        self.last: dict[date, int] = {}
        #: The latest for each message: one that was put off to another day has a slot of that day.
        self.slots: dict[tuple[UUID, str], UsedSlot] = {}
        for slot in sorted(slots, key=lambda slot: (slot.day, slot.number)):
            week = monday_of(slot.day)
            self.last[week] = max(self.last.get(week, 0), slot.number)
            self.slots[slot.message, slot.channel_type] = slot

    def free_from(self, asked: Asked, kind: ChannelType, today: date) -> date:
        """Return the first day on which the message may go over *kind*."""
        if len(self.slots) < self.smallest:
            return today
        # Its own slot may have been free for others, if it failed and is tried again now.
        own = self.slots.get((asked.message.uuid, str(kind)))
        others = [slot for slot in self.slots.values() if slot.counts and slot is not own]
        free = today
        for place in (ALL, str(kind)):
            counted = [slot.day for slot in others if place in (ALL, slot.channel_type)]
            for cap in self.caps.get(place, ()):
                monday = monday_of(today)
                if cap.period == "day":
                    used, following = counted.count(today), today + timedelta(days=1)
                else:
                    used = sum(monday_of(day) == monday for day in counted)
                    following = monday + timedelta(days=7)
                if used >= cap.most:
                    free = max(free, following)
        return free

    def take(self, asked: Asked, kind: ChannelType, today: date) -> int | None:
        """Count the message for *today*; return the number of its slot, or None if it is tried again and has one."""
        own = self.slots.get((asked.message.uuid, str(kind)))
        # One that failed for good and was queued again has waited for nothing: its slot was free meanwhile, so that it
        # takes another number, which nobody else can have taken.
        is_repeat = bool(asked.waited and asked.waited.get(kind))
        if own is not None and own.day == today and own.counts and is_repeat:
            return None
        week = monday_of(today)
        self.last[week] = self.last.get(week, 0) + 1
        slot = UsedSlot(str(kind), asked.message.uuid, today, self.last[week], counts=True)
        self.slots[asked.message.uuid, str(kind)] = slot
        return slot.number


class _Taken(NamedTuple):
    """A new row of `Slot`."""

    person: str
    week: date
    number: int
    day: date
    channel_type: str
    message: UUID


def _result(asked: Asked, zone: ZoneInfo, today: date, free: Mapping[ChannelType, date]) -> PolicyResult:
    late = {kind: day for kind, day in free.items() if day > today}
    if not late:
        return NOTHING
    if late.keys() <= {ChannelType.EMAIL} and digests.can_hold(asked):
        return digests.hold(zone, "The person has had as many messages as they may get; this one goes into a digest.")
    return PolicyResult(
        defer={kind: moment(day, time.min, zone) for kind, day in late.items()},
        code=CAPPED,
        reason="The person has had as many messages as they may get in this time.",
    )
