"""
Internal: which of the deliveries that are due a worker takes next.

The most important go first, and of those the longest due. They are claimed channel by channel, so that what waits for
one channel is in nobody's way.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

# Looked up on the package at each call, as everywhere: tests replace it there.
import edx_ace.channel as channels
from edx_ace.channel import ChannelType
from edx_ace.outbox import leases
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import Priority, State

#: From how many claims without an outcome on a delivery is suspected to end its worker, and is tried alone.
SUSPICIOUS_CLAIMS = 3

#: Rows that one step of `adopt` changes.
_ADOPT_LIMIT = 500


def is_due(beyond: int = 0) -> bool:
    """Return whether `claim` could find more than *beyond* deliveries: one look into the index and no transaction."""
    due = Delivery.objects.filter(state=State.QUEUED, due_at__lte=DatabaseNow())
    due = due.filter(channel__in=list(channels.channels().names()), priority__in=Priority.values)
    return due[beyond : beyond + 1].exists()


def claim(limit: int) -> list[Delivery]:
    """Claim up to *limit* deliveries that are due, the most important first; one that is suspected comes alone."""
    # Asked first, as workers mostly find nothing.
    if not is_due():
        return []
    names = list(channels.channels().names())
    lease = timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)
    rows: list[Delivery] = []
    for priority in sorted(Priority, reverse=True):
        # In any order: the first may have enough for every claim.
        for name in random.sample(names, len(names)):
            if len(rows) < limit:
                waiting = Delivery.objects.filter(channel=name, priority=priority)
                rows += leases.claim(waiting, limit - len(rows), lease)
    suspects = [row for row in rows if row.claims >= SUSPICIOUS_CLAIMS]
    if suspects:
        others = [row for row in rows if row is not suspects[0]]
        if others:
            leases.release(others)
        return suspects[:1]
    return rows


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
