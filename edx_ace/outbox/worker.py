"""
Internal: the embedded worker, which ``manage.py ace_worker`` runs. It needs no broker, as it asks the database.

Each thread claims a batch of deliveries, the most important first, and delivers it. When nothing is due it waits for a
moment. Now and then one of them sweeps: it gives back what workers that ended have left behind, and adds up counts. In
between it does the chores that are prompt.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from django.db import close_old_connections, connections, router, transaction
from django.db.models import F, Q, QuerySet

from edx_ace.outbox import chores, costs, counts, leases
from edx_ace.outbox.claiming import adopt, claim, seconds_until_free
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.conf import settings
from edx_ace.outbox.errors import StuckError
from edx_ace.outbox.models import Attempt, Delivery, OnAmbiguous
from edx_ace.outbox.processing import DATABASE_ERRORS, EXPIRED, process
from edx_ace.outbox.states import State

LOG = logging.getLogger(__name__)

#: After how many claims without an outcome a delivery fails. So many that chance does not suffice: workers that are
#: killed often have something innocent in hand each time.
MAX_CLAIMS = 8

#: How often a worker sweeps, in seconds.
SWEEP_SECONDS = 5

#: How long a worker waits after an error of the database or of its own, in seconds.
_PAUSE_SECONDS = 1

#: How many threads may be stuck at a time before the process is.
MAX_STUCK_THREADS = 10

#: How often a worker looks whether its threads make progress, in seconds.
_LOOK_SECONDS = 1

#: A worker that is to end when nothing is due waits this long for a limit that holds something back, in seconds.
_LONGEST_LIMIT_SECONDS = 60

#: Shortest wait for a limit, in seconds: others may be quicker.
_SHORTEST_WAIT_SECONDS = 0.01

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
        self._swept = self._looked = -float("inf")

    def run(self) -> None:
        """
        Work until `stop` is called or, if it is to run once, nothing is due.

        A thread whose batch makes no progress for as long as a lease has lost what it had claimed, and is replaced: a
        channel, template or policy holds it that waits without an end.

        Raises:
            StuckError: If that happened too often. The process should end and be started anew.
        """
        if self.once and self.threads == 1:
            self._work()
            return
        threads = [self._start() for _ in range(self.threads)]
        stuck: list[_Thread] = []
        while threads:
            threads[0].join(_LOOK_SECONDS)
            lost = [thread for thread in threads if thread.is_stuck()]
            stuck = [thread for thread in stuck if thread.is_alive()] + lost
            threads = [thread for thread in threads if thread.is_alive() and thread not in lost]
            for thread in lost:
                thread.is_given_up = True
                LOG.error("Thread %s made no progress for as long as a lease lasts and is given up.", thread.name)
            if len(stuck) > MAX_STUCK_THREADS:
                self.stop()
            elif not self._stopping.is_set():
                threads += [self._start() for _ in lost]
        if len(stuck) > MAX_STUCK_THREADS:
            raise StuckError(
                f"{len(stuck)} threads made no progress for as long as a lease lasts (ACE_OUTBOX_LEASE_SECONDS), which "
                f"is more than the {MAX_STUCK_THREADS} that are put up with. Start the worker again, and give what "
                f"they wait for a time-out."
            )

    def stop(self) -> None:
        """Finish what is being handed over, give the rest back and end. May be called by a signal's handler."""
        self._stopping.set()

    def _start(self) -> _Thread:
        thread = _Thread(self._work)
        thread.start()
        return thread

    def _should_stop(self) -> bool:
        """Return whether the thread that asks is to end; asking is a sign of progress."""
        thread = threading.current_thread()
        if isinstance(thread, _Thread):
            thread.progressed_at = time.monotonic()
            return thread.is_given_up or self._stopping.is_set()
        return self._stopping.is_set()

    def _rest(self, seconds: float) -> None:
        thread = threading.current_thread()
        if isinstance(thread, _Thread):
            thread.progressed_at = None
        self._stopping.wait(seconds)

    def _work(self) -> None:
        while not self._should_stop():
            try:
                found = self._step()
            except DATABASE_ERRORS as error:
                LOG.warning("The database does not answer as expected; trying again: %s", type(error).__name__)
                close_old_connections()
                self._rest(_PAUSE_SECONDS)
            except Exception:
                # What was claimed is given to others when its lease is over.
                LOG.exception("A worker failed; it goes on with what else is due.")
                self._rest(_PAUSE_SECONDS)
            else:
                if not found:
                    held_back = seconds_until_free(self.channels)
                    if self.once and (held_back is None or held_back > _LONGEST_LIMIT_SECONDS):
                        return
                    if not self.once:
                        close_old_connections()
                    # Not all at the same moment.
                    wait = settings.OUTBOX_POLL_SECONDS * random.uniform(0.5, 1.5)
                    if held_back is not None:
                        wait = min(wait, max(held_back, _SHORTEST_WAIT_SECONDS) * random.uniform(1, 1.5))
                    self._rest(wait)

    def _step(self) -> bool:
        """Deliver one batch and return whether something may be left to do at once."""
        is_left = False
        if self._is_time_to_sweep():
            ended, is_left = sweep()
            with self._lock:
                self.results += ended
                if is_left:
                    self._swept = -float("inf")
        elif self._is_time_to_look():
            is_left = chores.do_prompt()
            if is_left:
                self._looked = -float("inf")
        results = deliver(self._should_stop, self.channels)
        if results is None:
            return is_left
        with self._lock:
            self.results += results
            self.tell(self.results)
        return True

    def _is_time_to_sweep(self) -> bool:
        with self._lock:
            is_time = time.monotonic() - self._swept > SWEEP_SECONDS
            if is_time:
                self._swept = self._looked = time.monotonic()
            return is_time

    def _is_time_to_look(self) -> bool:
        """Return whether the chores that are prompt are to be done: as often as one thread looks that finds nothing."""
        with self._lock:
            is_time = time.monotonic() - self._looked > settings.OUTBOX_POLL_SECONDS / 2
            if is_time:
                self._looked = time.monotonic()
            return is_time


class _Thread(threading.Thread):
    """One of a worker's threads, which has to make progress while it has something to do."""

    def __init__(self, work: Callable[[], None]) -> None:
        # What is stuck must not keep the process from ending.
        super().__init__(daemon=True)
        self._do = work
        #: When it last did; None while it has nothing to do.
        self.progressed_at: float | None = None
        #: Whether another took its place.
        self.is_given_up = False

    def run(self) -> None:
        try:
            self._do()
        finally:
            connections.close_all()

    def is_stuck(self) -> bool:
        at = self.progressed_at
        return self.is_alive() and at is not None and time.monotonic() - at > settings.OUTBOX_LEASE_SECONDS


def deliver(should_stop: Callable[[], bool], only: Collection[str] | None = None) -> Counter[str] | None:
    """
    Deliver one batch and return how many came to which state, or None when nothing may go now.

    Args:
        should_stop: What is left when it says so is given back.

        only: Names of channels; None: all.
    """
    rows = claim(settings.OUTBOX_BATCH, only)
    return process(_without_poison(rows), should_stop) if rows else None


def sweep() -> tuple[Counter[str], bool]:
    """
    Give back what workers that ended or channels that were removed have left behind, end what expires while it waits,
    add up counts, and do the chores of other sub-apps.

    Return how many deliveries ended, by state, and whether a chore has more to do.
    """
    ended: Counter[str] = Counter()
    rows = Delivery.objects.all()
    while leases.reclaim(rows, _SWEEP_LIMIT, State.CLAIMED, State.QUEUED):
        pass
    spent = {"attempts": F("attempts") + 1, "ambiguous_attempts": F("ambiguous_attempts") + 1}
    lost = {"may_have_arrived": True, **spent, "code": "worker_lost", "reason": _LOST}
    repeated = Q(on_ambiguous=OnAmbiguous.REPEAT, is_stopped=False)
    while _take_from_lost(rows.filter(repeated), State.QUEUED, **lost):
        pass
    while number := _take_from_lost(rows.exclude(repeated), State.UNKNOWN, finished_at=DatabaseNow(), **lost):
        ended[State.UNKNOWN] += number
    for may_have_arrived, end in ((False, State.EXPIRED), (True, State.UNKNOWN)):
        over = rows.filter(expires_at__lte=DatabaseNow(), may_have_arrived=may_have_arrived).order_by("expires_at")
        said = {"code": "expired", "reason": EXPIRED, "finished_at": DatabaseNow()}
        while found := leases.seize(over, _SWEEP_LIMIT, State.QUEUED, end, **said):
            ended[end] += len(found)
    adopt()
    counts.fold()
    costs.fold()
    return ended, chores.do_all()


_LOST = "Its worker ended while handing it over, so that nobody knows whether it was accepted."


def _take_from_lost(rows: QuerySet[Delivery], to_state: State, **changes: Any) -> int:
    """Move some of *rows* that dead workers were handing over, with an attempt for each; return how many."""
    using = router.db_for_write(Delivery)
    with transaction.atomic(using):
        found = leases.reclaim(rows, _SWEEP_LIMIT, State.HANDING, to_state, **changes)
        Attempt.objects.using(using).bulk_create(
            Attempt(delivery_id=row.pk, at=DatabaseNow(), outcome="lost", code="worker_lost", reply=_LOST)
            for row in found
        )
    if found:
        LOG.warning("%d deliveries were being handed over by a worker that ended.", len(found))
    return len(found)


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
