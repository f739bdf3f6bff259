"""
Public: addresses that must not be used: suppressing, lifting, looking up, and lists of them.

`edx_ace.tracking` has `suppress` and `lift`; the policy ``suppression`` and a guard keep to it. Each reason is a row of
its own, so that a complaint never hides a bounce. Every change leaves a line in the audit log.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import IO

import attrs
from django.db import router, transaction
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from edx_ace import categories
from edx_ace.channel import ChannelType
from edx_ace.channel.base import channel_type_of
from edx_ace.errors import AceError
from edx_ace.outbox import reconsider
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.people import address_key, person_keys_of_address
from edx_ace.outbox.redaction import keepable, redacted
from edx_ace.text import shown
from edx_ace.tracking.errors import ImportRefusedError, SuppressionError
from edx_ace.tracking.models import Reason, Suppression, SuppressionChange

#: Rows that are written together.
CHUNK_SIZE = 500

#: Columns of a list, of which only the first has to be there.
COLUMNS = ("address", "channel_type", "category", "reason", "expires_at")

_Action = SuppressionChange.Action


@attrs.frozen
class _Entry:
    """One address that is not to be used, checked."""

    channel_type: str
    digest: str
    address: str
    category: str
    reason: Reason
    expires_at: datetime | None

    @property
    def place(self) -> tuple[str, str, str, str]:
        return self.digest, self.channel_type, self.category, str(self.reason)


def suppress(
    address: str,
    reason: Reason | str,
    *,
    who: str,
    why: str = "",
    channel_type: ChannelType | str = ChannelType.EMAIL,
    category: str = "",
    expires_at: datetime | None = None,
) -> bool:
    """
    Use *address* no more; a part of the caller's transaction. Once that is committed, no permit is given for it.

    Args:
        address: As people write it.

        reason: Why; essential messages go all the same where it is one of `PASSED_BY_ESSENTIAL`.

        who: Who decided so, for the audit log: a user's name, a provider.

        why: The same in words, for the audit log.

        channel_type: Over which the address is used.

        category: Only for its messages; empty: for all.

        expires_at: Until when (aware); None: until it is lifted. What was suppressed for longer stays so.

    Returns:
        Whether that is new.

    Raises:
        SuppressionError, UnknownCategoryError, InvalidMessageError: If that cannot be suppressed.
    """
    return bool(_add([_entry(address, channel_type, category, reason, expires_at)], who, why))


def lift(
    address: str,
    *,
    who: str,
    why: str = "",
    channel_type: ChannelType | str = ChannelType.EMAIL,
    category: str | None = None,
    reason: Reason | str | None = None,
) -> int:
    """
    Let *address* be used again, and return how many suppressions that lifted; a part of the caller's transaction.

    Args:
        address, who, why, channel_type: As for `suppress`.

        category: Only what was suppressed for it; None: everything.

        reason: Only what was suppressed for it; None: whatever it was.

    Raises:
        SuppressionError, InvalidMessageError: If that cannot be one.
    """
    chosen = of_address(channel_type_of(channel_type, SuppressionError), address)
    if category is not None:
        chosen = chosen.filter(category=category)
    if reason is not None:
        chosen = chosen.filter(reason=_reason(reason))
    return lift_all(chosen, who=who, why=why)


def lift_all(chosen: QuerySet[Suppression], *, who: str, why: str = "") -> int:
    """Lift the *chosen* suppressions, and return how many."""
    with transaction.atomic(router.db_for_write(Suppression)):
        rows = list(chosen.using(router.db_for_write(Suppression)).select_for_update())
        Suppression.objects.filter(pk__in=[row.pk for row in rows]).delete()
        _note(rows, _Action.LIFTED, who, why)
    return len(rows)


def of_address(channel_type: ChannelType, address: str) -> QuerySet[Suppression]:
    """
    Return the suppressions of *address*, those that have expired, too.

    Raises:
        InvalidMessageError: If the address of an email is not exactly one mailbox.
    """
    return Suppression.objects.filter(
        digest__in=person_keys_of_address(channel_type, address), channel_type=str(channel_type)
    )


def changes_of_address(channel_type: ChannelType, address: str) -> QuerySet[SuppressionChange]:
    """
    Return what the audit log says about *address*.

    Raises:
        InvalidMessageError: If the address of an email is not exactly one mailbox.
    """
    return SuppressionChange.objects.filter(
        digest__in=person_keys_of_address(channel_type, address), channel_type=str(channel_type)
    )


def in_force() -> Q:
    """Return what matches the suppressions that have not expired."""
    return Q(expires_at__isnull=True) | Q(expires_at__gt=DatabaseNow())


def import_list(file: IO[str], *, who: str, why: str = "") -> int:
    """
    Suppress every address of a CSV file, or none; return how many were new.

    Args:
        file: With the names of its columns in the first line: see `COLUMNS`. Without a reason it is ``import``.

        who, why: As for `suppress`.

    Raises:
        ImportRefusedError: If a row cannot be imported; it lists all of them.
    """
    reader = csv.DictReader(file)
    unknown = [name for name in reader.fieldnames or () if name not in (*COLUMNS, "created_at")]
    if "address" not in (reader.fieldnames or ()) or unknown:
        named = ", ".join(map(shown, unknown or reader.fieldnames or ())) or "nothing"
        expected = f"Expected the columns {', '.join(COLUMNS)} in the first line, given {named}."
        raise ImportRefusedError([(1, expected)])
    number = 0
    refused: list[tuple[int, str]] = []
    with transaction.atomic(router.db_for_write(Suppression)):
        rows = _read(reader, refused)
        while chunk := list(islice(rows, CHUNK_SIZE)):
            number += len(_add(chunk, who, why)) if not refused else 0
        if refused:
            raise ImportRefusedError(refused)
    return number


def export_list(file: IO[str]) -> int:
    """Write every suppression whose address has not been erased as CSV, and return how many."""
    writer = csv.writer(file)
    writer.writerow([*COLUMNS, "created_at"])
    number = 0
    rows = Suppression.objects.filter(address__isnull=False).order_by("pk")
    for row in rows.iterator(CHUNK_SIZE):
        expires_at = row.expires_at.isoformat() if row.expires_at else ""
        writer.writerow(
            [row.address, row.channel_type, row.category, row.reason, expires_at, row.created_at.isoformat()]
        )
        number += 1
    return number


def _read(reader: Iterable[dict[str, str]], refused: list[tuple[int, str]]) -> Iterator[_Entry]:
    """Yield the entries of a file, and note the rows that are none."""
    rows = iter(reader)
    for line in range(2, 2**62):
        try:
            row = next(rows)
        except StopIteration:
            return
        except (csv.Error, UnicodeDecodeError) as error:
            refused.append((line, f"It cannot be read: {error}."))
            return
        try:
            if None in row or None in row.values():
                raise SuppressionError("It has another number of fields than the first line.")
            yield _entry(
                row["address"],
                row.get("channel_type") or ChannelType.EMAIL,
                row.get("category") or "",
                row.get("reason") or Reason.IMPORTED,
                _moment(row.get("expires_at") or ""),
            )
        except AceError as error:
            refused.append((line, str(error)))


def _entry(
    address: str, channel_type: ChannelType | str, category: str, reason: Reason | str, expires_at: datetime | None
) -> _Entry:
    kind = channel_type_of(channel_type, SuppressionError)
    key = address_key(kind, address)
    if key is None:
        raise SuppressionError("Expected an address, given none.")
    if category:
        categories.get(category)
    if expires_at is not None and expires_at.tzinfo is None:
        raise SuppressionError(f"expires_at must be an aware datetime, given {expires_at!r}.")
    digest = person_keys_of_address(kind, address)[0]
    return _Entry(str(kind), digest, key, category, _reason(reason), expires_at)


def _add(entries: Sequence[_Entry], who: str, why: str) -> list[Suppression]:
    """Write *entries*, and return the suppressions that are new or go further than before."""
    using = router.db_for_write(Suppression)
    rows = Suppression.objects.using(using)
    with transaction.atomic(using):
        there = rows.filter(digest__in={entry.digest for entry in entries})
        known = {(row.digest, row.channel_type, row.category, row.reason): row for row in there}
        new: list[Suppression] = []
        changed: list[Suppression] = []
        for entry in entries:
            row = known.get(entry.place)
            if row is None:
                row = known[entry.place] = Suppression(**attrs.asdict(entry), created_at=DatabaseNow())
                new.append(row)
            elif _is_longer(entry.expires_at, row.expires_at) or row.address is None:
                row.address = entry.address
                row.expires_at = _longest(entry.expires_at, row.expires_at)
                changed.append(row)
        # Somebody else may be writing the same at this moment, which is as good.
        rows.bulk_create(new, ignore_conflicts=True)
        rows.bulk_update([row for row in changed if row.pk], ["address", "expires_at"])
        changed = [row for row in changed if row not in new]
        _note([*new, *changed], _Action.ADDED, who, why)
        for channel_type in {entry.channel_type for entry in entries}:
            addresses = {entry.address for entry in entries if entry.channel_type == channel_type}
            reconsider(Q(address__in=addresses, channel_type=channel_type))
    return [*new, *changed]


def _note(rows: Iterable[Suppression], action: SuppressionChange.Action, who: str, why: str) -> None:
    SuppressionChange.objects.using(router.db_for_write(Suppression)).bulk_create(
        SuppressionChange(
            digest=row.digest,
            channel_type=row.channel_type,
            category=row.category,
            reason=row.reason,
            action=action,
            who=keepable(who, 150),
            why=redacted(why),
            at=DatabaseNow(),
        )
        for row in rows
    )


def _is_longer(one: datetime | None, other: datetime | None) -> bool:
    return other is not None and (one is None or one > other)


def _longest(one: datetime | None, other: datetime | None) -> datetime | None:
    return one if _is_longer(one, other) else other


def _reason(given: Reason | str) -> Reason:
    try:
        return Reason(given)
    except ValueError:
        raise SuppressionError(f"Expected one of {', '.join(Reason.values)}, given {shown(given)}.") from None


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise SuppressionError(f"Expected a moment such as 2030-01-31T00:00:00+00:00, given {shown(text)}.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
