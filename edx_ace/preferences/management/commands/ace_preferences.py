"""
Internal: ``manage.py ace_preferences``.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

from django.core.management import BaseCommand, CommandError

from edx_ace.preferences.errors import TransferError
from edx_ace.preferences.transfer import COLUMNS, export_choices, import_choices
from edx_ace.text import counted


class Command(BaseCommand):
    """Brings choices in from CSV, or writes them there."""

    help = (
        "Import what people chose, such as the opt-outs that a site has already, or export it. The CSV is in UTF-8; "
        f"its columns are {', '.join(COLUMNS)}."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", metavar="action", required=True, title="actions")
        one = actions.add_parser("import", help="Make every row a choice, or, if one of them cannot be, none.")
        one.add_argument("file", help="The CSV; - reads from the standard input.")
        one = actions.add_parser("export", help="Write every choice.")
        one.add_argument("file", nargs="?", default="-", help="Where to; by default to the standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        """
        Do what the action says.

        Raises:
            CommandError: If a file cannot be used, or rows cannot be imported.
        """
        try:
            if options["action"] == "export":
                with _opened(options["file"], "w", self.stdout) as file:
                    number = export_choices(file)
                self.stderr.write(f"{counted(number, 'choice', 'choices')} exported.", ending="\n")
            else:
                with _opened(options["file"], "r", sys.stdin) as file:
                    number = import_choices(file)
                self.stdout.write(f"{counted(number, 'choice', 'choices')} imported.")
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from error
        except TransferError as error:
            raise CommandError(str(error)) from error


@contextmanager
def _opened(name: str, mode: Literal["r", "w"], standard: Any) -> Iterator[TextIO]:
    if name == "-":
        yield standard
    else:
        with Path(name).open(mode, encoding="utf-8", newline="") as file:
            yield file
