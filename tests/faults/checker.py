"""
Internal: what is to be found wrong once the work is done: the mail server's log against the rows and the counts.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs

from edx_ace.outbox import State, status
from edx_ace.outbox.models import Attempt, Delivery
from edx_ace.outbox.states import OPEN


@attrs.frozen
class Permit:
    """A permit that a worker was given, with the moment (as of `time.time`) at which it asked."""

    message: UUID
    fence: int
    at: float


@attrs.frozen
class Outcome:
    """
    What came of a send.

    Attributes:
        batch: The send.

        arrived: How often each message was accepted.

        rows: The deliveries, by message.

        permits: Those that workers were given.
    """

    batch: UUID
    arrived: Counter[UUID]
    rows: Mapping[UUID, Delivery]
    permits: list[Permit]

    @property
    def states(self) -> Counter[str]:
        """How many rows are in each state."""
        return Counter(row.state for row in self.rows.values())

    @property
    def repeated(self) -> int:
        """How many copies arrived beyond the first of each message."""
        return self.arrived.total() - len(self.arrived)

    def __str__(self) -> str:
        states = ", ".join(f"{number} {state}" for state, number in sorted(self.states.items()))
        return f"{states}; {self.arrived.total()} arrived, {self.repeated} of them repeated"


def arrivals(mail_log: Path) -> Counter[UUID]:
    """Return how often each message is in the log of a mail server."""
    return Counter(UUID(entry["message_id"].strip("<>").partition("@")[0]) for entry in _entries(mail_log))


def outcome(batch: UUID, arrived: Counter[UUID], journal: Path) -> Outcome:
    """Return what came of *batch*, of which *arrived* did, as the journal of the workers has it."""
    permits = [Permit(UUID(entry["message"]), entry["fence"], entry["at"]) for entry in _entries(journal)]
    rows = Delivery.objects.filter(batch=batch)
    return Outcome(batch, arrived, {row.payload_id: row for row in rows}, permits)


def _entries(file: Path) -> Iterator[Any]:
    return map(json.loads, file.read_text().splitlines())


def complaints(
    found: Outcome, messages: int, repeats: int = 0, ends: Mapping[UUID, Collection[str]] | None = None
) -> list[str]:
    """
    Return what is wrong with an outcome, as sentences.

    Args:
        found: The outcome.

        messages: How many were enqueued.

        repeats: How many extra copies there may be.

        ends: The states in which a message may end; SENT for those that are left out.
    """
    return list(_complaints(found, messages, repeats, ends or {}))


def _complaints(found: Outcome, messages: int, repeats: int, ends: Mapping[UUID, Collection[str]]) -> Iterator[str]:
    if len(found.rows) != messages:
        yield f"Of {messages} messages there are {len(found.rows)} rows."
    wrong: defaultdict[str, list[UUID]] = defaultdict(list)
    for uuid, row in found.rows.items():
        if row.state in OPEN:
            wrong[f"still {row.state}"].append(uuid)
        elif row.state not in ends.get(uuid, (State.SENT,)):
            wrong[f"{row.state} ({row.code})"].append(uuid)
        if row.state == State.SENT and uuid not in found.arrived:
            wrong["sent, but did not arrive"].append(uuid)
        if uuid in found.arrived and row.state not in (State.SENT, State.UNKNOWN, *OPEN):
            wrong[f"{row.state}, but arrived"].append(uuid)
        if row.lease_until is not None and row.state not in OPEN:
            wrong["done with, but leased"].append(uuid)
    wrong["arrived, but not in the table"] = [uuid for uuid in found.arrived if uuid not in found.rows]
    accepted = Counter(
        Attempt.objects.filter(delivery__batch=found.batch, outcome="sent").values_list("delivery__payload", flat=True)
    )
    wrong["with more or fewer than one attempt that was accepted"] = [
        uuid for uuid, row in found.rows.items() if accepted[uuid] != (row.state == State.SENT)
    ]
    for what, which in wrong.items():
        if which:
            yield f"{len(which)} messages are {what}: {', '.join(map(str, which[:3]))} …"
    if found.repeated > repeats:
        yield f"{found.repeated} extra copies arrived, at most {repeats} may."
    counts = status(batch=found.batch).states
    if counts != found.states:
        yield f"The counts are {counts}, the rows {dict(found.states)}."
