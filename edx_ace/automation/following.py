"""
Internal: what became of scheduled messages that the outbox has, from the counts of their deliveries.

One that was handed over to somebody has succeeded, once nothing of it is open. Otherwise it has failed; it is tried
again if no letter of it could be rendered, as data may be mended, and not if the outbox gave up or a policy said no.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import attrs
from django.db import router, transaction
from django.db.models import Case, When
from django.utils.translation import gettext as _

from edx_ace.automation import controller
from edx_ace.automation.models import Entry, Letter, ScheduledMessage
from edx_ace.automation.states import State
from edx_ace.outbox import counts, leases, states
from edx_ace.outbox.clock import DatabaseNow, from_now
from edx_ace.outbox.models import Delivery

#: How many messages are looked at together.
BATCH = 200

#: How long after a look the next one follows, while a message is new to the outbox, and afterwards.
LOOK_AGAIN = timedelta(seconds=1)
LOOK_AGAIN_LATER = timedelta(seconds=30)
_IS_NEW = timedelta(minutes=1)

#: States of deliveries that reached the channel, or will within a digest.
HANDED_OVER = (*states.ACCEPTED, states.State.FOLDED)


def follow() -> bool:
    """Look what became of the messages that are due to be looked at; return whether more are."""
    using = router.db_for_write(ScheduledMessage)
    under_way = ScheduledMessage.objects.using(using).filter(state=State.ENQUEUED, ended_at__isnull=True)
    rows = list(under_way.filter(due_at__lte=DatabaseNow()).order_by("due_at")[:BATCH])
    if not rows:
        return False
    done = {row.pk for row in settle(rows)}
    if rest := [row.pk for row in rows if row.pk not in done]:
        is_new = When(enqueued_at__gt=from_now(-_IS_NEW), then=from_now(LOOK_AGAIN))
        under_way.filter(pk__in=rest).update(due_at=Case(is_new, default=from_now(LOOK_AGAIN_LATER)))
    return len(rows) == BATCH


def settle(rows: Sequence[ScheduledMessage]) -> list[ScheduledMessage]:
    """Let those of *rows*, which the outbox has, end of which nothing is open; return them."""
    using = router.db_for_write(ScheduledMessage)
    counted = counts.of_batches([_batch(row) for row in rows], using)
    succeeded: list[ScheduledMessage] = []
    failed: list[ScheduledMessage] = []
    for row in rows:
        numbers = counted[_batch(row)]
        if any(numbers[state] for state in states.OPEN):
            continue
        (succeeded if any(numbers[state] for state in HANDED_OVER) else failed).append(row)
    with transaction.atomic(using):
        moved = leases.move(
            succeeded,
            State.ENQUEUED,
            State.SUCCEEDED,
            ended_at=DatabaseNow(),
            open_key=None,
            failures=0,
            code="",
            reason="",
        )
        Entry.objects.using(using).bulk_create(
            Entry(message=row, did="succeed", from_state=State.ENQUEUED, to_state=State.SUCCEEDED) for row in moved
        )
    if failed:
        for row, why in _reasons(failed, using):
            controller.record_failure(row, why.code, why.reason, is_final=why.is_final)
    return [*succeeded, *failed]


@attrs.frozen
class _Why:
    """Why nothing of a message was handed over, and whether it is of no use to try again."""

    code: str
    reason: str
    is_final: bool


def _reasons(rows: Sequence[ScheduledMessage], using: str) -> Iterable[tuple[ScheduledMessage, _Why]]:
    batches = [_batch(row) for row in rows]
    errors = dict(
        Letter.objects.using(using)
        .filter(message__in=rows, batch__in=batches)
        .exclude(error="")
        .values_list("uuid", "error")
    )
    deliveries: defaultdict[UUID | None, list[Delivery]] = defaultdict(list)
    found = Delivery.objects.using(using).filter(payload__batch__in=batches, batch__in=batches).order_by("pk")
    for delivery in found.only("batch", "payload", "state", "code", "reason"):
        deliveries[delivery.batch].append(delivery)
    for row in rows:
        yield row, _why(deliveries[row.batch], errors)


def _why(deliveries: Sequence[Delivery], errors: dict[UUID, str]) -> _Why:
    if not deliveries:
        return _Why("unknown", _("The outbox knows nothing of it."), True)
    given_up = [one for one in deliveries if one.payload_id not in errors]
    first = (given_up or deliveries)[0]
    return _Why(first.code or first.state, errors.get(first.payload_id, first.reason), bool(given_up))


def _batch(row: ScheduledMessage) -> UUID:
    assert row.batch is not None, "It was put into the outbox under one."
    return row.batch
