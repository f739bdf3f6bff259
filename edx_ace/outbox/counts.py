"""
Internal: the counts of each send, which every transition appends to in its own transaction.

No row is hot, and no figure needs a scan: a reader adds up what is there. The sweep folds what was appended into one
row for each send and transition, and forgets a send of which nothing is left. `check` compares the counts with the
rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from uuid import UUID

import attrs
from django.db import router, transaction
from django.db.models import Count as Number
from django.db.models import Exists, OuterRef, Sum

from edx_ace.outbox.models import Count, Delivery, Payload

#: Sends that are checked together, and rows that one statement writes.
CHUNK_SIZE = 500

#: How often a send is looked at anew because workers were busy with it.
_TRIES = 5


@attrs.frozen
class Difference:
    """
    A send whose counts are not those of its rows.

    Attributes:
        batch: Its id.

        state: Of the deliveries.

        counted, rows: How many there are by the counts, and by the rows.
    """

    batch: UUID
    state: str
    counted: int
    rows: int

    def __str__(self) -> str:
        return f"send {self.batch}: {self.counted} {self.state} by the counts, {self.rows} by the rows"


@attrs.frozen
class Checked:
    """
    What `check` found.

    Attributes:
        batches: How many sends were compared.

        differences: Where counts and rows differ.

        busy: Sends that changed whenever they were looked at.
    """

    batches: int
    differences: list[Difference]
    busy: list[UUID]


def of_batch(batch: UUID, using: str) -> Counter[str]:
    """Return how many deliveries of *batch* are in each state."""
    return of_batches([batch], using)[batch]


def of_batches(batches: Iterable[UUID], using: str) -> dict[UUID, Counter[str]]:
    """Return the same for each of *batches*, with one query."""
    arrows = _appended(batches, using)
    return {batch: _net(arrows[batch]) for batch in batches}


def fold(limit: int = 2000) -> int:
    """
    Add up to *limit* new counts to the sums, one for each batch and transition, and return how many rows went.

    Others may append meanwhile; a reader sees the rows of before or those of after. Sums that cancel one another out,
    as those of a send do whose deliveries were purged, say nothing and go as well.
    """
    using = router.db_for_write(Count)
    counts = Count.objects.using(using)
    with transaction.atomic(using):
        new = list(counts.filter(is_sum=False).order_by("pk").select_for_update(skip_locked=True)[:limit])
        there = counts.filter(is_sum=True, batch__in={count.batch for count in new})
        sums = {(one.batch, one.from_state, one.to_state): one for one in there.order_by("pk").select_for_update()}
        changed, gone = {}, []
        for count in new:
            # Where there is none yet, the first becomes the sum.
            total = sums.setdefault((count.batch, count.from_state, count.to_state), count)
            if total is not count:
                total.number += count.number
                gone.append(count.pk)
            total.is_sum = True
            changed[total.pk] = total
        by_batch = defaultdict(list)
        for total in sums.values():
            by_batch[total.batch].append(total)
        for totals in by_batch.values():
            arrows: Counter[tuple[str, str]] = Counter()
            for total in totals:
                arrows[total.from_state, total.to_state] += total.number
            if not _net(arrows):
                gone += [total.pk for total in totals]
                for total in totals:
                    changed.pop(total.pk, None)
        counts.bulk_update(changed.values(), ["number", "is_sum"], batch_size=CHUNK_SIZE)
        counts.filter(pk__in=gone).delete()
    return len(gone)


def check(batch: UUID | None = None, *, repair: bool = False) -> Checked:
    """
    Compare the counts of every send, or of *batch* alone, with its rows.

    Reads every row of the table once, in the order of an index, a few hundred sends at a time, and locks nothing:
    counts that did not change from before the rows were read until after it belong to them.

    Args:
        batch: Only this send.

        repair: Append what is missing, so that the counts become those of the rows.
    """
    using = router.db_for_write(Count)
    differences: list[Difference] = []
    busy: list[UUID] = []
    number = 0
    batches = iter([batch]) if batch else _batches(using)
    while chunk := list(islice(batches, CHUNK_SIZE)):
        number += len(chunk)
        for _ in range(_TRIES):
            found, chunk = _compare(chunk, using)
            differences += found
            if not chunk:
                break
        busy += chunk
    if repair:
        Count.objects.using(using).bulk_create(map(_correction, differences), batch_size=CHUNK_SIZE)
    return Checked(number, differences, busy)


def _compare(batches: list[UUID], using: str) -> tuple[list[Difference], list[UUID]]:
    """Return the differences of those of *batches* that stood still, and the others."""
    before = _appended(batches, using)
    rows: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    by_state = (
        Delivery.objects.using(using)
        .filter(payload__batch__in=batches, batch__in=batches)
        .values_list("batch", "state")
    )
    for batch, state, number in by_state.annotate(number=Number("pk")).order_by():
        rows[batch][state] = number
    after = _appended(batches, using)
    differences = [
        Difference(batch, state, counted[state], rows[batch][state])
        for batch in batches
        if before[batch] == after[batch]
        for counted in [_net(after[batch])]
        for state in sorted({*counted, *rows[batch]})
        if counted[state] != rows[batch][state]
    ]
    return differences, [batch for batch in batches if before[batch] != after[batch]]


def _correction(difference: Difference) -> Count:
    """Return what makes up for *difference*; added and not set, it is right whatever workers append meanwhile."""
    missing = difference.rows - difference.counted
    arrow = ("", difference.state) if missing > 0 else (difference.state, "")
    return Count(batch=difference.batch, from_state=arrow[0], to_state=arrow[1], number=abs(missing))


def _appended(batches: Iterable[UUID], using: str) -> defaultdict[UUID, Counter[tuple[str, str]]]:
    """Return how many deliveries went from one state to another, by batch."""
    arrows: defaultdict[UUID, Counter[tuple[str, str]]] = defaultdict(Counter)
    counts = Count.objects.using(using).filter(batch__in=list(batches))
    for batch, from_state, to_state, number in (
        counts.values_list("batch", "from_state", "to_state").annotate(total=Sum("number")).order_by()
    ):
        arrows[batch][from_state, to_state] = number
    return arrows


def _net(arrows: Counter[tuple[str, str]]) -> Counter[str]:
    """Return what *arrows* leave in each state; states without any are left out."""
    numbers: Counter[str] = Counter()
    for (from_state, to_state), number in arrows.items():
        numbers[from_state] -= number
        numbers[to_state] += number
    return Counter({state: number for state, number in numbers.items() if number and state})


def _batches(using: str) -> Iterator[UUID]:
    """Yield the id of every send that has counts, then of those that have only rows."""
    counts = Count.objects.using(using)
    yield from counts.order_by("batch").values_list("batch", flat=True).distinct().iterator()
    rows = Payload.objects.using(using).filter(~Exists(counts.filter(batch=OuterRef("batch"))), batch__isnull=False)
    for batch in rows.order_by("batch").values_list("batch", flat=True).distinct().iterator():
        assert batch is not None
        yield batch
