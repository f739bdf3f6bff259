"""
Public: what is done to a whole send whose deliveries may be a million, a few hundred in a transaction.

The caller has a guard that keeps them from being handed over meanwhile. Each function takes *may_go_on*: it is asked in
each transaction before anything is changed, so that it can end because its time is over, or because somebody else
decided otherwise, whom a row that it locks makes wait. Called again, it goes on with what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import router, transaction
from django.db.models import F, Q, QuerySet

from edx_ace.outbox import doorbell, leases
from edx_ace.outbox.clock import DatabaseNow, from_now
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.operations import CONCERNED, Cancelled, in_chunks, stop
from edx_ace.outbox.states import State

#: Keys that are read at a time.
KEYS = 100_000

_MayGoOn = Callable[[], bool]


def withdraw(batch: UUID) -> int:
    """
    Take what workers have of *batch*, and have not begun to hand over, from them; return how many deliveries that is.

    A guard that is committed forbids each permit whose statement begins later. This waits for those that began before,
    so that none is given any more once it returns.
    """
    using = router.db_for_write(Delivery)
    with transaction.atomic(using):
        rows = _claimed(batch, using).filter(state=State.CLAIMED)
        claimed = list(rows.order_by("pk").select_for_update())
        changes: dict[str, Any] = {"fence": F("fence") + 1, "claims": F("claims") - 1}
        return len(leases.move(claimed, State.CLAIMED, State.QUEUED, **changes))


def cancel_parts(batch: UUID, may_go_on: _MayGoOn) -> tuple[Cancelled, bool]:
    """Stop what is open of *batch*, what workers have first; return what came of it, and whether it is all."""
    using = router.db_for_write(Delivery)
    cancelled = Cancelled(0, 0)

    def cancel(keys: list[int]) -> None:
        nonlocal cancelled
        cancelled += stop(keys, using)

    concerned = Delivery.objects.using(using).filter(CONCERNED, Delivery.in_batch(batch), is_stopped=False)
    is_all = all(_in_parts(rows, cancel, may_go_on) for rows in (_claimed(batch, using), concerned))
    return cancelled, is_all


def postpone(batch: UUID, delay: timedelta, code: str, reason: str, may_go_on: _MayGoOn) -> bool:
    """Let what of *batch* is due now wait for *delay*, which *code* and *reason* explain; return whether all does."""
    using = router.db_for_write(Delivery)
    # Only what still waits: who claims it meanwhile is told by the guard.
    queued = Delivery.objects.using(using).filter(state=State.QUEUED)

    def put_off(keys: list[int]) -> None:
        queued.filter(pk__in=_locked(queued, keys)).update(due_at=from_now(delay), code=code, reason=reason)

    return _in_parts(_queued(batch, using).filter(due_at__lte=DatabaseNow()), put_off, may_go_on)


def bring_back(batch: UUID, code: str, may_go_on: _MayGoOn) -> bool:
    """Let what of *batch* waits because of *code* be due now; return whether all is."""
    using = router.db_for_write(Delivery)
    queued = Delivery.objects.using(using).filter(state=State.QUEUED, code=code)

    def put_forward(keys: list[int]) -> None:
        queued.filter(pk__in=_locked(queued, keys)).update(due_at=DatabaseNow(), code="", reason="")
        doorbell.ring_on_commit(using)

    return _in_parts(_queued(batch, using).filter(code=code), put_forward, may_go_on)


def _claimed(batch: UUID, using: str) -> QuerySet[Delivery]:
    """Return what workers have and nobody has stopped: few rows, which the index on leases finds."""
    held = Q(state__in=(State.CLAIMED, State.HANDING), lease_until__isnull=False, is_stopped=False)
    return Delivery.objects.using(using).filter(held, batch=batch)


def _queued(batch: UUID, using: str) -> QuerySet[Delivery]:
    return Delivery.objects.using(using).filter(Delivery.in_batch(batch), state=State.QUEUED)


def _in_parts(rows: QuerySet[Delivery], act: Callable[[list[int]], object], may_go_on: _MayGoOn) -> bool:
    """Call *act* with the keys of *rows*, a chunk in each transaction; return whether these were all."""
    keys = rows.order_by("pk").values_list("pk", flat=True)
    last = 0
    while found := list(keys.filter(pk__gt=last)[:KEYS]):
        last = found[-1]
        for chunk in in_chunks(iter(found)):
            with transaction.atomic(rows.db):
                if not may_go_on():
                    return False
                act(chunk)
    return True


def _locked(rows: QuerySet[Delivery], keys: list[int]) -> list[int]:
    # In the order of their keys, as others lock them.
    return list(rows.filter(pk__in=keys).order_by("pk").select_for_update().values_list("pk", flat=True))
