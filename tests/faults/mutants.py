"""
Internal: workers with a fault built in, each of which a scenario has to find.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet

from edx_ace.outbox import guards, leases, processing, worker
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import State


def no_reclaim() -> None:
    """Leave to dead workers what they had."""
    worker.sweep = lambda: (Counter(), False)


def sent_before_sending() -> None:
    """Write that a message was sent, then send it."""
    permission = leases.permission

    def too_early(*args: Any) -> Callable[[Sequence[Any]], list[Any]]:
        permit = permission(*args)
        return lambda rows: leases.move(permit(rows), State.HANDING, State.SENT, finished_at=DatabaseNow())

    leases.permission = too_early


def guards_at_the_claim() -> None:
    """Ask guards when deliveries are claimed, and not when they are handed over."""
    claim = leases.claim

    def guarded(waiting: QuerySet[Delivery], limit: int, lease: timedelta) -> list[Delivery]:
        for guard in guards.guards():
            waiting = waiting.exclude(guard.forbids())
        return claim(waiting, limit, lease)

    leases.claim = guarded
    processing._forbidden = lambda: Q(expires_at__isnull=False, expires_at__lte=DatabaseNow())


def no_fence() -> None:
    """Give the permit to whoever asks for a delivery that is claimed, by anybody, however long it was stuck."""
    permission = leases.permission
    fenced = leases._fenced

    def unfenced(*args: Any) -> Callable[[Sequence[Any]], list[Any]]:
        permit = permission(*args)

        def give(rows: Sequence[Any]) -> list[Any]:
            leases._fenced = lambda rows: Q(pk__in=[row.pk for row in rows])
            try:
                return permit(rows)
            finally:
                leases._fenced = fenced

        return give

    leases.permission = unfenced
    # A thread that finds that it was stuck gives up by itself, before it asks for a permit.
    worker._Thread.is_stuck = lambda thread: False
