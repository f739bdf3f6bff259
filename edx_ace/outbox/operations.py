"""
Internal: what people and programs do with messages that are in the outbox. `edx_ace.outbox` has the public names.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import UUID

import attrs
from django.db import router, transaction
from django.db.models import QuerySet, Sum

from edx_ace.message import Message
from edx_ace.outbox import doorbell, leases
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.models import Count, Delivery
from edx_ace.outbox.states import OPEN, State

#: Rows locked at a time, so that a long list does not hold up the workers.
CHUNK_SIZE = 500

#: How often `cancel` looks whether what was in flight has landed, in seconds.
_LOOK_SECONDS = 0.1


@attrs.frozen
class Cancelled:
    """
    What `cancel` came to.

    Attributes:
        stopped: How many deliveries will not be handed over.

        in_flight: How many were being handed over at that moment; they may arrive, and are not repeated.
    """

    stopped: int
    in_flight: int


@attrs.frozen
class Status:
    """
    Where deliveries stand.

    Attributes:
        states: How many are in each state; states without any are left out.

        deliveries: The rows, not yet read.
    """

    states: dict[State, int]
    deliveries: QuerySet[Delivery]

    @property
    def is_open(self) -> bool:
        """Whether something is left to do."""
        return any(state in OPEN for state in self.states)

    def __str__(self) -> str:
        return ", ".join(f"{number} {state}" for state, number in self.states.items()) or "not in the outbox"


_STOPPED: dict[str, Any] = {
    "code": "cancelled",
    "reason": "Somebody cancelled it.",
    "finished_at": DatabaseNow(),
}


def cancel(
    message: Message | UUID | None = None,
    *,
    batch: UUID | None = None,
    idempotency_key: str | None = None,
    wait: bool = False,
) -> Cancelled:
    """
    Stop what has not been handed over yet; once the caller's transaction is committed, none of it is.

    Args:
        message: A message or its uuid.

        batch: A send: the send_uuid of its messages.

        idempotency_key: The caller's name for a message.

        wait: Return only when nothing of it is in flight any more, or its worker's lease is over.

    Raises:
        TransactionManagementError: If it is to wait inside a transaction: workers would not see what it has done.
    """
    chosen = _chosen(message, batch, idempotency_key)
    using = chosen.db
    if wait and transaction.get_connection(using).in_atomic_block:
        raise transaction.TransactionManagementError(
            "cancel(wait=True) must be called outside a transaction: until it is committed nothing is cancelled."
        )
    stopped = in_flight = 0
    keys = iter(chosen.filter(state__in=OPEN).order_by("pk").values_list("pk", flat=True).iterator())
    with transaction.atomic(using):
        for chunk in _chunks(keys):
            # In the order of their keys, as others lock them. What was read before the lock may have changed since.
            rows = list(Delivery.objects.using(using).filter(pk__in=chunk).order_by("pk").select_for_update())
            for state in (State.QUEUED, State.CLAIMED):
                for end in (State.CANCELLED, State.UNKNOWN):
                    waiting = [row for row in rows if row.state == state and row.ending(State.CANCELLED) == end]
                    stopped += len(leases.move(waiting, state, end, **_STOPPED))
            handing = [row.pk for row in rows if row.state == State.HANDING]
            in_flight += Delivery.objects.using(using).filter(pk__in=handing).update(is_stopped=True)
    landing = chosen.filter(state=State.HANDING, is_stopped=True, lease_until__gt=DatabaseNow())
    while wait and landing.exists():
        time.sleep(_LOOK_SECONDS)
    return Cancelled(stopped, in_flight)


def requeue(
    message: Message | UUID | None = None, *, batch: UUID | None = None, idempotency_key: str | None = None
) -> int:
    """
    Try again what has failed, with a fresh retry budget, and return how many deliveries that are.

    Args:
        message, batch, idempotency_key: Which, as for `cancel`.
    """
    failed = _chosen(message, batch, idempotency_key).filter(state=State.FAILED).order_by("pk")
    number = 0
    with transaction.atomic(failed.db):
        while rows := leases.seize(
            failed,
            CHUNK_SIZE,
            State.FAILED,
            State.QUEUED,
            due_at=DatabaseNow(),
            attempts=0,
            claims=0,
            code="",
            reason="",
            is_stopped=False,
            finished_at=None,
        ):
            number += len(rows)
        if number:
            doorbell.ring_on_commit(failed.db)
    return number


def status(
    message: Message | UUID | None = None, *, batch: UUID | None = None, idempotency_key: str | None = None
) -> Status:
    """
    Say where the deliveries of a message or of a whole send stand.

    Args:
        message, batch, idempotency_key: Which, as for `cancel`.
    """
    chosen = _chosen(message, batch, idempotency_key)
    numbers = _counted(batch, chosen.db) if batch else Counter(chosen.values_list("state", flat=True))
    return Status({state: numbers[state] for state in State if numbers[state]}, chosen)


def fold_counts(limit: int = 2000) -> int:
    """
    Add up to *limit* new counts to the sums, one for each batch and transition, and return how many rows went.

    Others may append meanwhile; a reader sees the rows of before or those of after.
    """
    using = router.db_for_write(Count)
    counts = Count.objects.using(using)
    with transaction.atomic(using):
        new = list(counts.filter(is_sum=False).order_by("pk").select_for_update(skip_locked=True)[:limit])
        there = counts.filter(is_sum=True, batch__in={count.batch for count in new})
        sums = {(one.batch, one.from_state, one.to_state): one for one in there.order_by("pk").select_for_update()}
        changed, added = {}, []
        for count in new:
            # Where there is none yet, the first becomes the sum.
            total = sums.setdefault((count.batch, count.from_state, count.to_state), count)
            if total is not count:
                total.number += count.number
                added.append(count.pk)
            total.is_sum = True
            changed[total.pk] = total
        counts.bulk_update(changed.values(), ["number", "is_sum"], batch_size=CHUNK_SIZE)
        counts.filter(pk__in=added).delete()
    return len(added)


def _counted(batch: UUID, using: str) -> Counter[str]:
    numbers: Counter[str] = Counter()
    counts = Count.objects.using(using).filter(batch=batch).values("from_state", "to_state")
    for count in counts.annotate(total=Sum("number")):
        numbers[count["from_state"]] -= count["total"]
        numbers[count["to_state"]] += count["total"]
    return numbers


def _chosen(message: Message | UUID | None, batch: UUID | None, idempotency_key: str | None) -> QuerySet[Delivery]:
    given = [value for value in (message, batch, idempotency_key) if value is not None]
    if len(given) != 1:
        raise TypeError(f"Expected exactly one of message, batch and idempotency_key, given {len(given)}.")
    deliveries = Delivery.objects.using(router.db_for_write(Delivery))
    if batch is not None:
        return deliveries.filter(batch=batch)
    if idempotency_key is not None:
        return deliveries.filter(payload__idempotency_key=idempotency_key)
    return deliveries.filter(payload=message.uuid if isinstance(message, Message) else message)


def _chunks(keys: Iterator[int]) -> Iterator[list[int]]:
    while chunk := list(islice(keys, CHUNK_SIZE)):
        yield chunk
