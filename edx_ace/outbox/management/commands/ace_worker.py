"""
Internal: ``manage.py ace_worker``.
"""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from edx_ace.outbox.errors import StuckError
from edx_ace.outbox.worker import Worker


class Command(BaseCommand):
    """Delivers what is in the outbox."""

    help = (
        "Deliver the messages in the outbox as they become due. On SIGTERM or Ctrl-C it finishes what is being handed "
        "over and ends. Any number of workers may run, on any number of machines."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="End when nothing is due any more.")
        parser.add_argument("--threads", type=int, default=1, help="Batches on their way at a time. Default: 1.")

    def handle(self, *args: Any, once: bool, threads: int, **options: Any) -> None:
        if threads < 1:
            raise CommandError(f"--threads must be 1 or more, given {threads}.")
        worker = Worker(threads, once)
        before = {number: signal.signal(number, lambda *_: worker.stop()) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            worker.run()
        except StuckError as error:
            raise CommandError(str(error)) from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        came_to = ", ".join(f"{number} {state}" for state, number in worker.results.most_common())
        self.stdout.write(came_to or "nothing was due")
