"""
Internal: which of the deliveries that are due a worker takes next.

The most important go first, and of those the longest due. They are claimed channel by channel, so that what waits for
one channel is in nobody's way.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

import attrs
from django.db import router, transaction
from django.db.models import QuerySet

# Looked up on the package at each call, as everywhere: tests replace it there.
import edx_ace.channel as channels
from edx_ace.channel import ChannelType
from edx_ace.outbox import leases, rates
from edx_ace.outbox.breakers import abandon_probe, begin_probe, circuits
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import Priority, State

#: From how many claims without an outcome on a delivery is suspected to end its worker, and is tried alone.
SUSPICIOUS_CLAIMS = 3

#: Rows that one step of `adopt` changes.
_ADOPT_LIMIT = 500


def is_due() -> bool:
    """Return whether something is due, be it held back or not: one look into the index and no transaction."""
    return _due().filter(channel__in=list(channels.channels().names())).exists()


def is_free(beyond: int = 0) -> bool:
    """Return whether more than *beyond* deliveries are due that neither an open circuit nor a limit holds back now."""
    held_back = {circuit.channel for circuit in circuits()}
    held_back.update(name for name in rates.limited() if rates.seconds_until_free(name) > 0)
    names = [name for name in channels.channels().names() if name not in held_back]
    return _due().filter(channel__in=names)[beyond : beyond + 1].exists()


def claim(limit: int, only: Collection[str] | None = None) -> list[Delivery]:
    """
    Claim up to *limit* deliveries that are due, the most important first; one that is suspected comes alone.

    Args:
        limit: How many at most.

        only: Names of channels; what waits for others is left. None: all.
    """
    names = [name for name in channels.channels().names() if only is None or name in only]
    # Asked first, as workers mostly find nothing: one look into the index and no transaction.
    if not _due().filter(channel__in=names).exists():
        return []
    places = list(_places(names, limit))
    # One transaction: a worker that is killed in between must not leave a trace in those who came with a suspect.
    with transaction.atomic(router.db_for_write(Delivery)):
        rows: list[Delivery] = []
        for priority in sorted(Priority, reverse=True):
            for place in places:
                rows += place.claim(priority, limit - len(rows))
        suspects = [row for row in rows if row.claims >= SUSPICIOUS_CLAIMS]
        if suspects:
            # Whose worker was killed by something else is not the first again, and what ends each worker is the last.
            alone = min(suspects, key=lambda row: row.claims)
            if others := [row for row in rows if row is not alone]:
                leases.release(others)
            rows = [alone]
    for place in places:
        place.settle(rows)
    return rows


def seconds_until_free(only: Collection[str] | None = None) -> float | None:
    """
    Return after how many seconds something that is due, and is held back by a limit, may go; None: nothing is.

    Args:
        only: As for `claim`.
    """
    waits = []
    for name in rates.limited():
        if (only is None or name in only) and _due().filter(channel=name).exists() and not _is_open(name):
            waits.append(rates.seconds_until_free(name))
    return min(waits, default=None)


@attrs.define
class _Place:
    """Where deliveries wait for one channel, and how many of them may go now."""

    name: str
    most: int
    #: Whether the one that may go is to find out if the channel can be used again.
    is_probe: bool
    #: Whether those that may go were taken from the limits of the channel, and from what is kept for essential ones.
    is_limited: bool = False
    is_for_essential: bool = False
    claimed: int = 0

    def claim(self, priority: Priority, limit: int) -> list[Delivery]:
        """Claim those of *priority* that are due, *limit* at most."""
        most = min(limit, self.most - self.claimed)
        if not most or (self.is_for_essential and priority != Priority.ESSENTIAL):
            return []
        rows = leases.claim(Delivery.objects.filter(channel=self.name, priority=priority), most, _lease())
        self.claimed += len(rows)
        return rows

    def settle(self, rows: Sequence[Delivery]) -> None:
        """Give back what is not needed for those of *rows* that are from here."""
        own = [row for row in rows if row.channel == self.name]
        for row in own:
            row.is_probe = self.is_probe
        if self.is_probe and not own:
            abandon_probe(self.name)
        if self.is_limited and len(own) < self.most:
            rates.give_back(self.name, self.most - len(own))


def _places(names: Sequence[str], limit: int) -> Iterator[_Place]:
    """Yield where something may go now, in any order: the first may have enough for every claim."""
    open_circuits = {circuit.channel: circuit for circuit in circuits()}
    limited = rates.limited()
    for name in random.sample(names, len(names)):
        circuit, due = open_circuits.get(name), _due().filter(channel=name)
        if (circuit or name in limited) and not due.exists():
            continue
        if circuit and not begin_probe(circuit, _lease()):
            continue
        place = _Place(name, 1 if circuit else limit, circuit is not None)
        if name in limited:
            wanted, place.is_limited = place.most, True
            place.most = rates.take(name, wanted, is_essential=False)
            if not place.most and due.filter(priority=Priority.ESSENTIAL).exists():
                place.is_for_essential = True
                place.most = rates.take(name, wanted, is_essential=True)
        yield place


def adopt() -> None:
    """Let what waits for a channel that is not enabled any more wait for another, over which it is prepared."""
    names = list(channels.channels().names())
    queued = Delivery.objects.filter(state=State.QUEUED)
    for name in waited_for() if names else ():
        strays = queued.filter(channel=name).values_list("channel_type", "pk")
        while name not in names and (found := list(strays[:_ADOPT_LIMIT])):
            by_type: dict[str, list[int]] = defaultdict(list)
            for channel_type, key in found:
                by_type[channel_type].append(key)
            for channel_type, keys in by_type.items():
                registered = channels.channels().channel_type_to_channel_impl.get(ChannelType(channel_type))
                queued.filter(pk__in=keys).update(channel=next(iter(registered or names)))


def waited_for() -> Iterator[str]:
    """Yield the name of each channel that something is queued for."""
    names = Delivery.objects.filter(state=State.QUEUED).order_by("channel").values_list("channel", flat=True)
    # From one name to the next, as the index has them: there are few names, however many deliveries wait.
    name = names.first()
    while name is not None:
        yield name
        name = names.filter(channel__gt=name).first()


def _due() -> QuerySet[Delivery]:
    return Delivery.objects.filter(state=State.QUEUED, priority__in=Priority.values, due_at__lte=DatabaseNow())


def _is_open(name: str) -> bool:
    return circuits().filter(channel=name).exists()


def _lease() -> timedelta:
    return timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)
