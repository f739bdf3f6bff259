"""
Internal: what a test of faults is made of: a send, its mail server, its workers and what came of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from edx_ace import Message
from edx_ace.outbox import enqueue
from edx_ace.testing.smtp import SmtpSink
from tests.faults import checker, mail
from tests.faults.workers import Workers


class Trial:
    """
    One send.

    Args:
        folder: For logs.

        sink: Its mail server, which keeps a log.
    """

    def __init__(self, folder: Path, sink: SmtpSink) -> None:
        self.folder = folder
        self.sink = sink
        self.workers = Workers(folder, sink.port)
        self.batch = uuid4()
        self.messages: list[Message] = []

    def enqueue(self, local_parts: Iterable[str], *, fields: Mapping[str, Any] | None = None, **arguments: Any) -> None:
        """Enqueue a message with *fields* to each of *local_parts*; *arguments* are for `enqueue`."""
        first = len(self.messages) + 1
        new = list(mail.letters(local_parts, first, send_uuid=self.batch, **(fields or {})))
        self.messages += new
        enqueue(new, **arguments)

    def outcome(self, arrived: Counter[UUID] | None = None) -> checker.Outcome:
        """
        Return what came of it, and say it to whoever reads the output of the tests.

        Args:
            arrived: How often each message was accepted. None: as the log of the mail server says.
        """
        assert self.sink.log is not None
        arrived = checker.arrivals(self.sink.log) if arrived is None else arrived
        found = checker.outcome(self.batch, arrived, self.workers.journal)
        print(f"\n{connection.vendor}: {found}", end=" ")
        return found

    def complaints(
        self, found: checker.Outcome, repeats: int = 0, ends: Mapping[UUID, Collection[str]] | None = None
    ) -> list[str]:
        """Return what is wrong with what came of it; see `checker.complaints`."""
        return checker.complaints(found, len(self.messages), repeats, {**mail.ends(self.messages), **(ends or {})})
