"""
Public: what was sent over a channel, and what it cost: a price for each unit, as ACE_PRICES says.

Each attempt keeps its units and its price. What a channel came to on a day, for each message type, category and send,
is appended in the transaction that records a window, as the counts of a send are, and added up by the sweep: `spent`
and `read` read a few rows, and stay right when attempts are purged.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import router, transaction
from django.db.models import Sum

from edx_ace.message import Message
from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import Attempt, Expense
from edx_ace.outbox.people import shortened
from edx_ace.report import Attempt as Reported
from edx_ace.report import Outcome

LOG = logging.getLogger(__name__)

#: What costs are kept by, and can be grouped by.
DIMENSIONS = ("channel", "day", "message_type", "category", "channel_type", "batch")

#: Rows that one statement writes.
CHUNK_SIZE = 500

#: What the columns hold; SQLite adds up in floating point.
_SMALLEST = Decimal("0.000001")

#: Most units that one message may have: what the column holds.
MAX_UNITS = 32767

#: Highest price of one unit that the column of an attempt holds for as many units as a message may have.
MAX_PRICE = Decimal(30)


def parsed_price(value: object) -> Decimal:
    """
    Return *value*, one price of ACE_PRICES, as a number.

    Raises:
        ValueError: If it is no number from 0 to `MAX_PRICE`.
    """
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        price = Decimal("NaN")
    if isinstance(value, bool) or price.is_nan() or not 0 <= price <= MAX_PRICE:
        raise ValueError(f"Expected a price from 0 to {MAX_PRICE} such as '0.0001', given {value!r}.")
    return price


def price_of(channel: str, provider: str = "") -> Decimal:
    """Return what one unit costs over the channel of that name; what ACE_PRICES does not name costs nothing."""
    price = settings.PRICES.get(channel, 0)
    return parsed_price(price.get(provider, 0) if isinstance(price, Mapping) else price)


def is_counted(channel: str, attempt: Reported) -> bool:
    """Return whether *attempt*, which was sent over the channel of that name, has more than one unit, or a price."""
    return channel in settings.PRICES or attempt.units != 1


def of(channel: str, attempt: Reported) -> dict[str, Any]:
    """Return the columns of *attempt*, made over the channel of that name, that say what it cost."""
    if attempt.outcome is not Outcome.SENT:
        return {}
    try:
        units = min(max(attempt.units, 0), MAX_UNITS)
        return {"units": units, "price": units * price_of(channel, attempt.provider)}
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        # It was sent: not to be recorded would make it go again.
        LOG.error("What a message over %s cost cannot be told: %s: %s", channel, type(error).__name__, error)
        return {}


def append(channel: str, attempts: Sequence[Attempt], messages: Mapping[int, Message], using: str) -> None:
    """
    Add those of *attempts* that were sent to what the channel came to today; a part of the caller's transaction.

    Args:
        channel: The name of the channel.

        attempts: What was tried, with its deliveries.

        messages: What each delivery is of, by the key of the delivery.

        using: The database.
    """
    if channel not in settings.PRICES:
        return
    # The worker's clock: a month does not begin to the second.
    day = datetime.now(UTC).date()
    groups: defaultdict[_Place, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if attempt.outcome == str(Outcome.SENT):
            row = attempt.delivery
            message_type = shortened(messages[row.pk].unique_name)
            groups[channel, day, message_type, row.category, row.channel_type, row.batch].append(attempt)
    Expense.objects.using(using).bulk_create(
        [
            Expense(
                **_named(place),
                units=sum(attempt.units for attempt in sent),
                price=sum((attempt.price for attempt in sent), Decimal(0)),
            )
            for place, sent in groups.items()
        ],
        batch_size=CHUNK_SIZE,
    )


def spent(channels: Collection[str], since: date, until: date = date.max) -> dict[str, Decimal]:
    """Return what each of *channels* has come to on the days from *since* to *until*, in one query; 0 without a row."""
    rows = Expense.objects.filter(channel__in=channels, day__range=(since, until)).order_by().values_list("channel")
    # Each has an index of its own.
    sums, new = rows.filter(is_sum=True, batch__isnull=True), rows.filter(is_sum=False)
    found = dict.fromkeys(channels, Decimal(0))
    for channel, price in sums.annotate(total=Sum("price")).union(new.annotate(total=Sum("price")), all=True):
        found[channel] += price
    return found


def read(
    by: Sequence[str],
    *,
    since: date | None = None,
    until: date | None = None,
    batches: Collection[UUID] | None = None,
    **only: str,
) -> dict[tuple[Any, ...], Decimal]:
    """
    Return what has been added up of each group, by its value of each dimension; what cost nothing may be missing.

    Args:
        by: Names of `DIMENSIONS` to group by; a batch only where some are given.

        since, until: The first and the last day. None: without limit.

        batches: Only these sends.

        only: Values of other dimensions that are asked for.
    """
    rows = Expense.objects.filter(is_sum=True, **only)
    rows = rows.filter(batch__isnull=True) if batches is None else rows.filter(batch__in=batches)
    if since is not None:
        rows = rows.filter(day__gte=since)
    if until is not None:
        rows = rows.filter(day__lte=until)
    found = rows.order_by().values_list(*by).annotate(total=Sum("price"))
    return {tuple(group): price.quantize(_SMALLEST) for *group, price in found}


def fold(limit: int = 2000) -> int:
    """
    Add up to *limit* new expenses to the sums and return how many rows these were; a chore of the sweep.

    There are sums of each send, and sums of all, which have no batch.
    """
    using = router.db_for_write(Expense)
    rows = Expense.objects.using(using)
    with transaction.atomic(using):
        new = list(rows.filter(is_sum=False).order_by("pk").select_for_update(skip_locked=True)[:limit])
        if not new:
            return 0
        there = rows.filter(is_sum=True, channel__in={one.channel for one in new}, day__in={one.day for one in new})
        of_all = there.filter(batch__isnull=True)
        of_sends = there.filter(batch__in={one.batch for one in new if one.batch is not None})
        sums: dict[_Place, Expense] = {}
        for found in (of_all, of_sends):
            for total in found.order_by("pk").select_for_update():
                sums.setdefault(_place(total, total.batch), total)
        for one in new:
            for batch in {one.batch, None}:
                place = _place(one, batch)
                total = sums.setdefault(place, Expense(**_named(place), units=0, price=Decimal(0), is_sum=True))
                total.units += one.units
                total.price += one.price
        rows.bulk_create([total for total in sums.values() if total.pk is None], batch_size=CHUNK_SIZE)
        rows.bulk_update([total for total in sums.values() if total.pk], ["units", "price"], batch_size=CHUNK_SIZE)
        rows.filter(pk__in=[one.pk for one in new]).delete()
    return len(new)


def purge(until: date) -> int:
    """Delete the sums of single sends of before that day, and return how many these were; the sums of all stay."""
    using = router.db_for_write(Expense)
    rows = Expense.objects.using(using)
    number = 0
    old = rows.filter(batch__isnull=False, is_sum=True, day__lt=until).order_by("day").values_list("pk", flat=True)
    while chunk := list(old[:CHUNK_SIZE]):
        number += rows.filter(pk__in=chunk).delete()[0]
    return number


#: A value of each of `DIMENSIONS`.
_Place = tuple[str, date, str, str, str, UUID | None]


def _place(row: Expense, batch: UUID | None) -> _Place:
    return row.channel, row.day, row.message_type, row.category, row.channel_type, batch


def _named(place: _Place) -> dict[str, Any]:
    return dict(zip(DIMENSIONS, place, strict=True))
