"""
Internal: deleting what nobody needs any more. `edx_ace.outbox.purge` is the public name.

Only what is done with goes, after the days that settings give: first the history of attempts, later the deliveries with
the messages and counts that are left without any, and what single sends cost. An idempotency key is free again once its
message is gone. Each chunk is a transaction of its own, so that workers wait for none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import attrs
from django.db import router, transaction

from edx_ace.outbox import costs, counts, privacy
from edx_ace.outbox.clock import FIRST_MOMENT, database_now
from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import Attempt, Delivery, Payload
from edx_ace.outbox.states import OPEN, State
from edx_ace.text import counted

#: Rows that one transaction deletes.
CHUNK_SIZE = 500


@attrs.frozen
class Purged:
    """
    How many rows `purge` has deleted.

    Attributes:
        attempts, deliveries, messages: Of each table; attempts go with their delivery, too, and are not counted then.

        others: Of what sub-apps keep, by its name.
    """

    attempts: int
    deliveries: int
    messages: int
    others: Mapping[str, int] = attrs.field(factory=dict)

    def __str__(self) -> str:
        others = "".join(f"; {number} {name}" for name, number in self.others.items() if number)
        attempts = counted(self.attempts, "attempt", "attempts")
        deliveries = counted(self.deliveries, "delivery", "deliveries")
        return f"{attempts}, {deliveries} and {counted(self.messages, 'message', 'messages')} purged{others}"


def purge(older_than: timedelta | None = None) -> Purged:
    """
    Delete what ended long ago; what is open stays, however old.

    Args:
        older_than: For how long to keep what ended. None: ``ACE_OUTBOX_KEEP_DAYS``, and
            ``ACE_OUTBOX_KEEP_ATTEMPTS_DAYS`` for the history of attempts.

    Raises:
        TypeError, ValueError: If *older_than* is no length of time above 0.
    """
    if not isinstance(older_than, timedelta | None):
        raise TypeError(f"older_than must be a timedelta, given {older_than!r} ({type(older_than).__name__}).")
    if older_than is not None and older_than <= timedelta(0):
        raise ValueError(f"older_than must be above 0, given {older_than!r}.")
    using = router.db_for_write(Delivery)
    now = database_now(Delivery, using)
    attempts = _purge_attempts(before(now, older_than, settings.OUTBOX_KEEP_ATTEMPTS_DAYS), using)
    deliveries = messages = 0
    for state in [one for one in State if one not in OPEN]:
        last = before(now, older_than, settings.OUTBOX_KEEP_DAYS)
        while (purged := _purge_chunk(state, last, using))[0]:
            deliveries, messages = deliveries + purged[0], messages + purged[1]
    while counts.fold():
        pass
    others = {"costs of sends": costs.purge(before(now, older_than, settings.OUTBOX_KEEP_DAYS).date())}
    others |= {name: number for one in privacy.holdings() for name, number in one.purge(older_than).items()}
    return Purged(attempts, deliveries, messages, others)


def before(now: datetime, older_than: timedelta | None, days: float) -> datetime:
    """Return before which moment something is too old that is kept for *days*, or for *older_than* if that is given."""
    try:
        return now - (older_than or timedelta(days=days))
    except OverflowError:
        # Nothing is that old.
        return FIRST_MOMENT


def _purge_attempts(before: datetime, using: str) -> int:
    """Delete the attempts of before that moment whose delivery is done with."""
    rows = Attempt.objects.using(using)
    number, last = 0, 0
    # In the order in which they were written: the first that is too young ends it.
    while chunk := list(
        rows.filter(pk__gt=last).order_by("pk").values_list("pk", "at", "delivery__state")[:CHUNK_SIZE]
    ):
        old = [key for key, at, state in chunk if at < before and state not in OPEN]
        number += rows.filter(pk__in=old).delete()[0]
        last, youngest, _ = chunk[-1]
        if youngest >= before:
            break
    return number


def _purge_chunk(state: State, before: datetime, using: str) -> tuple[int, int]:
    """Delete some deliveries that ended in *state* before that moment; return how many, and how many messages."""
    with transaction.atomic(using):
        ended = Delivery.objects.using(using).filter(state=state, finished_at__lt=before).order_by("finished_at")
        rows = list(ended.select_for_update(skip_locked=True).only("batch", "payload_id")[:CHUNK_SIZE])
        Delivery.objects.using(using).filter(pk__in=[row.pk for row in rows]).delete()
        # They leave the counts as they came in: by an arrow.
        Delivery.moved(rows, state, "", using)
        payloads = {row.payload_id for row in rows}
        payloads -= set(Delivery.objects.using(using).filter(payload__in=payloads).values_list("payload", flat=True))
        Payload.objects.using(using).filter(pk__in=payloads).delete()
    return len(rows), len(payloads)
