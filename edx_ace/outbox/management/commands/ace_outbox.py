"""
Internal: ``manage.py ace_outbox``.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.management import BaseCommand, CommandError
from django.core.management.base import no_translations
from django.core.management.color import Style
from django.db import Error, close_old_connections

from edx_ace.outbox import cancel, counts, figures, purge, requeue
from edx_ace.outbox.health import LIMIT, Figures, problems
from edx_ace.outbox.payloads import checked_key
from edx_ace.text import counted

#: Seconds between two looks of the live table.
_LOOK_SECONDS = 2

#: Moves a terminal's cursor to its upper left corner, and clears from there.
_CLEAR = "\x1b[H\x1b[J"

#: Width of the first column, in characters.
_LABEL = 20


class Command(BaseCommand):
    """Shows how the outbox is doing, and operates it."""

    help = (
        "Show how the outbox is doing: on a terminal anew every two seconds until Ctrl-C, elsewhere once. Or stop "
        "messages, try failed ones again, delete old ones, or compare the counts of sends with their rows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print the figures once, as JSON.")
        parser.add_argument("--once", action="store_true", help="Print the table once, on a terminal, too.")
        actions = parser.add_subparsers(dest="action", metavar="action", title="actions")

        one = actions.add_parser("requeue", help="Try again what has failed, with a fresh retry budget.")
        chosen = _add_selectors(one)
        chosen.add_argument("--code", help="All that failed with this code, for example template_missing.")

        one = actions.add_parser("cancel", help="Stop what has not been handed over yet.")
        _add_selectors(one)
        one.add_argument("--wait", action="store_true", help="End only when nothing of it is in flight any more.")

        one = actions.add_parser("purge", help="Delete what ended long ago, with the counts of sends that are gone.")
        one.add_argument(
            "--older-than",
            type=_days,
            metavar="DAYS",
            help="Keep what ended within so many days. Default: ACE_OUTBOX_KEEP_DAYS (90), and "
            "ACE_OUTBOX_KEEP_ATTEMPTS_DAYS (30) for the history of attempts.",
        )

        one = actions.add_parser("check", help="Compare the counts of sends with their rows; reads every row once.")
        one.add_argument("--batch", type=UUID, metavar="UUID", help="Only this send.")
        one.add_argument("--repair", action="store_true", help="Correct the counts.")

    @no_translations
    def handle(self, *args: Any, action: str | None, **options: Any) -> None:
        actions: dict[str | None, Callable[..., None]] = {
            None: self._show,
            "requeue": self._requeue,
            "cancel": self._cancel,
            "purge": self._purge,
            "check": self._check,
        }
        actions[action](**options)

    def _show(self, *, json: bool, once: bool, **options: Any) -> None:
        if json or once or not self.stdout.isatty():
            try:
                found = figures()
            except Error as error:
                raise CommandError(_no_answer(error)) from error
            self.stdout.write(_as_json(found) if json else _table(found, self.style))
        else:
            with suppress(KeyboardInterrupt):
                while True:
                    self.stdout.write(_CLEAR + self._look())
                    self.stdout.flush()
                    time.sleep(_LOOK_SECONDS)

    def _look(self) -> str:
        try:
            return _table(figures(), self.style)
        except Error as error:
            # A broken connection is made anew for the next look.
            close_old_connections()
            return self.style.ERROR(_no_answer(error))

    def _requeue(self, *, message: UUID, batch: UUID, key: str, code: str, **options: Any) -> None:
        number = requeue(message, batch=batch, idempotency_key=key, code=code)
        self.stdout.write(f"{_deliveries(number)} queued again.")

    def _cancel(self, *, message: UUID, batch: UUID, key: str, wait: bool, **options: Any) -> None:
        cancelled = cancel(message, batch=batch, idempotency_key=key, wait=wait)
        said = f"{_deliveries(cancelled.stopped)} stopped"
        if cancelled.in_flight:
            said += f"; {counted(cancelled.in_flight, 'was', 'were')} being handed over and "
            said += "landed meanwhile" if wait else "may arrive, without being repeated"
        self.stdout.write(f"{said}.")

    def _purge(self, *, older_than: timedelta | None, **options: Any) -> None:
        self.stdout.write(f"{purge(older_than)}.")

    def _check(self, *, batch: UUID | None, repair: bool, **options: Any) -> None:
        checked = counts.check(batch, repair=repair)
        for difference in checked.differences:
            self.stdout.write(str(difference))
        for busy in checked.busy:
            self.stdout.write(f"send {busy}: not compared, as workers were busy with it; ask again")
        differences = counted(len(checked.differences), "difference", "differences")
        said = f"{differences} in {counted(checked.batches, 'send', 'sends')}"
        if repair:
            self.stdout.write(f"{said}; the counts are corrected." if checked.differences else f"{said}.")
        elif checked.differences:
            raise CommandError(f"{said}. With --repair the counts are corrected.")
        else:
            self.stdout.write(f"{said}.")


def _add_selectors(parser: ArgumentParser) -> Any:
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--message", type=UUID, metavar="UUID", help="One message.")
    chosen.add_argument("--batch", type=UUID, metavar="UUID", help="A whole send: the send_uuid of its messages.")
    chosen.add_argument("--key", type=_key, help="The message that was enqueued under this idempotency key.")
    return chosen


def _key(text: str) -> str:
    try:
        return checked_key(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _days(text: str) -> timedelta:
    try:
        days = timedelta(days=float(text))
    except (ValueError, OverflowError):
        days = timedelta(0)
    if days <= timedelta(0):
        raise ArgumentTypeError(f"expected a number of days above 0, given {text!r}")
    return days


def _deliveries(number: int) -> str:
    return counted(number, "delivery is", "deliveries are")


def _no_answer(error: Error) -> str:
    return f"The database does not answer: {error}".strip()


def _as_json(figures: Figures) -> str:
    return json.dumps({**figures.as_json(), "problems": problems(figures)}, indent=2)


def _table(figures: Figures, style: Style) -> str:
    oldest = ", ".join(f"{name} {_span(seconds)}" for name, seconds in figures.oldest_due_seconds.items())
    lines = [
        style.MIGRATE_HEADING(f"{'Outbox':{_LABEL}}{figures.at:%Y-%m-%d %H:%M:%S} UTC"),
        _line("due", figures.due, f"longest: {oldest}" if oldest else ""),
        _line("later", figures.later),
        _line("retrying", figures.retrying, "of these" if figures.retrying else ""),
        _line("in flight", figures.claimed + figures.handing, f"{figures.handing} being handed over"),
        f"  {'sent a second':{_LABEL - 2}}{figures.sent_per_second:>8,.1f}  over the last minute",
        _line("failed", sum(figures.failed.values()), "within 24 hours"),
        *(_line(f"  {code or 'without a code'}", number) for code, number in figures.failed.items()),
        *(
            style.WARNING(f"  circuit open: {channel} for {_span(seconds)} ({code})")
            for channel, (seconds, code) in figures.circuits.items()
        ),
        *(style.ERROR(sentence) for sentence in problems(figures).values()),
    ]
    return "\n".join(lines)


def _line(label: str, number: int, note: str = "") -> str:
    figure = f"{number:,}{'+' if number >= LIMIT else ''}"
    return f"  {label:{_LABEL - 2}}{figure:>8}  {note}".rstrip()


def _span(seconds: float) -> str:
    """Return *seconds* as people say it: 42 s, 12 min, 3 h or 2 d."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
