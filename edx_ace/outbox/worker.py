"""
Internal: the embedded worker, which ``manage.py ace_worker`` runs. It needs no broker, as it asks the database.

Each thread claims a batch of deliveries, the most important first, and delivers it. When nothing is due it waits for a
moment. Now and then one of them sweeps: it gives back what workers that ended have left behind, and adds up counts.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection

from django.db import close_old_connections, connections
from django.db.models import F, Q

from edx_ace.outbox import counts, leases
from edx_ace.outbox.claiming import adopt, claim
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import Attempt, Delivery, OnAmbiguous
from edx_ace.outbox.processing import DATABASE_ERRORS, process
from edx_ace.outbox.states import State

LOG = logging.getLogger(__name__)

#: After how many claims without an outcome a delivery fails.
MAX_CLAIMS = 5

#: How often a worker sweeps, in seconds.
SWEEP_SECONDS = 5

#: How long a worker waits after an error of the database or of its own, in seconds.
_PAUSE_SECONDS = 1

#: Rows that one step of the sweep moves.
_SWEEP_LIMIT = 500


class Worker:
    """
    Delivers what is due.

    Args:
        threads: How many batches are on their way at a time, each over a database connection of its own.

        once: Whether to end when nothing is due any more.

        channels: Names of the channels to deliver over. None: all.

        tell: Called after each batch, by the thread that delivered it, with how many deliveries came to which state
            by then.
    """

    def __init__(
        self,
        threads: int = 1,
        once: bool = False,
        channels: Collection[str] | None = None,
        tell: Callable[[Counter[str]], object] = lambda results: None,
    ) -> None:
        self.threads = threads
        self.once = once
        self.channels = channels
        self.tell = tell
        #: How many deliveries came to which state.
        self.results: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._swept = -float("inf")

    def run(self) -> None:
        """Work until `stop` is called or, if it is to run once, nothing is due."""
        if self.threads == 1:
            self._work()
            return
        threads = [threading.Thread(target=self._work_in_thread, name=f"ace-{n}") for n in range(self.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def stop(self) -> None:
        """Finish what is being handed over, give the rest back and end. May be called by a signal's handler."""
        self._stopping.set()

    def _work_in_thread(self) -> None:
        try:
            self._work()
        finally:
            connections.close_all()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                found = self._step()
            except DATABASE_ERRORS as error:
                LOG.warning("The database does not answer as expected; trying again: %s", type(error).__name__)
                close_old_connections()
                self._stopping.wait(_PAUSE_SECONDS)
            except Exception:
                # What was claimed is given to others when its lease is over.
                LOG.exception("A worker failed; it goes on with what else is due.")
                self._stopping.wait(_PAUSE_SECONDS)
            else:
                if not found:
                    if self.once:
                        return
                    close_old_connections()
                    # Not all at the same moment.
                    self._stopping.wait(settings.OUTBOX_POLL_SECONDS * random.uniform(0.5, 1.5))

    def _step(self) -> bool:
        """Deliver one batch and return whether there was one."""
        if self._is_time_to_sweep():
            sweep()
        rows = claim(settings.OUTBOX_BATCH, self.channels)
        if not rows:
            return False
        results = process(_without_poison(rows), self._stopping.is_set)
        with self._lock:
            self.results += results
            self.tell(self.results)
        return True

    def _is_time_to_sweep(self) -> bool:
        with self._lock:
            is_time = time.monotonic() - self._swept > SWEEP_SECONDS
            if is_time:
                self._swept = time.monotonic()
            return is_time


def sweep() -> None:
    """Give back what workers that ended or channels that were removed have left behind, and add up counts."""
    rows = Delivery.objects.all()
    while leases.reclaim(rows, _SWEEP_LIMIT, State.CLAIMED, State.QUEUED):
        pass
    lost = {"may_have_arrived": True, "attempts": F("attempts") + 1, "code": "worker_lost", "reason": _LOST}
    repeated = Q(on_ambiguous=OnAmbiguous.REPEAT, is_stopped=False)
    while found := leases.reclaim(rows.filter(repeated), _SWEEP_LIMIT, State.HANDING, State.QUEUED, **lost):
        _note(found)
    lost["finished_at"] = DatabaseNow()
    while found := leases.reclaim(rows.exclude(repeated), _SWEEP_LIMIT, State.HANDING, State.UNKNOWN, **lost):
        _note(found)
    adopt()
    counts.fold()


_LOST = "Its worker ended while handing it over, so that nobody knows whether it was accepted."


def _note(rows: list[Delivery]) -> None:
    LOG.warning("%d deliveries were being handed over by a worker that ended.", len(rows))
    Attempt.objects.bulk_create(
        Attempt(delivery_id=row.pk, at=DatabaseNow(), outcome="lost", code="worker_lost", reply=_LOST) for row in rows
    )


def _without_poison(rows: list[Delivery]) -> list[Delivery]:
    poison = [row for row in rows if row.claims > MAX_CLAIMS]
    leases.move(
        poison,
        State.CLAIMED,
        State.FAILED,
        code="poison",
        reason=f"It was claimed {MAX_CLAIMS} times and each time its worker ended before it could say what came of it.",
        finished_at=DatabaseNow(),
    )
    return [row for row in rows if row.claims <= MAX_CLAIMS]
