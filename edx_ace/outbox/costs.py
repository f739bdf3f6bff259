"""
Public: what was sent over a channel, and what it cost: a price for each unit, as ACE_PRICES says.

Each attempt keeps its units and its price. What a channel came to on a day is appended in the transaction that records
a window, as the counts of a send are, and added up by the sweep: `spent` reads a few rows, and stays right when
attempts are purged.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import router, transaction
from django.db.models import Sum

from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import Attempt, Expense
from edx_ace.report import Attempt as Reported
from edx_ace.report import Outcome

LOG = logging.getLogger(__name__)

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


def append(channel: str, attempts: Sequence[Attempt], using: str) -> None:
    """Add those of *attempts* that were sent to what the channel came to today; a part of the caller's transaction."""
    sent = [attempt for attempt in attempts if attempt.outcome == str(Outcome.SENT)]
    if sent and channel in settings.PRICES:
        Expense.objects.using(using).create(
            channel=channel,
            # The worker's clock: a month does not begin to the second.
            day=datetime.now(UTC).date(),
            units=sum(attempt.units for attempt in sent),
            price=sum((attempt.price for attempt in sent), Decimal(0)),
        )


def spent(channels: Collection[str], since: date, until: date = date.max) -> dict[str, Decimal]:
    """Return what each of *channels* has come to on the days from *since* to *until*, in one query; 0 without a row."""
    rows = Expense.objects.filter(channel__in=channels, day__range=(since, until)).order_by()
    found = dict(rows.values_list("channel").annotate(total=Sum("price")))
    return {channel: found.get(channel, Decimal(0)) for channel in channels}


def fold(limit: int = 2000) -> int:
    """Add up to *limit* new expenses to the sum of their channel and day, and return how many rows went."""
    using = router.db_for_write(Expense)
    rows = Expense.objects.using(using)
    gone = []
    with transaction.atomic(using):
        new = list(rows.filter(is_sum=False).order_by("pk").select_for_update(skip_locked=True)[:limit])
        if not new:
            return 0
        there = rows.filter(
            is_sum=True, channel__in={one.channel for one in new}, day__in={one.day for one in new}
        ).order_by("pk")
        sums = {(one.channel, one.day): one for one in there.select_for_update()}
        for one in new:
            # Where there is none yet, the first becomes the sum.
            total = sums.setdefault((one.channel, one.day), one)
            if total is not one:
                total.units += one.units
                total.price += one.price
                gone.append(one.pk)
            total.is_sum = True
        rows.bulk_update(sums.values(), ["units", "price", "is_sum"], batch_size=limit)
        rows.filter(pk__in=gone).delete()
    return len(gone)
