"""
Public: circuit breakers, one for each channel.

A channel that fails again and again is not used for a while: its circuit is open, for all workers, as the database
says. What waits for it stays where it is, with its attempts, its claims and its place; other channels go on. After a
pause one worker tries with one message. If that fails, too, the pause grows; if the channel answers, be it with a
refusal of that message, the circuit is closed.

The table holds the circuits that are open, so that it is empty, and nobody writes to it, while all is well. How often
a channel failed in a row each process counts for itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta
from weakref import WeakKeyDictionary

from django.db.models import QuerySet

from edx_ace.channel import Channel
from edx_ace.outbox.clock import DatabaseNow, from_now
from edx_ace.outbox.models import Circuit
from edx_ace.outbox.redaction import redacted
from edx_ace.outbox.retries import ErrorClass, classify
from edx_ace.report import Attempt, Outcome

LOG = logging.getLogger(__name__)

#: How many hand-overs in a row have to fail before the circuit opens.
OPENS_AFTER = 3

#: How long a circuit is open before the first probe; each that fails doubles it, up to the longest.
SHORTEST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=1)

#: Errors that say nothing good about the channel and nothing about the message.
_FAILURES = frozenset([ErrorClass.CHANNEL_DOWN, ErrorClass.THROTTLED, ErrorClass.AMBIGUOUS])

#: How many hand-overs over each channel failed in a row, in this process.
_failures: WeakKeyDictionary[Channel, int] = WeakKeyDictionary()
_lock = threading.Lock()


def circuits() -> QuerySet[Circuit]:
    """Return the circuits that are open now, the longest open first: which channel, since when and why."""
    return Circuit.objects.order_by("opened_at")


def begin_probe(circuit: Circuit, longest: timedelta) -> bool:
    """
    Return whether the caller is to probe: of all who ask, one, when the pause is over.

    Args:
        circuit: An open one.

        longest: How long the probe may take: after that somebody else may try.
    """
    due = Circuit.objects.filter(pk=circuit.pk, probe_at__lte=DatabaseNow())
    return bool(due.update(probe_at=from_now(longest)))


def abandon_probe(name: str) -> None:
    """Let somebody else probe the channel *name* at once: nothing was handed over."""
    Circuit.objects.filter(pk=name).update(probe_at=DatabaseNow())


def observe(channel: Channel, name: str, attempts: Sequence[Attempt], *, is_probe: bool) -> None:
    """
    Open or close the circuit of *channel* by what came of a hand-over.

    Args:
        channel: The channel; *name* is its name.

        attempts: What came of each message.

        is_probe: Whether it was to find out if the channel can be used again.
    """
    # One for which there was nowhere to send it to did not reach the channel.
    telling = [attempt for attempt in attempts if attempt.outcome is not Outcome.SKIPPED]
    failed = [one for one in telling if one.outcome is not Outcome.SENT and classify(one) in _FAILURES]
    if not telling:
        if is_probe:
            abandon_probe(name)
    elif len(failed) < len(telling):
        with _lock:
            _failures.pop(channel, None)
        if is_probe:
            _close(name)
    elif is_probe:
        _wait_longer(name, failed[-1])
    else:
        with _lock:
            number = _failures.get(channel, 0) + 1
            is_enough = number >= OPENS_AFTER
            _failures[channel] = 0 if is_enough else number
        if is_enough:
            _open(name, failed[-1])


def _open(name: str, attempt: Attempt) -> None:
    _, is_new = Circuit.objects.get_or_create(
        channel=name,
        defaults={
            "opened_at": DatabaseNow(),
            "probe_at": from_now(SHORTEST_PAUSE),
            "pause": SHORTEST_PAUSE,
            "code": attempt.code,
            "reason": redacted(attempt.reason),
        },
    )
    if is_new:
        LOG.error(
            "The channel %s is not used for now: %d hand-overs in a row failed, the last with %s. What waits for it "
            "waits on; it is tried with one message after a while.",
            name,
            OPENS_AFTER,
            attempt.code,
        )


def _wait_longer(name: str, attempt: Attempt) -> None:
    for circuit in Circuit.objects.filter(pk=name):
        pause = min(circuit.pause * 2, LONGEST_PAUSE)
        said = {"code": attempt.code, "reason": redacted(attempt.reason)}
        Circuit.objects.filter(pk=name).update(pause=pause, probe_at=from_now(pause), **said)
        LOG.warning("The channel %s still fails (%s); next try in %d s.", name, attempt.code, pause.total_seconds())


def _close(name: str) -> None:
    for circuit in Circuit.objects.filter(pk=name):
        Circuit.objects.filter(pk=name).delete()
        LOG.warning("The channel %s is used again; it was not since %s.", name, circuit.opened_at.isoformat())
