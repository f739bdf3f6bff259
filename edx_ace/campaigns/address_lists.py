"""
Public: lists of addresses that somebody brings as a CSV file.

The file is UTF-8, with commas, semicolons or tabs between columns, and begins with a line that names them: ``address``,
and perhaps ``name`` and ``language``. It is read and written as a stream, so that its size does not matter. If
anything is wrong with it, that is told by line, up to a thousand times, and nothing is kept.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import IO, Any

import attrs
from django.db import router, transaction
from django.utils.translation import gettext as _

from edx_ace.campaigns import calls
from edx_ace.campaigns.access import require
from edx_ace.campaigns.errors import ConflictError, Problem, RefusedError, with_nearest
from edx_ace.campaigns.host import Action
from edx_ace.campaigns.models import AddressList, ListedAddress
from edx_ace.channel import ChannelType
from edx_ace.channel.mailbox import parse_mailbox
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox.people import address_key
from edx_ace.text import is_sendable, one_line

#: The columns that a file may have; it has to have the first.
COLUMNS = ("address", "name", "language")
#: Rows that are written at a time.
CHUNK_SIZE = 1000
#: Bytes that are read at a time.
BLOCK_SIZE = 65_536
#: How many problems of one file are told: after these the rest of it is not read.
MAX_PROBLEMS = 1000
#: Longest name of somebody, in characters.
MAX_NAME_LENGTH = 200

_DELIMITERS = ",;\t"
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,3}", re.A)


@attrs.frozen
class Imported:
    """
    What came of a file.

    Attributes:
        addresses: The list that was made.

        number: How many addresses are on it.

        duplicates: A problem, none of them an error, for each line whose address came before, up to a thousand.
    """

    addresses: AddressList
    number: int
    duplicates: list[Problem]


def import_addresses(
    user: Any, file: IO[bytes], name: str, scope: str = "", *, idempotency_key: str | None = None
) -> Imported:
    """
    Make a list called *name* of the addresses in *file*.

    Args:
        user: Who brings it; None: the system.

        file: Opened for bytes.

        name: What people call the list.

        scope: What it belongs to.

        idempotency_key: As for `edx_ace.campaigns.create`, for a week.

    Raises:
        ForbiddenError: If the user may not write in *scope*.
        RefusedError: If something is wrong with the name or the file, with a problem for each line.
    """
    require(user, Action.WRITE, scope)
    name = one_line(name)
    if not 0 < len(name) <= MAX_NAME_LENGTH or not is_sendable(name):
        raise RefusedError([Problem("bad_name", _("A name has 1 to 200 characters."), "name")])

    def do() -> Imported:
        made = AddressList.objects.create(name=name, scope=scope, author=user)
        reader = _Reader(file)
        writer = _Writer(made)
        rows = reader.rows()
        while chunk := list(islice(rows, CHUNK_SIZE)):
            # After the first error nothing is kept: the rest is read for further errors.
            if not reader.problems:
                writer.write(chunk)
        if not reader.problems and not writer.number:
            reader.problems.append(Problem("empty", _("There are no addresses in this file."), "file"))
        if reader.problems:
            raise RefusedError(reader.problems)
        return Imported(made, writer.number, list(map(_duplicate, writer.duplicates)))

    with transaction.atomic(router.db_for_write(AddressList)):
        return calls.once(user, f"import_addresses:{scope}", idempotency_key, do, _kept, _found)


def _kept(imported: Imported) -> dict[str, Any]:
    return {
        "list": imported.addresses.pk,
        "number": imported.number,
        "duplicates": [one.line for one in imported.duplicates],
    }


def _found(kept: Mapping[str, Any]) -> Imported:
    made = AddressList.objects.filter(pk=kept["list"]).first()
    if made is None:
        raise ConflictError(_("This list has been deleted."))
    return Imported(made, kept["number"], list(map(_duplicate, kept["duplicates"])))


def _duplicate(line: int) -> Problem:
    text = _("The address in this line came before; it is on the list once.")
    return Problem("duplicate", text, "file", line, is_error=False)


@attrs.frozen
class _Row:
    """One address of a file."""

    line: int
    key: str
    address: str
    name: str
    language: str


class _Writer:
    """Writes rows to a list, each address once."""

    def __init__(self, made: AddressList) -> None:
        self._list = made
        self.number = 0
        #: The lines of addresses that came before.
        self.duplicates: list[int] = []

    def write(self, rows: list[_Row]) -> None:
        """Write *rows*, but for those whose address is there already."""
        there = set(
            ListedAddress.objects.filter(list=self._list, key__in=[row.key for row in rows]).values_list(
                "key", flat=True
            )
        )
        new = []
        for row in rows:
            if row.key in there:
                if len(self.duplicates) < MAX_PROBLEMS:
                    self.duplicates.append(row.line)
                continue
            there.add(row.key)
            new.append(
                ListedAddress(list=self._list, key=row.key, address=row.address, name=row.name, language=row.language)
            )
        ListedAddress.objects.bulk_create(new)
        self.number += len(new)


class _Reader:
    """Reads a file; what is wrong with it is in `problems`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.problems: list[Problem] = []

    def rows(self) -> Iterator[_Row]:
        """Yield what is right, line by line."""
        lines = enumerate(_lines(self._file), start=1)
        for number, line in lines:
            first = self._decoded(number, line.removeprefix(codecs.BOM_UTF8))
            delimiter = max(_DELIMITERS, key=first.count)
            columns = self._columns(self._cells(number, first, delimiter))
            break
        else:
            columns = self._columns([])
        if self.problems:
            return
        for number, line in lines:
            if len(self.problems) >= MAX_PROBLEMS:
                self._add("too_many", number, _("The rest of the file was not read. Correct the lines before first."))
                return
            cells = self._cells(number, self._decoded(number, line), delimiter)
            if any(cell.strip() for cell in cells):
                row = self._row(number, columns, cells)
                if row is not None:
                    yield row

    def _decoded(self, number: int, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError:
            self._add("bad_encoding", number, _("The line is not UTF-8. Save the file as CSV in UTF-8."))
            return ""

    def _cells(self, number: int, line: str, delimiter: str) -> list[str]:
        try:
            # Line by line, so that a quotation mark too many spoils one.
            return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            self._add("bad_row", number, _("The line cannot be read: %(error)s.") % {"error": error})
            return []

    def _columns(self, cells: Sequence[str]) -> list[str]:
        columns = [cell.strip().lower() for cell in cells]
        for column in columns:
            if column not in COLUMNS:
                text = _("There is no column “%(name)s”. Known: %(known)s.")
                text %= {"name": column[:100], "known": ", ".join(COLUMNS)}
                self._add("unknown_column", 1, with_nearest(text, column, COLUMNS))
        if not self.problems and "address" not in columns:
            self._add("no_column", 1, _("The first line has to name the columns; one of them is address."))
        if len(set(columns)) < len(columns):
            self._add("twice", 1, _("A column is there twice."))
        return columns

    def _row(self, line: int, columns: list[str], cells: list[str]) -> _Row | None:
        if len(cells) > len(columns):
            text = _("The line has %(number)d columns, %(expected)d are named.")
            self._add("bad_row", line, text % {"number": len(cells), "expected": len(columns)})
            return None
        values: Mapping[str, str] = {name: one_line(cell) for name, cell in zip(columns, cells, strict=False)}
        before = len(self.problems)
        name, language = values.get("name", ""), values.get("language", "")
        key, address = "", values.get("address", "")
        try:
            mailbox = parse_mailbox(address, "address", smtputf8=True)
            key, address = address_key(ChannelType.EMAIL, address) or "", mailbox.address
            name = name or mailbox.name
        except InvalidMessageError:
            text = _("“%(address)s” is no address.") if address else _("There is no address in this line.")
            self._add("bad_address", line, text % {"address": address[:100]})
        if len(name) > MAX_NAME_LENGTH or not is_sendable(name):
            self._add("bad_name", line, _("A name has at most %(most)d characters.") % {"most": MAX_NAME_LENGTH})
        if language and not _LANGUAGE.fullmatch(language):
            text = _("Expected the code of a language, such as de or pt-br, given “%(given)s”.")
            self._add("bad_language", line, text % {"given": language[:100]})
        if len(self.problems) > before:
            return None
        return _Row(line, key, address, name, language.lower().replace("_", "-"))

    def _add(self, code: str, line: int, text: str) -> None:
        self.problems.append(Problem(code, text, "file", line))


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of *file* with their ends; one that is too long for an address, in parts."""
    rest = b""
    while block := file.read(BLOCK_SIZE):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > BLOCK_SIZE:
            yield rest
            rest = b""
    if rest:
        yield rest
