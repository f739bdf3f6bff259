"""
Internal: which of the deliveries that are due a worker takes next.

The most important go first, and of those the longest due. They are claimed channel by channel, so that what waits for
one channel is in nobody's way.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import timedelta

from django.db import router, transaction
from django.db.models import QuerySet

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


def claim(limit: int, only: Collection[str] | None = None) -> list[Delivery]:
    """
    Claim up to *limit* deliveries that are due, the most important first; one that is suspected comes alone.

    Args:
        limit: How many at most.

        only: Names of channels; what waits for others is left. None: all.
    """
    names = [name for name in channels.channels().names() if only is None or name in only]
    # Asked first, as workers mostly find nothing: one look into the index and no transaction.
    if not _due().filter(channel__in=names, priority__in=Priority.values).exists():
        return []
    # One transaction: a worker that is killed in between must not leave a trace in those who came with a suspect.
    with transaction.atomic(router.db_for_write(Delivery)):
        rows = _claim(limit, names)
        suspects = [row for row in rows if row.claims >= SUSPICIOUS_CLAIMS]
        if not suspects:
            return rows
        if others := [row for row in rows if row is not suspects[0]]:
            leases.release(others)
        return suspects[:1]


def _claim(limit: int, names: list[str]) -> list[Delivery]:
    lease = timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)
    rows: list[Delivery] = []
    for priority in sorted(Priority, reverse=True):
        # In any order: the first may have enough for every claim.
        for name in random.sample(names, len(names)):
            if len(rows) < limit:
                waiting = Delivery.objects.filter(channel=name, priority=priority)
                rows += leases.claim(waiting, limit - len(rows), lease)
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


def _due() -> QuerySet[Delivery]:
    return Delivery.objects.filter(state=State.QUEUED, due_at__lte=DatabaseNow())
