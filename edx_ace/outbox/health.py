"""
Internal: figures about the whole outbox, and what they say about its health. `edx_ace.outbox.figures` is public.

Each figure looks at one range of one index and stops at a limit, so that a million rows cost no more than a few
thousand: what is queued by ``ace_outbox_due``, what workers have by ``ace_outbox_leased``, what was sent or failed
lately by ``ace_outbox_finished``.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import attrs
from django.db import router
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from edx_ace.outbox.breakers import circuits
from edx_ace.outbox.claiming import waited_for
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import ACCEPTED, Priority, State

#: Rows after which a figure stops to count.
LIMIT = 10_000

#: How far back failures are counted.
FAILED_WITHIN = timedelta(hours=24)

#: The time over which the rate is taken.
RATE_OVER = timedelta(minutes=1)

#: Rows after which the rate stops to count: a thousand a second.
RATE_LIMIT = 60_000


@attrs.frozen(kw_only=True)
class Figures:
    """
    How the outbox is doing.

    No figure is above `LIMIT`: one that is as high stands for "at least".

    Attributes:
        at: When this was, by the database's clock.

        due: Deliveries that wait for a worker.

        later: Deliveries that wait for their time.

        retrying: Those of both that something went wrong with, or that a policy has put off.

        claimed, handing: Deliveries that workers prepare, and that they are handing over.

        oldest_due_seconds: For how long the one of each priority has waited that has waited longest.

        sent_per_second: Over the last minute; no more than `RATE_LIMIT` in it are counted.

        failed: How many failed within the last 24 hours, by code.

        circuits: Channels that are not used for now, each with the seconds since when, and the code of why.
    """

    at: datetime
    due: int
    later: int
    retrying: int
    claimed: int
    handing: int
    oldest_due_seconds: dict[str, float]
    sent_per_second: float
    failed: dict[str, int]
    circuits: dict[str, tuple[float, str]]

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON has them, with the limit."""
        return {**attrs.asdict(self), "at": self.at.isoformat(), "limit": LIMIT}


def figures() -> Figures:
    """Return figures about the whole outbox."""
    rows = Delivery.objects.using(router.db_for_write(Delivery))
    now = database_now(Delivery, rows.db)
    # Channels and priorities are named, so that the ranges of the index are.
    names = list(waited_for())
    queued = rows.filter(state=State.QUEUED, channel__in=names, priority__in=Priority.values)
    due, later = queued.filter(due_at__lte=now), queued.filter(due_at__gt=now)
    codes_due, codes_later = _first(due, "code"), _first(later, "code")
    leased = Counter(_first(rows.filter(lease_until__isnull=False), "state"))
    failed = rows.filter(state=State.FAILED, finished_at__gt=now - FAILED_WITHIN).order_by("-finished_at")
    sent = rows.filter(state__in=ACCEPTED, finished_at__gt=now - RATE_OVER)[:RATE_LIMIT].count()
    oldest = {}
    for priority in sorted(Priority, reverse=True):
        of_channels = (rows.filter(state=State.QUEUED, channel=name, priority=priority) for name in names)
        firsts = [first for one in of_channels for first in one.order_by("due_at").values_list("due_at", flat=True)[:1]]
        if firsts and min(firsts) <= now:
            oldest[priority.name.lower()] = (now - min(firsts)).total_seconds()
    return Figures(
        at=now,
        due=len(codes_due),
        later=len(codes_later),
        retrying=min(LIMIT, sum(map(bool, codes_due + codes_later))),
        claimed=leased[State.CLAIMED],
        handing=leased[State.HANDING],
        oldest_due_seconds=oldest,
        sent_per_second=round(sent / RATE_OVER.total_seconds(), 2),
        failed=dict(Counter(_first(failed, "code")).most_common()),
        circuits={one.channel: ((now - one.opened_at).total_seconds(), one.code) for one in circuits()},
    )


def problems(figures: Figures) -> dict[str, str]:
    """Return what is wrong by *figures*, as sentences in the active language by code."""
    found = {}
    limits = {
        "essential_waits": (["essential"], settings.OUTBOX_ALERT_ESSENTIAL_SECONDS),
        "due_waits": (list(figures.oldest_due_seconds), settings.OUTBOX_ALERT_DUE_SECONDS),
    }
    for code, (priorities, limit) in limits.items():
        waiting = max((figures.oldest_due_seconds.get(priority, 0) for priority in priorities), default=0)
        if waiting > limit:
            said = (
                _("An essential message has been due for %(seconds)d seconds; up to %(limit)s are expected.")
                if code == "essential_waits"
                else _("A message has been due for %(seconds)d seconds; up to %(limit)s are expected.")
            )
            found[code] = said % {"seconds": waiting, "limit": limit}
    unused = [
        _("The channel %(channel)s has not been used for %(seconds)d seconds: %(code)s.")
        % {"channel": channel, "seconds": seconds, "code": code}
        for channel, (seconds, code) in figures.circuits.items()
        if seconds > settings.OUTBOX_ALERT_CIRCUIT_SECONDS
    ]
    if unused:
        found["circuit_open"] = " ".join(unused)
    return found


def _first(rows: QuerySet[Delivery], field: str) -> list[str]:
    return list(rows.values_list(field, flat=True)[:LIMIT])
