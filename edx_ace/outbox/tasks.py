"""
Public: the tasks by which Celery's workers deliver what is in the outbox.

The database is the truth and the broker only a doorbell: a task holds no message and no id, it says "look". `drain` is
asked for when something is enqueued, `sweep` by beat every few seconds. Any of them may be lost, repeated or late.

Using it: ``ACE_OUTBOX_CELERY = True``, a Celery app that discovers the tasks of installed apps, and an entry for
`sweep` in its ``beat_schedule``. Queues, routes and concurrency are Celery's own settings.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from contextlib import suppress
from typing import Any

from celery import Celery, Task, shared_task
from celery.signals import worker_shutting_down
from kombu import Connection

from edx_ace.outbox import doorbell, worker
from edx_ace.outbox.claiming import is_due, is_free, seconds_until_free
from edx_ace.outbox.conf import settings

#: How long one drain goes on, in seconds; if something is left it rings for the next one. Short beside the time after
#: which Redis gives an unfinished task to another worker (an hour, unless set).
DRAIN_SECONDS = 60

#: How long a drain that finds nothing waits before it looks a last time, in seconds, so that many single messages
#: do not come to as many tasks.
LINGER_SECONDS = 0.2

#: How long a task may take before its process is killed, in seconds: a channel hangs.
LIMIT_SECONDS = 15 * 60

#: The longest wait for the broker, in seconds: the caller of `enqueue` waits as well.
_BROKER_SECONDS = 1
_PATIENCE: dict[str, Any] = {
    # Of kombu, of redis-py, of py-amqp; each takes its own.
    "max_retries": 0,
    "connect_retries_timeout": _BROKER_SECONDS,
    "socket_connect_timeout": _BROKER_SECONDS,
    "socket_timeout": _BROKER_SECONDS,
    "read_timeout": _BROKER_SECONDS,
    "write_timeout": _BROKER_SECONDS,
}
#: The connection that was kept may be one that the broker has closed since.
_TWICE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}

#: Whether the worker is shutting down: one byte that its prefork children share, as Celery tells the parent alone.
_shutting_down = mmap.mmap(-1, 1)


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    _shutting_down[0] = 1


class OutboxTask(Task):  # type: ignore[type-arg]  # at run time it takes no parameters
    """What the tasks of the outbox have in common."""

    # A worker that is killed has not finished it.
    acks_late = True
    reject_on_worker_lost = True
    ignore_result = True
    # In place of the site's own limits, which would cut hand-overs short that are in good order.
    time_limit = soft_time_limit = LIMIT_SECONDS


@shared_task(base=OutboxTask)
def drain() -> None:
    """
    Deliver what is due until nothing is, or for a minute; more than one batch wakes another worker as well.

    While its worker shuts down it finishes what is being handed over and gives the rest back.
    """
    ends_at = time.monotonic() + DRAIN_SECONDS

    def should_stop() -> bool:
        return bool(_shutting_down[0]) or time.monotonic() > ends_at

    doorbell.answer()
    empty_looks = 0
    while empty_looks < 2 and not should_stop():
        if is_free(beyond=settings.OUTBOX_BATCH):
            doorbell.call_another()
        if worker.deliver(should_stop) is not None:
            empty_looks = 0
        else:
            # What a limit holds back is waited for.
            empty_looks += not _is_soon_free()
            time.sleep(LINGER_SECONDS)
        doorbell.stay()
    doorbell.leave()
    if is_free() or _is_soon_free():
        doorbell.ring()


@shared_task(base=OutboxTask)
def sweep() -> None:
    """
    Give back what workers that ended have left behind, add up counts, and ring if something is due.

    While a chore has more to do, for a minute at most, it sweeps again.
    """
    ends_at = time.monotonic() + DRAIN_SECONDS
    is_left = True
    while is_left:
        _, is_left = worker.sweep()
        is_left = is_left and not _shutting_down[0] and time.monotonic() < ends_at
        if is_due():
            doorbell.ring()


def _is_soon_free() -> bool:
    """Whether a limit holds something back that may go while a drain lasts."""
    held_back = seconds_until_free()
    return held_back is not None and held_back < DRAIN_SECONDS


class _Line:
    """
    The connection over which this process sends tasks: kept for the next one, and closed before a fork.

    Celery's own pool is not used, as it waits for a broker that is down for as long as the site has set.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._app: Celery | None = None
        self._connection: Connection | None = None

    def send(self, task: OutboxTask) -> None:
        """Put *task* into its queue."""
        if not self._lock.acquire(timeout=_BROKER_SECONDS):
            raise TimeoutError("another thread is waiting for it")
        try:
            if self._app is not task.app:
                self.hang_up()
            if self._connection is None:
                self._app = task.app
                self._connection = self._app.connection_for_write(
                    connect_timeout=_BROKER_SECONDS,
                    transport_options={**self._app.conf.broker_transport_options, **_PATIENCE},
                )
            options: dict[str, Any] = {"connection": self._connection, "retry": True, "retry_policy": _TWICE}
            task.apply_async(**options)
        except Exception:
            self.hang_up()
            raise
        finally:
            self._lock.release()

    def hang_up(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.release()

    def before_fork(self) -> None:
        """Leave nothing open that a child would share with its parent."""
        self._lock.acquire()
        self.hang_up()

    def after_fork(self) -> None:
        """Go on, in the parent and in the child."""
        self._lock.release()


_line = _Line()
if hasattr(os, "register_at_fork"):  # Not on Windows, which does not fork.
    os.register_at_fork(before=_line.before_fork, after_in_parent=_line.after_fork, after_in_child=_line.after_fork)


def send(task: OutboxTask) -> None:
    """
    Put *task* into its queue, or fail within a second or two.

    Raises:
        Exception: Whatever the broker's client raises.
    """
    _line.send(task)
