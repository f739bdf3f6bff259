"""
Public: until when a hand-over has to be over, for channels to keep to.

A socket's time-out begins anew with every byte, so that a server which drips holds its client for ever. Whoever hands
over sets a deadline, and a channel waits no longer than is left of it::

    requests.post(url, json=payload, timeout=deadline.limit(5))
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from edx_ace.errors import RecoverableChannelDeliveryError

#: By `time.monotonic`; None: whoever hands over waits for as long as it takes.
_deadline: ContextVar[float | None] = ContextVar("edx_ace_deadline", default=None)

#: What is left for a wait that begins too late, in seconds: 0 means something else to most of those who wait.
_SHORTEST_SECONDS = 0.001


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let what is handed over inside be over after that many seconds."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def limit(seconds: float | None = None) -> float | None:
    """Return how long one wait may take that would take that many *seconds*, or any number of them (None)."""
    deadline = _deadline.get()
    if deadline is None:
        return seconds
    left = max(deadline - time.monotonic(), _SHORTEST_SECONDS)
    return left if seconds is None else min(seconds, left)


def is_over() -> bool:
    """Return whether no other message may be begun."""
    deadline = _deadline.get()
    return deadline is not None and deadline <= time.monotonic()


def out_of_time() -> RecoverableChannelDeliveryError:
    """Return the error of a message that was not begun, since those before it took all the time."""
    return RecoverableChannelDeliveryError(
        "Those that were handed over before it took all the time there was; it waits for the next.", code="out_of_time"
    )
