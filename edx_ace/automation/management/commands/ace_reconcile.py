"""
Internal: ``manage.py ace_reconcile``.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.core.management.base import no_translations

from edx_ace.automation import actions
from edx_ace.automation.errors import UnknownActionError
from edx_ace.automation.reconciling import Found, reconcile
from edx_ace.automation.strategy import StrategyEnum

#: Width of the progress bar, in characters.
_BAR = 40

#: Seconds between two drawings of it.
_DRAW_SECONDS = 0.2

_FAILED = "failed"


class Command(BaseCommand):
    """Compares what scheduled messages should exist with what do, and repairs it."""

    help = (
        "Compare for every object which messages should exist with which do, and schedule, update or cancel them: for "
        "objects that were there before an action, and for changes that no signal told. With --verbosity 2 it names "
        "each object about which something is done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--action", action="append", help="Only this one; may be given again. Default: all.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done, and change nothing.")

    @no_translations
    def handle(self, *args: Any, action: list[str] | None, dry_run: bool, verbosity: int, **options: Any) -> None:
        failed = 0
        for one in _chosen(action):
            failed += self._reconcile(one, dry_run, verbosity)[_FAILED]
        if failed:
            raise CommandError(f"{failed:,} could not be looked at.")

    def _reconcile(self, action: actions.Action, dry_run: bool, verbosity: int) -> Counter[str]:
        done: Counter[str] = Counter()
        is_terminal = self.stdout.isatty()
        total = action.objects().count() if is_terminal else 0
        drawn_at = 0.0
        for found in reconcile(action, dry_run=dry_run):
            name = _FAILED if found.decision is None else str(found.decision.strategy)
            done[name] += 1
            if name == _FAILED or (verbosity > 1 and name != StrategyEnum.NOOP):
                if is_terminal:
                    self.stdout.write("\r\x1b[K", ending="")
                self._tell(action, name, found)
            if is_terminal and time.monotonic() - drawn_at > _DRAW_SECONDS:
                drawn_at = time.monotonic()
                self.stdout.write(f"\r\x1b[K{action.signal}  {_bar(done.total(), total)}", ending="")
                self.stdout.flush()
        if is_terminal:
            self.stdout.write("\r\x1b[K", ending="")
        numbers = ", ".join(f"{name} {done[name]:,}" for name in (*StrategyEnum, _FAILED) if done[name])
        self.stdout.write(f"{action.signal}: {numbers or 'nothing to look at'}{' (dry run)' if dry_run else ''}")
        return done

    def _tell(self, action: actions.Action, name: str, found: Found) -> None:
        error = found.error
        why = f"{type(error).__name__}: {error}" if found.decision is None else found.decision.reason
        out = self.stderr if found.decision is None else self.stdout
        out.write(f"{action.signal}: {name} {found.label} {found.key}: {why}")


def _chosen(names: list[str] | None) -> list[actions.Action]:
    """Return the actions of *names*, or all that say what should exist."""
    if names is None:
        return [action for action in actions.all_actions().values() if action.has_conditions]
    try:
        chosen = [actions.get(name) for name in names]
    except UnknownActionError as error:
        raise CommandError(str(error)) from error
    for action in chosen:
        if not action.has_conditions:
            raise CommandError(
                f"The action {action.signal!r} does not say what should exist: receivers of the site do."
            )
    return chosen


def _bar(number: int, total: int) -> str:
    share = min(number / total, 1.0) if total else 1.0
    filled = round(_BAR * share)
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {100 * share:5.1f} % of {total:,}"
