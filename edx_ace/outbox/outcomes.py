"""
Internal: recording what came of the deliveries of one window, which were handed over.

One statement for all that were sent, and one for each state that the others go to: each row has its own code, reason
and time of the next attempt in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from django.db import router, transaction
from django.db.models import Case, F, Q, Value, When

from edx_ace.message import Message
from edx_ace.outbox import costs, leases, retries
from edx_ace.outbox.clock import DatabaseNow, from_now
from edx_ace.outbox.models import SENT_ATTEMPT, Delivery, OnAmbiguous
from edx_ace.outbox.models import Attempt as AttemptRow
from edx_ace.outbox.redaction import keepable, redacted, redacted_code
from edx_ace.outbox.retries import ErrorClass
from edx_ace.outbox.states import State
from edx_ace.report import Attempt, Outcome


def record(
    results: Sequence[tuple[Delivery, Attempt]], messages: Mapping[int, Message], sent: leases.Transition[Delivery]
) -> list[Delivery]:
    """
    Record what came of one window, in one transaction; return the rows that were still the worker's own.

    Args:
        results: The window.

        messages: Of each row, by its key.

        sent: For those that were sent.
    """
    # What an attempt at this has left in them counts for nothing if the transaction is rolled back.
    for row, _ in results:
        row.state = State.HANDING
    channel = results[0][0].channel
    # One statement, where nobody has more to say.
    plain, told = [], {}
    for row, attempt in results:
        if attempt.outcome is Outcome.SENT and (attempt.provider_id or costs.is_counted(channel, attempt)):
            told[row.pk] = row, attempt
        elif attempt.outcome is Outcome.SENT:
            plain.append(row)
    if len(plain) == len(results):
        return sent(plain)
    using = router.db_for_write(Delivery)
    with transaction.atomic(using):
        recorded = sent(plain) if plain else []
        attempts = []
        if told:
            is_counted = any(costs.is_counted(channel, attempt) for _, attempt in told.values())
            ids = _each({pk: keepable(attempt.provider_id, 255) for pk, (_, attempt) in told.items()})
            moved = acceptance([] if is_counted else [SENT_ATTEMPT], provider_id=ids)([row for row, _ in told.values()])
            recorded += moved
            if is_counted:
                attempts += [_attempt(*told[row.pk]) for row in moved]
        failures = {row.pk: (row, attempt) for row, attempt in results if attempt.outcome is not Outcome.SENT}
        moved = _record_failures(list(failures.values()))
        recorded += moved
        attempts += [_attempt(*failures[row.pk]) for row in moved]
        AttemptRow.objects.using(using).bulk_create(attempts)
        costs.append(channel, attempts, messages, using)
    return recorded


def landed(rows: Sequence[Delivery]) -> list[Delivery]:
    """Return those of *rows* that are in the state to which `record` moved them, so that it was committed."""
    states = {row.state for row in rows} - {State.HANDING}
    return [found for state in states for found in leases.standing([row for row in rows if row.state == state], state)]


def acceptance(notes: Sequence[leases.Note] = (SENT_ATTEMPT,), provider_id: Any = "") -> leases.Transition[Delivery]:
    """Return what records that deliveries were sent, with *notes*."""
    return leases.Transition(
        Delivery,
        State.HANDING,
        State.SENT,
        notes=notes,
        provider_id=provider_id,
        attempts=F("attempts") + 1,
        code="",
        reason="",
        finished_at=DatabaseNow(),
    )


@attrs.frozen
class _Failure:
    """What is to be recorded of a row that was not sent."""

    row: Delivery
    to_state: str
    #: Columns and their values.
    said: Mapping[str, Any]
    #: When it is tried again, if it is.
    due_at: Any = None

    @classmethod
    def of(cls, row: Delivery, attempt: Attempt) -> _Failure:
        said: dict[str, Any] = {
            "code": redacted_code(attempt.code),
            "reason": redacted(attempt.reason),
            "attempts": row.attempts,
            "ambiguous_attempts": row.ambiguous_attempts,
            "may_have_arrived": row.may_have_arrived,
        }
        if attempt.outcome is Outcome.SKIPPED:
            return cls(row, row.ending(State.SKIPPED), said)
        kind = retries.classify(attempt)
        is_ambiguous = kind is ErrorClass.AMBIGUOUS
        said["attempts"] += kind.spends_attempt
        said["ambiguous_attempts"] += is_ambiguous
        said["may_have_arrived"] = row.may_have_arrived = row.may_have_arrived or is_ambiguous
        is_last = retries.is_last(kind, said["attempts"], said["ambiguous_attempts"])
        if is_ambiguous and (row.on_ambiguous == OnAmbiguous.HOLD or is_last):
            return cls(row, State.UNKNOWN, said)
        if is_last:
            return cls(row, State.FAILED, said)
        due_at = from_now(retries.wait_before_next(said["attempts"], attempt))
        # Its time may be over first, and then somebody should know.
        due_at = Case(When(expires_at__lt=due_at, then=F("expires_at")), default=due_at)
        return cls(row, State.QUEUED, said, due_at)


def _record_failures(failures: Sequence[tuple[Delivery, Attempt]]) -> list[Delivery]:
    again: list[_Failure] = []
    ended: dict[str, list[_Failure]] = defaultdict(list)
    for failure in [_Failure.of(row, attempt) for row, attempt in failures]:
        (again if failure.to_state == State.QUEUED else ended[failure.to_state]).append(failure)
    recorded = []
    if again:
        due_at = _each({failure.row.pk: failure.due_at for failure in again})
        recorded += _move(again, State.QUEUED, only=Q(is_stopped=False), due_at=due_at, claims=0)
    for failure in again:
        # Somebody stopped it meanwhile.
        if failure.row.state == State.HANDING:
            ended[failure.row.ending(State.CANCELLED)].append(failure)
    for state, group in ended.items():
        recorded += _move(group, state, finished_at=DatabaseNow())
    return recorded


def _move(failures: Sequence[_Failure], to_state: str, *, only: Q | None = None, **changes: Any) -> list[Delivery]:
    names = failures[0].said
    said = {name: _each({failure.row.pk: failure.said[name] for failure in failures}) for name in names}
    rows = [failure.row for failure in failures]
    return leases.move(rows, State.HANDING, to_state, only=only, **said, **changes)


def _each(values: Mapping[int, Any]) -> Any:
    """Return what gives each row its own of *values*, which go by keys."""
    first, *others = values.values()
    if all(value == first for value in others):
        return first
    return Case(
        *(
            When(pk=pk, then=value if hasattr(value, "resolve_expression") else Value(value))
            for pk, value in values.items()
        )
    )


def _attempt(row: Delivery, attempt: Attempt) -> AttemptRow:
    code, reply = redacted_code(attempt.code), redacted(attempt.reason)
    return AttemptRow(
        delivery=row,
        at=DatabaseNow(),
        outcome=str(attempt.outcome),
        code=code,
        reply=reply,
        **costs.of(row.channel, attempt),
    )
