"""
Internal: which of the deliveries that are due a worker takes next.

The most important go first, and of those the longest due. They are claimed channel by channel, so that what waits for
one channel is in nobody's way.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta

import attrs
from django.db.models import QuerySet

# Looked up on the package at each call, as everywhere: tests replace it there.
import edx_ace.channel as channels
from edx_ace.channel import ChannelType
from edx_ace.outbox import leases, rates
from edx_ace.outbox.breakers import abandon_probe, begin_probe, circuits
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import Circuit, Delivery
from edx_ace.outbox.states import Priority, State

#: From how many claims without an outcome on a delivery is suspected to end its worker, and is tried alone.
SUSPICIOUS_CLAIMS = 3

#: Rows that one step of `adopt` changes.
_ADOPT_LIMIT = 500


def claim(limit: int) -> list[Delivery]:
    """Claim up to *limit* deliveries that are due, the most important first; one that is suspected comes alone."""
    names = list(channels.channels().names())
    # Asked first, as workers mostly find nothing: one look into the index and no transaction.
    if not _due().filter(channel__in=names).exists():
        return []
    open_circuits = {circuit.channel: circuit for circuit in circuits()}
    limited = rates.limited()
    rows: list[Delivery] = []
    for priority in sorted(Priority, reverse=True):
        # In any order: the first may have enough for every claim.
        for name in random.sample(names, len(names)):
            if len(rows) < limit:
                place = _Place(name, priority, open_circuits.get(name), name in limited)
                rows += place.claim(limit - len(rows))
    suspects = [row for row in rows if row.claims >= SUSPICIOUS_CLAIMS]
    if suspects:
        others = [row for row in rows if row is not suspects[0]]
        if others:
            leases.release(others)
            rates.give_back_unused(others)
        return suspects[:1]
    return rows


def seconds_until_free() -> float | None:
    """Return after how many seconds something that is due, and is held back by a limit, may go; None: nothing is."""
    waits = []
    for name in rates.limited():
        if _due().filter(channel=name).exists() and not circuits().filter(channel=name).exists():
            waits.append(rates.seconds_until_free(name))
    return min(waits, default=None)


@attrs.frozen
class _Place:
    """Where deliveries of one priority wait for one channel."""

    name: str
    priority: Priority
    #: If it is open: one delivery may find out whether the channel can be used again.
    circuit: Circuit | None
    #: Whether the channel has limits: no more is claimed than it may be given.
    is_limited: bool

    def claim(self, wanted: int) -> list[Delivery]:
        """Claim up to *wanted* deliveries that are due and may be handed over now."""
        if (self.circuit or self.is_limited) and not (wanted := self._admitted(wanted)):
            return []
        lease = timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)
        rows = leases.claim(Delivery.objects.filter(channel=self.name, priority=self.priority), wanted, lease)
        for row in rows:
            row.is_probe = self.circuit is not None
        if self.circuit and not rows:
            abandon_probe(self.name)
        if self.is_limited and len(rows) < wanted:
            rates.give_back(self.name, wanted - len(rows))
        return rows

    def _admitted(self, wanted: int) -> int:
        """Return how many of *wanted* deliveries may be claimed now; for those the limits are spent."""
        if not _due().filter(channel=self.name, priority=self.priority).exists():
            return 0
        if self.circuit:
            lease = timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)
            wanted = int(begin_probe(self.circuit, lease))
        if self.is_limited and wanted:
            wanted = rates.take(self.name, wanted, is_essential=self.priority == Priority.ESSENTIAL)
        return wanted


def adopt() -> None:
    """Let what waits for a channel that is not enabled any more wait for another, over which it is prepared."""
    names = list(channels.channels().names())
    queued = Delivery.objects.filter(state=State.QUEUED)
    in_use = queued.order_by("channel").values_list("channel", flat=True)
    # From one name to the next, as the index has them: there are few names, however many deliveries wait.
    name = in_use.first()
    while name is not None and names:
        strays = queued.filter(channel=name).values_list("channel_type", "pk")
        while name not in names and (found := list(strays[:_ADOPT_LIMIT])):
            by_type: dict[str, list[int]] = defaultdict(list)
            for channel_type, key in found:
                by_type[channel_type].append(key)
            for channel_type, keys in by_type.items():
                registered = channels.channels().channel_type_to_channel_impl.get(ChannelType(channel_type))
                queued.filter(pk__in=keys).update(channel=next(iter(registered or names)))
        name = in_use.filter(channel__gt=name).first()


def _due() -> QuerySet[Delivery]:
    return Delivery.objects.filter(state=State.QUEUED, priority__in=Priority.values, due_at__lte=DatabaseNow())
