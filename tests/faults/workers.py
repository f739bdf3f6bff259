"""
Internal: groups of worker processes, and what can be done to them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]

#: Settings for workers that nobody stops: that a machine is busy must not look as if they had been.
PATIENT = {"ACE_OUTBOX_LEASE_SECONDS": 60, "ACE_OUTBOX_HANDOVER_SECONDS": 30}

#: How long a group may take to end once it was asked to, in seconds.
END_SECONDS = 60


class Group:
    """Worker processes under one manager, as one process group."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env=environment,
                cwd=ROOT,
                # Nothing is written to it: when it is closed the test has ended, and so do the workers.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End all of it at once with SIGKILL."""
        self._send(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()

    def freeze(self) -> None:
        """Stop all of it with SIGSTOP."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue."""
        self._send(signal.SIGCONT)

    def end(self) -> int:
        """Ask it to end, and return what it ends with."""
        self._send(signal.SIGTERM)
        code = self.process.wait(END_SECONDS)
        # One that was not yet ready for the signal ends by it.
        return 0 if code == -signal.SIGTERM else code

    def _send(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)


class Workers:
    """
    The worker groups of a test; those that are left when it ends are killed.

    Args:
        folder: For their output (workers.log) and the journal of their permits.

        smtp_port: Of their mail server.
    """

    def __init__(self, folder: Path, smtp_port: int) -> None:
        self.log = folder / "workers.log"
        self.journal = folder / "permits"
        self.journal.touch()
        self.smtp_port = smtp_port
        self.groups: list[Group] = []

    def start(
        self,
        groups: int = 1,
        *,
        processes: int = 1,
        threads: int = 1,
        traits: Sequence[str] = (),
        database_port: int | None = None,
        **settings: Any,
    ) -> list[Group]:
        """
        Start worker groups and return them.

        Args:
            groups, processes, threads: How many; processes of each group, threads of each process.

            traits: Functions below `tests.faults`, by dotted path, that change what these workers do.

            database_port: Where they find the database, if not where it is.

            settings: Django settings in place of those of `tests.faults.settings`.
        """
        environment = self._environment(database_port, traits, settings)
        command = [sys.executable, "-m", "tests.faults.group", str(processes), str(threads)]
        self.groups += (started := [Group(command, environment, self.log) for _ in range(groups)])
        return started

    def run(self, module: str, *arguments: str) -> bytes:
        """Run *module* as a program on the workers' site, and return what it prints."""
        command = [sys.executable, "-m", module, *arguments]
        with self.log.open("ab") as log:
            program = subprocess.run(
                command, env=self._environment(), cwd=ROOT, stdout=subprocess.PIPE, stderr=log, check=True
            )
        return program.stdout

    def _environment(
        self, database_port: int | None = None, traits: Sequence[str] = (), settings: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        of_database = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
        database = {name: connection.settings_dict[name] for name in of_database}
        if database_port is not None:
            database["PORT"] = database_port
        faults = {
            "database": {name: str(value) for name, value in database.items()},
            "smtp_port": self.smtp_port,
            "settings": settings or {},
            "traits": list(traits),
            "journal": str(self.journal),
        }
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "PYTHONPATH": str(ROOT),
            # It doubles the time that a worker needs to start.
            "PYTHONDEVMODE": "",
            "ACE_FAULTS": json.dumps(faults),
        }

    def end(self) -> list[int]:
        """Ask all groups that still run to end, and return what they end with."""
        running = [group for group in self.groups if group.process.poll() is None]
        return [group.end() for group in running]

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for group in self.groups:
            group.kill()
