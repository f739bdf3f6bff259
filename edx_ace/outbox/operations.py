"""
Internal: what people and programs do with messages that are in the outbox. `edx_ace.outbox` has the public names.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, cast
from uuid import UUID

import attrs
from django.core.exceptions import EmptyResultSet
from django.db import router, transaction
from django.db.models import F, Q, QuerySet

from edx_ace.message import Message
from edx_ace.outbox import counts, doorbell, leases, payloads
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import OPEN, State
from edx_ace.text import is_sendable, shown

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

    def __add__(self, other: Cancelled) -> Cancelled:
        return Cancelled(self.stopped + other.stopped, self.in_flight + other.in_flight)


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


#: What there may be to stop of: what is open, and what waits in a digest.
CONCERNED = Q(state__in=OPEN) | Q(folded_into__isnull=False)

_STOPPED: dict[str, Any] = {
    "code": "cancelled",
    "reason": "Somebody cancelled it.",
    "finished_at": DatabaseNow(),
    # The worker that has it, if any, has it no more.
    "fence": F("fence") + 1,
}


def cancel(
    message: Message | UUID | None = None,
    *,
    batch: UUID | None = None,
    idempotency_key: str | None = None,
    deliveries: Iterable[int] | None = None,
    wait: bool = False,
) -> Cancelled:
    """
    Stop what has not been handed over yet; once the caller's transaction is committed, none of it is.

    What is in a digest that has not gone is taken out of it.

    Args:
        message: A message or its uuid.

        batch: A send: the send_uuid of its messages.

        idempotency_key: The caller's name for a message.

        deliveries: Their primary keys.

        wait: Return only when nothing of it is in flight any more, or its worker's lease is over.

    Raises:
        TypeError, ValueError: If what is given cannot name any, or not exactly one thing is given.
        TransactionManagementError: If it is to wait inside a transaction: workers would not see what it has done.
    """
    chosen = _chosen(message=message, batch=batch, idempotency_key=idempotency_key, deliveries=deliveries)
    using = chosen.db
    if wait and transaction.get_connection(using).in_atomic_block:
        raise transaction.TransactionManagementError(
            "cancel(wait=True) must be called outside a transaction: until it is committed nothing is cancelled."
        )
    cancelled = Cancelled(0, 0)
    keys = chosen.filter(CONCERNED).order_by("pk").values_list("pk", flat=True)
    with transaction.atomic(using):
        if containing := _digests_of(chosen):
            # All in one order, and not each chunk with its digests.
            for chunk in in_chunks(iter(sorted({*keys, *containing}))):
                _lock(chunk, using)
        for chunk in in_chunks(iter(keys.iterator())):
            cancelled += stop(chunk, using)
    landing = Q(state=State.HANDING, lease_until__gt=DatabaseNow())
    digests = Delivery.objects.using(using).filter(landing).values("payload")
    landing |= Q(folded_into__in=digests)
    while wait and chosen.filter(landing, is_stopped=True).exists():
        time.sleep(_LOOK_SECONDS)
    return cancelled


def stop(keys: Sequence[int], using: str) -> Cancelled:
    """Stop the deliveries with these keys, as `cancel` does, in the caller's transaction."""
    digests = _digests_of(Delivery.objects.using(using).filter(pk__in=keys))
    # What was read before the lock may have changed since.
    own = set(keys)
    rows = [row for row in _lock([*keys, *digests], using) if row.pk in own]
    stopped = 0
    for state in (State.QUEUED, State.CLAIMED):
        for end in (State.CANCELLED, State.UNKNOWN):
            waiting = [row for row in rows if row.state == state and row.ending(State.CANCELLED) == end]
            stopped += len(leases.move(waiting, state, end, **_STOPPED))
    handing = [row.pk for row in rows if row.state == State.HANDING]
    taken_out, handed_within = _take_out([row for row in rows if row.folded_into is not None], using)
    in_flight = Delivery.objects.using(using).filter(pk__in=handing + handed_within).update(is_stopped=True)
    return Cancelled(stopped + taken_out, in_flight)


def end_stopped_parts(digests: Sequence[Delivery]) -> None:
    """Let what somebody cancelled while *digests* were handed over, which were clearly refused, end as that."""
    using = router.db_for_write(Delivery)
    rows = Delivery.objects.using(using).filter(recipient__in={row.recipient for row in digests}, is_stopped=True)
    parts = rows.filter(folded_into__in={row.payload_id for row in digests}).values_list("pk", flat=True)
    with transaction.atomic(using):
        if keys := list(parts):
            stop(keys, using)


def _digests_of(rows: QuerySet[Delivery]) -> list[int]:
    """Return the keys of the digests that *rows* are in."""
    folded = rows.filter(folded_into__isnull=False).values("folded_into")
    return list(Delivery.objects.using(rows.db).filter(payload__in=folded).values_list("pk", flat=True))


def _lock(keys: Sequence[int], using: str) -> list[Delivery]:
    """Return the deliveries with these keys, locked in the order of these, as others lock them."""
    return list(Delivery.objects.using(using).filter(pk__in=keys).order_by("pk").select_for_update())


def _take_out(rows: Sequence[Delivery], using: str) -> tuple[int, list[int]]:
    """
    Take *rows* out of the digests that they are in, where these have not gone: they are loaded anew, without them.

    Returns:
        How many that are, and the keys of those whose digest is being handed over.
    """
    if not rows:
        return 0, []
    folded = Q(payload__in={row.folded_into for row in rows})
    reconsider(folded)
    found = Delivery.objects.using(using).filter(folded).order_by("pk").select_for_update()
    digests = {(digest.payload_id, digest.channel_type): digest for digest in found}
    leaving: defaultdict[tuple[str, str], list[Delivery]] = defaultdict(list)
    handed_within = []
    for row in rows:
        digest = digests.get((cast(UUID, row.folded_into), row.channel_type))
        if digest is not None and digest.state in (State.QUEUED, State.CLAIMED, State.FAILED):
            leaving[row.state, digest.ending(State.CANCELLED)].append(row)
        elif digest is not None and digest.state == State.HANDING:
            handed_within.append(row.pk)
    number = 0
    for (state, end), own in leaving.items():
        if state == State.FOLDED:
            leases.move(own, state, end, folded_into=None, **_STOPPED)
        else:
            # It may have arrived by itself.
            Delivery.objects.using(using).filter(pk__in=[row.pk for row in own]).update(folded_into=None)
        number += len(own)
    return number, handed_within


def reconsider(which: Q, *, due: Q | None = None) -> int:
    """
    Let policies be asked anew about open deliveries, in the transaction that changes what they go by.

    What a worker has prepared is taken from it, and nobody takes any of them before that transaction is committed: no
    permit is given by what was true before. What is being handed over at this moment is not affected.

    Args:
        which: Matches deliveries, by their recipient or address, which have an index.

        due: Matches those of them that need not wait any longer, such as what was deferred for a reason that is gone:
            for policies they have waited for nothing.

    Returns:
        How many deliveries that are.
    """
    using = router.db_for_write(Delivery)
    rows = Delivery.objects.using(using)
    number = 0
    with transaction.atomic(using):
        keys = rows.filter(which, state__in=(State.QUEUED, State.CLAIMED)).order_by("pk").values_list("pk", flat=True)
        for chunk in in_chunks(iter(list(keys))):
            locked = list(rows.filter(pk__in=chunk).order_by("pk").select_for_update())
            claimed = [row for row in locked if row.state == State.CLAIMED]
            queued = [row.pk for row in locked if row.state == State.QUEUED]
            leases.move(claimed, State.CLAIMED, State.QUEUED, fence=F("fence") + 1, claims=F("claims") - 1)
            # Locked like this, they are passed over by those that claim.
            rows.filter(pk__in=queued).update(fence=F("fence") + 1)
            if due is not None:
                due_now = rows.filter(due, pk__in=chunk, state=State.QUEUED)
                due_now.update(due_at=DatabaseNow(), code="", reason="")
            number += len(claimed) + len(queued)
        if number:
            doorbell.ring_on_commit(using)
    return number


def requeue(
    message: Message | UUID | None = None,
    *,
    batch: UUID | None = None,
    idempotency_key: str | None = None,
    deliveries: Iterable[int] | None = None,
    code: str | None = None,
) -> int:
    """
    Try again what has failed, with a fresh retry budget, and return how many deliveries that are.

    Args:
        message, batch, idempotency_key, deliveries: Which, as for `cancel`.

        code: All that failed with this code, for example ``"template_missing"`` once the template is there.
    """
    chosen = _chosen(message=message, batch=batch, idempotency_key=idempotency_key, deliveries=deliveries, code=code)
    # In the order of the index on what has ended.
    failed = chosen.filter(state=State.FAILED).order_by("finished_at")
    number = 0
    # Of an empty list of deliveries Django writes no statement.
    with transaction.atomic(failed.db), suppress(EmptyResultSet):
        while rows := leases.seize(
            failed,
            CHUNK_SIZE,
            State.FAILED,
            State.QUEUED,
            due_at=DatabaseNow(),
            attempts=0,
            ambiguous_attempts=0,
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
    chosen = _chosen(message=message, batch=batch, idempotency_key=idempotency_key)
    numbers = counts.of_batch(batch, chosen.db) if batch else Counter(chosen.values_list("state", flat=True))
    return Status({state: numbers[state] for state in State if numbers[state]}, chosen)


def _chosen(**selectors: Any) -> QuerySet[Delivery]:
    given = {name: value for name, value in selectors.items() if value is not None}
    if len(given) != 1:
        *others, last = selectors
        raise TypeError(f"Expected exactly one of {', '.join(others)} and {last}, given {len(given)}.")
    rows = Delivery.objects.using(router.db_for_write(Delivery))
    match given.popitem():
        case "message", message:
            return rows.filter(payload=_uuid(message.uuid if isinstance(message, Message) else message, "a message"))
        case "batch", batch:
            return rows.filter(Delivery.in_batch(_uuid(batch, "a batch")))
        case "idempotency_key", key:
            return rows.filter(payload__idempotency_key=payloads.checked_key(key))
        case "deliveries", keys:
            return rows.filter(pk__in=_primary_keys(keys))
        case _, code:
            return rows.filter(code=_code(code))


def _uuid(given: Any, what: str) -> UUID:
    try:
        return given if isinstance(given, UUID) else UUID(given)
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"Expected the UUID of {what}, given {shown(given)} ({type(given).__name__}).") from None


def _code(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(f"A code must be text, given {shown(given)} ({type(given).__name__}).")
    if not is_sendable(given):
        raise ValueError(f"A code must not hold NUL or half of a surrogate pair, given {shown(given)}.")
    return given


def _primary_keys(given: Any) -> list[int]:
    keys: list[Any] = list(given) if isinstance(given, Iterable) else [None]
    # The items of bytes are numbers, and so are True and False.
    if isinstance(given, bytes) or not all(type(key) is int and key < 2**63 for key in keys):
        raise TypeError(f"deliveries must be a list of primary keys, which are whole numbers, given {shown(given)}.")
    return keys


def in_chunks(keys: Iterator[int]) -> Iterator[list[int]]:
    """Yield the keys in lists, each for one statement."""
    while chunk := list(islice(keys, CHUNK_SIZE)):
        yield chunk
