"""
Internal: delivering many parcels, where one that has to be retried waits without holding up the others.
"""

from __future__ import annotations

import heapq
import itertools
import time
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Generic, TypeVar

import attrs

from edx_ace import delivery
from edx_ace.channel import Channel
from edx_ace.envelope import Parcel
from edx_ace.message import Message
from edx_ace.report import Attempt, Delivery, Outcome, SendReport
from edx_ace.utils.date import get_current_time

Ticket = TypeVar("Ticket")

#: Messages taken from the caller at a time: enough to share a query and a connection, few enough to hold rendered.
CHUNK_SIZE = 200

#: Parcels waiting for a retry before no further chunk is taken, so that memory stays constant while a provider is down.
MAX_WAITING = 1000


@attrs.define(order=False)
class _Try(Generic[Ticket]):
    ticket: Ticket
    parcel: Parcel
    started: datetime
    expiry: datetime
    attempts: int = 0
    last: Attempt | None = None


class BatchDelivery(Generic[Ticket]):
    """
    Delivers parcels, each with a ticket by which the caller knows it again.

    Results are ``(ticket, channel, Delivery or the exception that ended it)``.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[datetime, int, _Try[Ticket]]] = []
        self._numbers = itertools.count()

    def deliver(
        self, parcels: Iterable[tuple[Ticket, Parcel]]
    ) -> Iterator[tuple[Ticket, Channel, Delivery | Exception]]:
        """Attempt *parcels*, and those that waited long enough, and yield each one that is done with."""
        now, tries = get_current_time(), []
        for ticket, parcel in parcels:
            try:
                tries.append(_Try(ticket, parcel, now, delivery.expiry_of(parcel.message, now)))
            except Exception as error:
                yield ticket, parcel.channel, error
        yield from self._attempt(tries)
        yield from self._attempt(self._due())
        while len(self._waiting) > MAX_WAITING:
            yield from self._wait()

    def finish(self) -> Iterator[tuple[Ticket, Channel, Delivery | Exception]]:
        """Wait for every parcel that is to be retried, and yield it."""
        while self._waiting:
            yield from self._wait()

    def _wait(self) -> Iterator[tuple[Ticket, Channel, Delivery | Exception]]:
        seconds = (self._waiting[0][0] - get_current_time()).total_seconds()
        time.sleep(max(seconds, 0))
        yield from self._attempt(self._due())

    def _due(self) -> list[_Try[Ticket]]:
        now, due = get_current_time(), []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting)[2])
        return due

    def _attempt(self, tries: list[_Try[Ticket]]) -> Iterator[tuple[Ticket, Channel, Delivery | Exception]]:
        by_channel: dict[int, list[_Try[Ticket]]] = defaultdict(list)
        now = get_current_time()
        for one in tries:
            if one.expiry <= now:
                yield self._expired(one, now)
            else:
                by_channel[id(one.parcel.channel)].append(one)
        for group in by_channel.values():
            channel = group[0].parcel.channel
            attempts = delivery.attempt_many(channel, [one.parcel for one in group])
            for one, last in zip(group, attempts, strict=True):
                one.attempts, one.last = one.attempts + 1, last
                if last.outcome in (Outcome.SENT, Outcome.SKIPPED):
                    yield one.ticket, channel, delivery.done(channel, one.parcel.message, last, one.attempts)
                elif last.error is not None and last.outcome is Outcome.FAILED:
                    yield one.ticket, channel, delivery.counted(last.error, one.attempts)
                else:
                    yield from self._postpone(one, last)

    def _postpone(self, one: _Try[Ticket], last: Attempt) -> Iterator[tuple[Ticket, Channel, Delivery | Exception]]:
        now = get_current_time()
        next_time = delivery.next_attempt_time(last, now)
        if next_time > one.expiry:
            yield self._expired(one, now)
        else:
            seconds = (next_time - now).total_seconds()
            one.parcel.message.report(f"{one.parcel.channel.channel_type}_delivery_retried", seconds)
            heapq.heappush(self._waiting, (next_time, next(self._numbers), one))

    def _expired(self, one: _Try[Ticket], now: datetime) -> tuple[Ticket, Channel, Delivery]:
        channel = one.parcel.channel
        done = delivery.expired(channel, one.parcel.message, one.last, one.attempts, now - one.started)
        return one.ticket, channel, done


class ReportStream(Iterator[SendReport]):
    """The reports of a batch. Sending happens while it is iterated; one that is never begun warns, as coroutines do."""

    def __init__(self, reports: Iterator[SendReport]) -> None:
        self._reports = reports
        self._begun = False

    def __next__(self) -> SendReport:
        self._begun = True
        return next(self._reports)

    def __del__(self) -> None:
        if not self._begun:
            warnings.warn(
                "The result of send_many was never iterated, so nothing was sent.", RuntimeWarning, stacklevel=2
            )


def chunks(messages: Iterable[Message]) -> Iterator[Sequence[Message]]:
    """
    Yield *messages* in lists of CHUNK_SIZE; if *messages* raises, what it gave before comes first.

    Raises:
        TypeError: If an item is no Message.
    """
    chunk: list[Message] = []
    try:
        for number, message in enumerate(messages):
            if not isinstance(message, Message):
                raise TypeError(
                    f"send_many takes Messages, but item {number} is {message!r} ({type(message).__name__})."
                )
            chunk.append(message)
            if len(chunk) == CHUNK_SIZE:
                yield chunk
                chunk = []
    except Exception:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk
