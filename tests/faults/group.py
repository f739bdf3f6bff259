"""
Internal: ``python -m tests.faults.group PROCESSES THREADS``: a process manager with some workers under it.

Like any other it starts a worker anew that ended without being asked. All are of one process group.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import django
from django.core.management import call_command


class Manager:
    """
    Keeps workers running.

    Args:
        processes: How many.

        threads: Of each.
    """

    def __init__(self, processes: int, threads: int) -> None:
        self.processes = processes
        self.threads = threads
        self.is_stopping = False

    def run(self) -> int:
        """Return what to end with once all workers have ended as they were asked to."""
        signal.signal(signal.SIGTERM, self.stop)
        running = {self.start() for _ in range(self.processes)}
        faults = 0
        while running:
            process, status = os.wait()
            running.remove(process)
            # One that was not yet ready for the signal ends by it.
            if status not in (0, signal.SIGTERM):
                faults += self.is_stopping
            if not self.is_stopping:
                running.add(self.start())
        return faults

    def stop(self, *_: object) -> None:
        """Start no more workers: the group was told to end."""
        self.is_stopping = True

    def start(self) -> int:
        """Start a worker and return its process id."""
        process = os.fork()
        if process:
            return process
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            threading.Thread(target=_end_with_the_test, daemon=True).start()
            if not self.is_stopping:
                call_command("ace_worker", threads=self.threads)
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)


def _end_with_the_test() -> None:
    """Kill the group when the test that started it has ended, however it did."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


def warm_up() -> None:
    """Load what workers need for their first message, so that each of them need not do it again."""
    from edx_ace import policy, presentation
    from edx_ace.channel import ChannelType, channels, get_channel_for_message
    from tests.pipeline import welcome

    channels()
    policy.policies()
    presentation.render(get_channel_for_message(ChannelType.EMAIL, welcome()), welcome())


if __name__ == "__main__":
    django.setup()
    warm_up()
    sys.exit(Manager(int(sys.argv[1]), int(sys.argv[2])).run())
