"""
Internal: the messages of one call: handed out to connections, with results collected in order.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import attrs

from edx_ace.report import Result


@attrs.define
class Job:
    """
    One message as SMTP sees it.

    Attributes:
        sender, recipients: Addr-specs of the envelope; the first recipient is the one that counts, others are copies.

        content: With CRLF line ends, before dot-stuffing.
    """

    sender: str
    recipients: list[str]
    content: bytes
    #: Its place in the batch.
    index: int = 0
    #: Whether a connection was lost before its content was written, so that the next one is its last.
    was_retried: bool = False


class Batch:
    """The messages of one call: handed out to connections, with results collected by place."""

    def __init__(self, makers: Iterable[Callable[[], Job]], workers: int) -> None:
        self.is_cancelled = False
        self._makers = enumerate(makers)
        self._workers = workers
        self._returned: deque[Job] = deque()
        self._results: dict[int, Result] = {}
        self._yielded = 0
        self._changed = threading.Condition()
        self._fault: Exception | None = None

    def pull(self) -> Job | None:
        """Return the next message to send, or None."""
        while not self.is_cancelled:
            with self._changed:
                if self._returned:
                    return self._returned.popleft()
                index, maker = next(self._makers, (-1, None))
            if maker is None:
                return None
            try:
                job = maker()
            except Exception as error:
                self.conclude(index, error)
                continue
            job.index = index
            return job
        return None

    def conclude(self, index: int, result: Result) -> None:
        """Record the result of the message at *index*."""
        with self._changed:
            self._results[index] = result
            self._changed.notify()

    def take_ready(self) -> Iterator[Result]:
        """Yield the results that are known up to the first that is not."""
        while self._yielded in self._results:
            self._yielded += 1
            yield self._results.pop(self._yielded - 1)

    def wait_ready(self) -> Iterator[Result]:
        """Yield all results, in order, as they become known."""
        while True:
            with self._changed:
                while self._workers and self._yielded not in self._results:
                    self._changed.wait()
                if self._fault is not None:
                    raise self._fault
                if self._yielded not in self._results:
                    return
            yield from self.take_ready()

    def leave(self) -> bool:
        """Note that a worker has nothing left to do, unless another gave messages back; return whether it may go."""
        with self._changed:
            if self._returned:
                return False
            self._workers -= 1
            self._changed.notify()
            return True

    def break_off(self, fault: Exception) -> None:
        """Make `wait_ready` raise *fault*, an error of this module and not of a message."""
        with self._changed:
            self.is_cancelled = True
            self._fault = fault
            self._workers = 0
            self._changed.notify()

    def give_up(self, jobs: Iterable[Job], error: Exception) -> None:
        """Leave *jobs* of a worker that cannot connect to the others; without others all that is left fails."""
        with self._changed:
            self._returned.extend(jobs)
            is_last = self._workers == 1
            if not is_last:
                self._workers -= 1
        if is_last:
            while (job := self.pull()) is not None:
                self.conclude(job.index, error)
            self.leave()
