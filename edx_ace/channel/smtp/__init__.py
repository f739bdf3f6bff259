"""
Internal: SMTP over kept connections, one round trip a message.

Django's SMTP backend opens a connection for each call and takes four round trips a message. Here connections are
opened by that backend (so that encryption and login are Django's) but wait no longer than the hand-over may take
(`connection`), are kept in a pool (`pool`), and driven by commands in groups where the server offers PIPELINING
(`session`). The messages of one call are handed out to the connections and their results put back into order (`batch`);
what the server says becomes one of this package's errors (`errors`).
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing

from django.core.mail.backends.smtp import EmailBackend

from edx_ace import deadline
from edx_ace.channel.smtp.batch import Batch, Job
from edx_ace.channel.smtp.errors import error_for_exception, error_for_opening
from edx_ace.channel.smtp.pool import forget_connections, open_backend, pool
from edx_ace.report import Result

__all__ = ["Job", "error_for_exception", "error_for_opening", "forget_connections", "open_backend", "send_many"]


def send_many(backend: EmailBackend, makers: Iterable[Callable[[], Job]], connections: int = 1) -> Iterator[Result]:
    """
    Send messages and yield a result for each, in order: the server's id, None or an exception.

    Args:
        backend: Says where to connect and how; exactly Django's class.

        makers: Make the messages, each just before it is sent; what one raises is its result.

        connections: How many to use at a time; above one, each has a thread.
    """
    batch = Batch(makers, connections)
    if connections == 1:
        with closing(_work(backend, batch)) as steps:
            for _ in steps:
                yield from batch.take_ready()
        yield from batch.take_ready()
        return

    def work() -> None:
        try:
            with closing(_work(backend, batch)) as steps:
                for _ in steps:
                    pass
        except Exception as error:
            batch.break_off(error)

    # Each thread sees the language and time zone that are active here.
    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield from batch.wait_ready()
    finally:
        batch.is_cancelled = True
        for thread in threads:
            thread.join()


def _work(backend: EmailBackend, batch: Batch) -> Generator[None, None, None]:
    """Send messages of *batch* over one connection at a time until there are none; pause after each."""
    ahead: deque[Job] = deque()
    while True:
        if not ahead and (job := batch.pull()) is not None:
            ahead.append(job)
        if not ahead:
            if batch.leave():
                return
            continue
        if deadline.is_over():
            batch.give_up(ahead, deadline.out_of_time())
            return
        try:
            session = pool.acquire(backend)
        except Exception as error:
            batch.give_up(ahead, error_for_opening(error))
            return
        try:
            yield from session.stream(batch, ahead)
        finally:
            pool.release(session)
