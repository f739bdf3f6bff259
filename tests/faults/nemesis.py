"""
Internal: when something bad happens, and how long a test waits for something good.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

from django.db import connection

from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import OPEN
from edx_ace.testing.smtp import SmtpSink

#: How long a test waits for what has to come, in seconds; generous, as it only ever waits for it in vain once.
PATIENCE_SECONDS = 180

_LOOK_SECONDS = 0.02


class Nemesis:
    """
    Chooses moments and victims.

    Args:
        seed: The same seed makes the same choices.

        sink: Whose progress is the time that it knows.
    """

    def __init__(self, seed: int, sink: SmtpSink) -> None:
        self.chance = random.Random(seed)
        self.sink = sink

    def moments(self, number: int, fewest: int = 20, most: int = 120) -> Iterator[int]:
        """Yield *number* times, each after some more messages have arrived."""
        for moment in range(number):
            enough = self.sink.count + self.chance.randint(fewest, most)
            wait_for(lambda enough=enough: self.sink.count >= enough, f"{enough} messages to arrive")
            yield moment


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until *condition* holds."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > give_up:
            raise AssertionError(f"Waited {PATIENCE_SECONDS} s for {what}; see workers.log in the folder of the test.")
        time.sleep(_LOOK_SECONDS)


def wait_until_done(patience: float = PATIENCE_SECONDS) -> None:
    """Wait until no delivery is open, or until none has moved for so many seconds; the checker says which."""
    seen, since = None, time.monotonic()
    while time.monotonic() - since < patience:
        # One that was there before may have ended with its server.
        connection.close()
        now = sorted(Delivery.objects.filter(state__in=OPEN).values_list("pk", "state", "fence"))
        if not now:
            return
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(10 * _LOOK_SECONDS)
