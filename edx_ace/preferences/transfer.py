"""
Public: choices from and to CSV, such as the opt-outs that a host has already.

The columns are `COLUMNS`, in any order, named in the first line. A person is named by the host's id or by their email
address; what was exported names those without an account by the digest that tables keep.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TextIO

import attrs
from django.db import connections, router, transaction
from django.db.models import Q

from edx_ace.channel import ChannelType
from edx_ace.errors import AceError
from edx_ace.outbox import reconsider
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.people import person_keys_of_address, rehashed, shortened
from edx_ace.preferences.choices import EVERYTHING, HELD, checked
from edx_ace.preferences.errors import ChoiceError, TransferError
from edx_ace.preferences.models import Choice, Taking
from edx_ace.signals import choice_changed
from edx_ace.text import counted, is_sendable

#: ``category`` empty: everything that can be turned off; ``scope`` empty: everywhere.
COLUMNS = ("person", "email", "category", "channel_type", "scope", "taking")

#: Those that a file need not have.
OPTIONAL = ("person", "email", "scope")

#: What may stand between two values, as the first line has it.
SEPARATORS = ",;\t"

#: Rows written at a time.
CHUNK_SIZE = 500

#: How many rows an error lists.
MAX_ERRORS = 100

#: What one row chooses: person, channel type, category, scope.
_Place = tuple[str, str, str, str]


def export_choices(file: TextIO) -> int:
    """Write every choice to *file* and return how many there are; in constant memory."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    number = 0
    rows = Choice.objects.order_by("pk").values_list("person", "category", "channel_type", "scope", "taking")
    for person, *rest in rows.iterator():
        writer.writerow([person, "", *rest])
        number += 1
    return number


def import_choices(file: TextIO, source: str = "import") -> int:
    """
    Make every row of *file* a choice, in place of what was chosen for the same before; return how many rows it has.

    Nothing is written unless all of it is. It takes the memory of a few hundred rows.

    Args:
        file: Text in CSV, opened with ``newline=""``.

        source: Where these choices come from, in at most 20 characters.

    Raises:
        TransferError: With each row that cannot be imported, by its line.
    """
    using = router.db_for_write(Choice)
    errors: list[str] = []
    number = wrong = 0
    with transaction.atomic(using):
        rows = _rows(file)
        while chunk := list(islice(rows, CHUNK_SIZE)):
            good = [row for row in chunk if isinstance(row, _Row)]
            bad = [row for row in chunk if isinstance(row, str)]
            errors += bad[: MAX_ERRORS - len(errors)]
            number, wrong = number + len(chunk), wrong + len(bad)
            if not wrong:
                _write(good, source, using)
        if wrong:
            # Leaves the transaction, which is rolled back.
            raise TransferError(errors, wrong)
    return number


@attrs.frozen
class _Row:
    place: _Place
    taking: Taking


def _rows(file: TextIO) -> Iterator[_Row | str]:
    """Yield each row of *file*, or what is wrong with it."""
    reader = csv.reader(())
    try:
        # A spreadsheet writes a mark at the beginning, and where commas are in numbers another separator.
        first = file.readline().removeprefix("\ufeff")
        separator = max(SEPARATORS, key=first.count)
        reader = csv.reader(chain([first], file), delimiter=separator, strict=True)
        names = [name.strip() for name in next(reader, [])]
        missing = [name for name in COLUMNS if name not in names and name not in OPTIONAL]
        unknown = [name for name in names if name not in COLUMNS]
        if missing or unknown or len(set(names)) < len(names):
            yield (
                f"line 1: expected the names of the columns, each once ({', '.join(COLUMNS)}; {', '.join(OPTIONAL)} "
                f"may be left out), given {', '.join(names) or 'nothing'}."
            )
            return
        for values in reader:
            if not values:
                continue
            try:
                if len(values) != len(names):
                    raise ChoiceError(f"expected {counted(len(names), 'value', 'values')}, given {len(values)}.")
                yield _row(dict(zip(names, (value.strip() for value in values), strict=True)))
            except AceError as error:
                yield f"line {reader.line_num}: {error}"
    except csv.Error as error:
        yield f"line {reader.line_num}: it is no CSV: {error}."
    except UnicodeDecodeError as error:
        yield f"after line {reader.line_num}: it is no text in UTF-8: {error.reason}."


def _row(given: dict[str, str]) -> _Row:
    person, email = given.get("person", ""), given.get("email", "")
    if bool(person) == bool(email):
        raise ChoiceError("expected either a person or an email.")
    if not all(map(is_sendable, given.values())):
        raise ChoiceError("a value holds what not every database keeps.")
    # What was exported before a key was added is known by all keys now.
    key = rehashed(person) or shortened(person) if person else person_keys_of_address(ChannelType.EMAIL, email)[0]
    kind, taking = checked(given["category"], given["channel_type"], given["taking"])
    if given["category"] == EVERYTHING and taking is not Taking.OFF:
        raise ChoiceError("everything can only be turned off; leave the row out to leave it on.")
    return _Row((key, kind, given["category"], shortened(given.get("scope", ""))), taking)


def _write(rows: Iterable[_Row], source: str, using: str) -> None:
    # The last of those for the same counts; in one order, so that two imports do not wait for each other.
    choices = sorted({row.place: row.taking for row in rows}.items())
    people = {place[0] for place, _ in choices}
    columns = ("person", "channel_type", "category", "scope", "taking")
    rows_before = Choice.objects.using(using).filter(person__in=people).values_list(*columns)
    before = {tuple(place): taking for *place, taking in rows_before}
    has_target = connections[using].features.supports_update_conflicts_with_target
    Choice.objects.using(using).bulk_create(
        [
            Choice(
                person=person,
                channel_type=kind,
                category=category,
                scope=scope,
                taking=taking,
                source=source,
                changed_at=DatabaseNow(),
            )
            for (person, kind, category, scope), taking in choices
        ],
        update_conflicts=True,
        unique_fields=["person", "channel_type", "category", "scope"] if has_target else None,
        update_fields=["taking", "source", "changed_at"],
    )
    reconsider(Q(recipient__in=people), due=Q(code=HELD))
    for place, taking in choices:
        if before.get(place) != taking:
            person, kind, category, scope = place
            choice_changed.send(
                None,
                person=person,
                category=category,
                channel_type=kind,
                scope=scope,
                taking=str(taking),
                source=source,
            )
