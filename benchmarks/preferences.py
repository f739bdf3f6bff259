"""
Internal: measures what preferences and tracking cost (``make bench-preferences``), beside the same outbox without them.

``python benchmarks/preferences.py permit`` measures that row alone. It needs PostgreSQL where the tests look for it. As
in `run.py`, sides take turns and figures are medians.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import environments
import letter
from figures import Figure, alternate, measure, median
from outbox import database
from processes import FAST, Worker


@contextmanager
def side() -> Iterator[Worker]:
    """Start a process that has an outbox, preferences and tracking in a database of its own."""
    begin = datetime.now(tz=UTC) + timedelta(hours=8)
    settings: dict[str, Any] = {
        "BENCHMARK_APPS": ["edx_ace.outbox", "edx_ace.preferences", "edx_ace.tracking", "edx_ace.web"],
        "ROOT_URLCONF": "urls",
        "TIME_ZONE": "UTC",
        "ACE_BASE_URL": "https://learning.example.com",
        "ACE_POSTAL_ADDRESS": letter.CONTEXT["postal_address"],
        "ACE_OUTBOX_BATCH": 500,
        "ACE_CATEGORIES": {"news": {"digest": True, "send_time": True, "track": True}, "offers": {}},
        "ACE_DEFAULT_CATEGORY": "news",
        # It is not night now.
        "ACE_QUIET_HOURS": [f"{begin:%H:%M}", f"{begin + timedelta(hours=8):%H:%M}"],
        "ACE_FREQUENCY_CAPS": {"all": "5/day", "email": "3/day, 10/week"},
        "ACE_SEND_TIME": "benchmark",
        **FAST,
    }
    with (
        database("preferences") as place,
        Worker("ours", "preferences_ours.py", DATABASES={"default": place}, **settings) as worker,
    ):
        worker.ask("migrate")
        yield worker


def policies(rounds: int = 5, count: int = 10_000, chunk: int = 500) -> Iterator[Figure]:
    """
    Delivering to as many people, of whom a few stop it, with all policies, their guard and the step ``track``, and with
    none; and with all that a site has, so with ``suppression``, its guard and the step ``unsubscribe``, too.
    """

    def deliver(switched_on: str) -> dict[str, float]:
        ours.ask("clear")
        ours.ask("fill", count=count)
        ours.ask("put_in", count=count)
        took: dict[str, float] = ours.ask("deliver", switched_on=switched_on)
        assert took["sent"] == count or switched_on != "nothing"
        assert took["sent"] > 0.9 * count, took
        return took

    with side() as ours:
        ours.ask("fill", count=count)
        asked = ours.ask("queries", count=chunk)
        with_them, with_all, without = alternate(
            rounds, lambda: deliver("preferences"), lambda: deliver("everything"), lambda: deliver("nothing")
        )
    yield Figure(f"queries a chunk of {chunk}", len(asked), 3, "queries", 1, at_most=True)
    for name, results, target in (
        (f"{count:,} deliveries", with_them, 1.25),
        ("with suppression, unsubscribe", with_all, None),
    ):
        for kind in ("wall", "cpu"):
            took = median(results, kind, count), median(without, kind, count)
            yield Figure(name, *took, f"µs {kind}", target, at_most=True)


def permit(rounds: int = 15, windows: int = 50, size: int = 10, people: int = 1_000_000) -> Iterator[Figure]:
    """A permit for a window, with all guards, ten million choices and a million suppressions, and with none."""
    with side() as ours:
        ours.ask("put_in", count=windows * size * 4)
        ours.ask("fill_many", people=people, of_each=10)
        for table, scans in ours.ask("plan", size=size).items():
            assert scans and set(scans) <= {"Index Scan", "Index Only Scan"}, f"{table} is read by {scans}."
        ask = {"windows": windows, "size": size}
        guarded, bare = alternate(
            rounds,
            lambda: ours.ask("permits", guarded=True, **ask),
            lambda: ours.ask("permits", guarded=False, **ask),
        )
    name = f"a window of {size}, {people * 10:,} choices"
    for kind in ("wall", "cpu"):
        took = median(guarded, kind, windows), median(bare, kind, windows)
        yield Figure(name, *took, f"µs {kind}", 1.3, at_most=True)


ROWS: dict[str, Callable[[], Iterator[Figure]]] = {"policies": policies, "permit": permit}


if __name__ == "__main__":
    environments.make("ours")
    measure(ROWS, "table-preferences.txt", __doc__)
