"""
Public: figures: how many messages were sent, arrived, bounced, were opened and so on, by day, type, category and send.

Who changes something appends to them in the same transaction; a chore of the sweep adds up what was appended, every few
seconds, and only then is it seen. Reading takes the sums of the days asked for, however many messages there were. Days
are those of UTC: an open counts on the day on which it happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import attrs
from django.db import models, router, transaction
from django.db.models import Sum
from django.utils.translation import pgettext_lazy

from edx_ace.outbox.leases import Note
from edx_ace.outbox.models import Delivery, Payload
from edx_ace.outbox.states import ACCEPTED, State
from edx_ace.signals import ONE_CLICK, PAGE, PROVIDER
from edx_ace.tracking.models import Figure

#: What figures can be grouped by.
DIMENSIONS = ("day", "message_type", "category", "channel_type", "batch")

#: Rows that one statement writes.
CHUNK_SIZE = 500


class Measure(models.TextChoices):
    """What is counted, each once for a message over one channel."""

    #: The channel accepted it.
    SENT = "sent", pgettext_lazy("figure", "sent")
    #: It reached the recipient, as the provider says.
    DELIVERED = "delivered", pgettext_lazy("figure", "delivered")
    #: The recipient's side returned it.
    BOUNCED = "bounced", pgettext_lazy("figure", "bounced")
    #: The recipient reported it as unwanted.
    COMPLAINED = "complained", pgettext_lazy("figure", "reported")
    #: A person opened it; where pictures are not loaded nobody knows.
    OPENED = "opened", pgettext_lazy("figure", "opened")
    #: A program loaded its pictures.
    OPENED_BY_MACHINE = "opened_by_machine", pgettext_lazy("figure", "opened by a machine")
    #: A person followed a link.
    CLICKED = "clicked", pgettext_lazy("figure", "clicked")
    #: A program followed a link.
    CLICKED_BY_MACHINE = "clicked_by_machine", pgettext_lazy("figure", "clicked by a machine")
    #: Somebody turned its category off, by one click, on a page or at the provider, after it was the last that they
    #: were sent.
    UNSUBSCRIBED = "unsubscribed", pgettext_lazy("figure", "unsubscribed")


_OF_STATES = {
    State.SENT: Measure.SENT,
    State.DELIVERED: Measure.DELIVERED,
    State.BOUNCED: Measure.BOUNCED,
    State.COMPLAINED: Measure.COMPLAINED,
}


@attrs.frozen
class Row:
    """
    Figures of one group.

    Attributes:
        group: Its value of each dimension that was grouped by.

        numbers: By measure; those that are 0 are left out.
    """

    group: dict[str, Any]
    numbers: Counter[Measure]


def read(
    *,
    since: date | None = None,
    until: date | None = None,
    by: Sequence[str] = (),
    batches: Collection[UUID] | None = None,
    **only: str,
) -> list[Row]:
    """
    Return figures, a row for each group, in the order of the groups.

    Args:
        since, until: The first and the last day. None: without limit, for *batches* alone.

        by: Names of `DIMENSIONS` to group by; a batch only where some are given.

        batches: Only these sends.

        only: Values of ``message_type``, ``category`` and ``channel_type`` that are asked for.

    Raises:
        TypeError: If neither batches nor both days are given.
    """
    if batches is None and (since is None or until is None):
        raise TypeError("read needs both days, since and until, or batches.")
    rows = Figure.objects.filter(is_sum=True, **only)
    rows = rows.filter(batch__isnull=True) if batches is None else rows.filter(batch__in=batches)
    if since is not None:
        rows = rows.filter(day__gte=since)
    if until is not None:
        rows = rows.filter(day__lte=until)
    found: dict[tuple[Any, ...], Counter[Measure]] = {}
    for *group, measure, number in (
        rows.values_list(*by, "measure").annotate(total=Sum("number")).order_by(*by, "measure")
    ):
        # A newer release may have counted more.
        if measure in Measure.values and number:
            found.setdefault(tuple(group), Counter())[Measure(measure)] = number
    return [Row(dict(zip(by, group, strict=True)), numbers) for group, numbers in found.items()]


def sends(since: date, until: date, limit: int = 20) -> list[UUID]:
    """Return the latest *limit* sends of more than one message that went out in these days, the latest first."""
    latest = (
        Figure.objects.filter(measure=Measure.SENT, is_sum=True, batch__isnull=False, number__gt=1)
        .filter(day__gte=since, day__lte=until)
        .order_by("-day", "-pk")
        .values_list("batch", flat=True)
    )
    return list(dict.fromkeys(batch for batch in latest[: 4 * limit] if batch is not None))[:limit]


def append(happened: Iterable[tuple[date, Delivery, Measure]], using: str) -> None:
    """
    Count what happened to deliveries, in the caller's transaction.

    Args:
        happened: The day (UTC), the delivery and what; a delivery whose payload was not read costs a look-up.

        using: The database.
    """
    known = list(happened)
    unread = {delivery.payload_id for _, delivery, _ in known if not Delivery.payload.is_cached(delivery)}
    types = dict(Payload.objects.using(using).filter(pk__in=unread).values_list("pk", "message_type")) if unread else {}
    numbers = Counter(
        (
            day,
            types[delivery.payload_id] if delivery.payload_id in unread else delivery.payload.message_type,
            delivery.category,
            delivery.channel_type,
            delivery.batch,
            measure,
        )
        for day, delivery, measure in known
    )
    fields = ("day", "message_type", "category", "channel_type", "batch", "measure")
    Figure.objects.using(using).bulk_create(
        [Figure(**dict(zip(fields, key, strict=True)), number=number) for key, number in numbers.items()],
        batch_size=CHUNK_SIZE,
    )


def notes_of(from_state: str, to_state: str) -> list[Note]:
    """Return what counts deliveries that were sent, arrived or came back; see `edx_ace.outbox.notes`."""
    measure = _OF_STATES.get(State(to_state)) if to_state else None
    return [] if measure is None else [Note(_APPEND, (datetime.now(UTC).date().isoformat(), measure.value))]


#: One row for each group, with the day and the measure as parameters.
_APPEND = (
    "INSERT INTO ace_tracking_figure "
    "(day, message_type, category, channel_type, batch, measure, number, is_sum) "
    "SELECT DATE(%s), payload.message_type, moved.category, moved.channel_type, moved.batch, %s, COUNT(*), FALSE "
    "FROM {moved} INNER JOIN ace_outbox_payload payload ON payload.uuid = moved.payload_id "
    "GROUP BY payload.message_type, moved.category, moved.channel_type, moved.batch"
)


def append_unsubscription(
    sender: Any, person: str, category: str, channel_type: str, taking: str, source: str, **kwargs: Any
) -> None:
    """Count a person who turned something off; a receiver of `edx_ace.signals.choice_changed`."""
    if taking != "off" or source not in (ONE_CLICK, PAGE, PROVIDER):
        return
    using = router.db_for_write(Figure)
    sent = Delivery.objects.using(using).filter(recipient=person, channel_type=channel_type, state__in=ACCEPTED)
    if category:
        sent = sent.filter(category=category)
    last = sent.select_related("payload").defer("payload__content").order_by("-pk").first()
    if last is not None:
        append([(datetime.now(UTC).date(), last, Measure.UNSUBSCRIBED)], using)


def fold(limit: int = 2000) -> int:
    """
    Add up to *limit* new figures to the sums and return how many rows these were; a chore of the sweep.

    Others may append meanwhile; a reader sees the sums of before or those of after.
    """
    using = router.db_for_write(Figure)
    rows = Figure.objects.using(using)
    with transaction.atomic(using):
        new = list(rows.filter(is_sum=False).order_by("pk").select_for_update(skip_locked=True)[:limit])
        if not new:
            return 0
        numbers: Counter[tuple[Any, ...]] = Counter()
        for row in new:
            for batch in {row.batch, None}:
                numbers[_place(row, batch)] += row.number
        days = {row.day for row in new}
        there = rows.filter(is_sum=True, day__in=days)
        of_sends = there.filter(batch__in={row.batch for row in new if row.batch is not None})
        of_all = there.filter(batch__isnull=True)
        sums: dict[tuple[Any, ...], Figure] = {}
        for found in (of_all, of_sends):
            for total in found.order_by("pk").select_for_update():
                sums.setdefault(_place(total, total.batch), total)
        fresh, changed = [], []
        for place, number in numbers.items():
            if place in sums:
                sums[place].number += number
                changed.append(sums[place])
            else:
                fresh.append(Figure(**dict(zip(_PLACE, place, strict=True)), number=number, is_sum=True))
        rows.bulk_create(fresh, batch_size=CHUNK_SIZE)
        rows.bulk_update(changed, ["number"], batch_size=CHUNK_SIZE)
        rows.filter(pk__in=[row.pk for row in new]).delete()
    return len(new)


_PLACE = ("day", "message_type", "category", "channel_type", "measure", "batch")


def _place(row: Figure, batch: UUID | None) -> tuple[Any, ...]:
    return row.day, row.message_type, row.category, row.channel_type, row.measure, batch
