"""
Internal: ``manage.py ace_suppress``.
"""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.core.management import BaseCommand, CommandError

from edx_ace.channel import ChannelType
from edx_ace.errors import AceError
from edx_ace.text import counted
from edx_ace.tracking.errors import ImportRefusedError
from edx_ace.tracking.models import Reason
from edx_ace.tracking.suppression import changes_of_address, export_list, import_list, lift, of_address, suppress


class Command(BaseCommand):
    """Says which addresses must not be used."""

    help = "Say which addresses must not be used: add one, lift it, show what is known of it, import or export a list."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", metavar="action", title="actions", required=True)

        one = actions.add_parser("add", help="Use an address no more.")
        _add_address(one)
        _add_answer(one)
        one.add_argument("--reason", choices=Reason.values, default=Reason.MANUAL.value, help="Default: manual.")
        one.add_argument("--category", default="", help="Only for the messages of this category.")
        one.add_argument("--days", type=float, help="Only for so many days.")

        one = actions.add_parser("lift", help="Let an address be used again.")
        _add_address(one)
        _add_answer(one)
        one.add_argument("--reason", choices=Reason.values, help="Only what was suppressed for it.")
        one.add_argument("--category", help="Only what was suppressed for this category.")

        one = actions.add_parser("show", help="Show what is known of an address.")
        _add_address(one)

        one = actions.add_parser("import", help="Suppress every address of a CSV file, or none if a row is wrong.")
        one.add_argument("file", help="With the names of the columns in its first line, at least address; - is stdin.")
        _add_answer(one)

        one = actions.add_parser("export", help="Write all as CSV.")
        one.add_argument("file", help="Where to; - is stdout.")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            getattr(self, f"_{action}")(**options)
        except ImportRefusedError as error:
            for line, text in error.rows:
                self.stderr.write(f"line {line}: {text}")
            raise CommandError(str(error)) from None
        except (AceError, OSError, OverflowError) as error:
            raise CommandError(str(error)) from None

    def _add(self, *, days: float | None, reason: str, category: str, **options: Any) -> None:
        expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
        is_new = suppress(
            options["address"],
            reason,
            who=options["who"],
            why=options["why"],
            channel_type=options["channel_type"],
            category=category,
            expires_at=expires_at,
        )
        self.stdout.write("It is suppressed." if is_new else "It was suppressed already.")

    def _lift(self, *, reason: str | None, category: str | None, **options: Any) -> None:
        number = lift(
            options["address"],
            who=options["who"],
            why=options["why"],
            channel_type=options["channel_type"],
            category=category,
            reason=reason,
        )
        self.stdout.write(f"{counted(number, 'suppression is', 'suppressions are')} lifted.")

    def _show(self, *, address: str, channel_type: str, **options: Any) -> None:
        rows = of_address(ChannelType(channel_type), address).order_by("pk")
        for row in rows:
            until = f" until {row.expires_at:%Y-%m-%d %H:%M} UTC" if row.expires_at else ""
            self.stdout.write(f"{row.reason}: {row.category or 'everything'}{until}")
        if not rows:
            self.stdout.write("It is not suppressed.")
        for change in changes_of_address(ChannelType(channel_type), address).order_by("pk"):
            why = f": {change.why}" if change.why else ""
            self.stdout.write(
                f"  {change.at:%Y-%m-%d %H:%M} {change.action} by {change.who}: {change.reason}, "
                f"{change.category or 'everything'}{why}"
            )

    def _import(self, *, file: str, who: str, why: str, **options: Any) -> None:
        with _opened(file, "r") as opened:
            number = import_list(opened, who=who, why=why)
        self.stdout.write(
            f"{counted(number, 'address is suppressed that was', 'addresses are suppressed that were')} not."
        )

    def _export(self, *, file: str, **options: Any) -> None:
        if file == "-":
            export_list(self.stdout)  # type: ignore[arg-type]  # it has what a writer needs
        else:
            with _opened(file, "w") as opened:
                number = export_list(opened)
            self.stdout.write(f"{counted(number, 'suppression is', 'suppressions are')} written.")


def _add_address(parser: ArgumentParser) -> None:
    parser.add_argument("address")
    parser.add_argument(
        "--channel-type",
        choices=[member.value for member in ChannelType.__members__.values()],
        default="email",
        help="Over which it is used. Default: email.",
    )


def _add_answer(parser: ArgumentParser) -> None:
    parser.add_argument("--who", default=_user(), help="For the audit log. Default: the name of who runs the command.")
    parser.add_argument("--why", default="", help="For the audit log.")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "manage.py"


def _opened(file: str, mode: str) -> Any:
    if file == "-":
        return nullcontext(sys.stdin)
    opened: IO[str] = Path(file).open(mode, encoding="utf-8", newline="")  # noqa: SIM115  # the caller closes it
    return opened
