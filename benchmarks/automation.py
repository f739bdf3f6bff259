"""
Internal: measures automation (``make bench-automation``) with ten thousand messages that refer to five objects each.

``python benchmarks/automation.py due`` measures that row alone. It needs PostgreSQL where the tests look for it. As in
`run.py`, sides take turns and figures are medians.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import environments
from figures import Figure, alternate, measure, median
from outbox import database
from processes import FAST, SMTP, Worker, smtp_sink

#: Each of its five references is to another.
MODELS = 5

#: How many a worker claims at a time, and how many objects are looked at together.
BATCH, PAGE = 200, 500


@contextmanager
def site(count: int, **settings: Any) -> Iterator[dict[str, Any]]:
    """Make a database of *count* workshops, about each of which a message is due; yield the settings of its site."""
    with database("automation") as place:
        settings = {
            "DATABASES": {"default": place},
            "BENCHMARK_APPS": ["edx_ace.outbox", "edx_ace.automation", "workshops"],
            "TIME_ZONE": "UTC",
            **FAST,
            **settings,
        }
        # Another process: what making the rows takes of memory is none of what is measured.
        with Worker("ours", "automation_ours.py", **settings) as worker:
            worker.ask("migrate")
            worker.ask("fill", count=count)
            worker.ask("schedule", count=count)
        yield settings


@contextmanager
def side(count: int, **settings: Any) -> Iterator[Worker]:
    """Start a process that has *count* messages that are due, in a database of its own."""
    with site(count, **settings) as settings, Worker("ours", "automation_ours.py", **settings) as worker:
        yield worker


def due(count: int = 10_000, rounds: int = 3, peer_count: int = 200, small_count: int = 1_000) -> Iterator[Figure]:
    """
    From the moment at which they are due until they have gone, beside a loop that looks up what one message refers to,
    renders it, sends it and writes that down, and then goes on to the next; the same functions render the texts.
    """

    def took(ours: Worker, how: str) -> Any:
        ours.ask("schedule", count=peer_count)
        return ours.ask(how)

    for name, settings in (("to a mail server", {"EMAIL_BACKEND": SMTP}), ("to a backend that forgets", {})):
        with ExitStack() as stack:
            if settings:
                settings["EMAIL_PORT"] = stack.enter_context(smtp_sink(rounds * 2 * peer_count))
            ours = stack.enter_context(side(peer_count, **settings))
            sent, peer = alternate(rounds, partial(took, ours, "send"), partial(took, ours, "send_one_at_a_time"))
        for key in ("wall", "cpu"):
            yield Figure(f"{name}, {key}", *(median(one, key, peer_count) for one in (sent, peer)), f"µs {key}", 20)
        begun, one = median(sent, "begun", peer_count), median(peer, "wall", peer_count)
        yield Figure(f"{name}, into the outbox", begun, one, "µs wall", 20)
    peaks = []
    for number in (count, small_count):
        with side(number) as ours:
            peaks.append(ours.ask("send")["peak"])
    yield Figure(f"{count:,} to {small_count:,}", *peaks, "MiB", 1.05, at_most=True)


def due_queries() -> Iterator[Figure]:
    """What a batch takes, whatever it refers to: putting it into the outbox, and loading it from there."""
    with side(2 * BATCH) as ours:
        took = ours.ask("queries", batch=BATCH)
    for name in ("begun", "loaded"):
        yield Figure(f"{name}, to {MODELS} models and 5", took[name], MODELS + 5, "queries", 1, at_most=True)


def reconcile(count: int = 10_000, small_count: int = 1_000) -> Iterator[Figure]:
    """Looking at all objects, and at the messages about them, and changing none."""
    pages, peaks = [], []
    for number in (count, small_count):
        with side(number) as ours:
            took = ours.ask("reconcile")
        assert took["found"] >= number
        pages.append(took["queries"] / (number / PAGE))
        peaks.append(took["peak"])
    yield Figure(f"of {PAGE}: {count:,} to {small_count:,}", *pages, "queries", 1.05, at_most=True)
    yield Figure(f"{count:,} to {small_count:,}", *peaks, "MiB", 1.05, at_most=True)


ROWS: dict[str, Callable[[], Iterator[Figure]]] = {"due": due, "due-queries": due_queries, "reconcile": reconcile}


if __name__ == "__main__":
    environments.make("ours")
    measure(ROWS, "table-automation.txt", __doc__)
