"""
Internal: ``manage.py ace_worker``.
"""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management import BaseCommand, CommandError

# Looked up on the package at each call, as everywhere: tests replace it there.
import edx_ace.channel
from edx_ace.errors import did_you_mean
from edx_ace.outbox.errors import StuckError
from edx_ace.outbox.worker import Worker


class Command(BaseCommand):
    """Delivers what is in the outbox."""

    help = (
        "Deliver the messages in the outbox as they become due. On SIGTERM or Ctrl-C it finishes what is being handed "
        "over and ends. Any number of workers may run, on any number of machines."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--channels",
            nargs="+",
            metavar="NAME",
            help="Deliver over these channels alone, as ACE_ENABLED_CHANNELS names them. Default: all.",
        )
        parser.add_argument("--once", action="store_true", help="End when nothing is due any more.")
        parser.add_argument("--threads", type=int, default=1, help="Batches on their way at a time. Default: 1.")

    def handle(self, *args: Any, channels: list[str] | None, once: bool, threads: int, **options: Any) -> None:
        if threads < 1:
            raise CommandError(f"--threads must be 1 or more, given {threads}.")
        _check_names(channels or [])
        worker = Worker(threads, once, channels, self._show if self.stdout.isatty() else lambda results: None)
        before = {number: signal.signal(number, lambda *_: worker.stop()) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            worker.run()
        except StuckError as error:
            raise CommandError(str(error)) from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if worker.results and self.stdout.isatty():
            self.stdout.write("\r", ending="")
        self.stdout.write(_came_to(worker.results) or "nothing was due")

    def _show(self, results: Counter[str]) -> None:
        """Draw the progress over what was drawn before."""
        self.stdout.write(f"\r{_came_to(results)}", ending="")
        self.stdout.flush()


def _came_to(results: Counter[str]) -> str:
    return ", ".join(f"{number} {state}" for state, number in results.most_common())


def _check_names(names: list[str]) -> None:
    enabled = list(edx_ace.channel.channels().names())
    for name in names:
        if name not in enabled:
            hint = did_you_mean(name, enabled) or f" Enabled are {', '.join(enabled) or 'none'}."
            raise CommandError(f"--channels names {name!r}, which is not enabled.{hint}")
