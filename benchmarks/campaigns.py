"""
Internal: measures campaigns (``make bench-campaigns``) with a million recipients.

``python benchmarks/campaigns.py count`` measures that row alone. It needs PostgreSQL where the tests look for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import environments
from figures import Figure, measure
from outbox import database
from processes import Worker

#: Apps of which some keep what the guards ask for.
APPS = ["edx_ace.outbox", "edx_ace.preferences", "edx_ace.tracking", "edx_ace.campaigns"]


@contextmanager
def side(count: int) -> Iterator[Worker]:
    """Start a process that has campaigns, and as many people, in a database of its own."""
    with database("campaigns") as place:
        settings = {"DATABASES": {"default": place}, "BENCHMARK_APPS": APPS}
        # Another process: what making the tables takes of memory is none of what is measured.
        with Worker("ours", "campaigns_ours.py", **settings) as worker:
            worker.ask("migrate")
            worker.ask("fill", count=count)
        with Worker("ours", "campaigns_ours.py", **settings) as worker:
            yield worker


def expand(count: int = 1_000_000, small_count: int = 10_000) -> Iterator[Figure]:
    """The recipients of two audiences that overlap, from the start of a campaign until they are in the outbox."""
    with side(small_count) as ours:
        small = ours.ask("put_in", count=small_count)
        created = ours.ask("create", count=small_count // 5)
    with side(count) as ours:
        large = ours.ask("put_in", count=count)
    each = large["wall"] / count * 1e6
    yield Figure("each of a million, to 200 µs", each, 200, "µs wall", 1, at_most=True)
    yield Figure("create", each, created["wall"] / (small_count // 5) * 1e6, "µs wall", 8)
    yield Figure(f"{count:,} recipients, to 120 MiB", large["peak"], 120, "MiB", 1, at_most=True)
    yield Figure(f"{count:,} recipients, to {small_count:,}", large["peak"], small["peak"], "MiB", 1.05, at_most=True)


def count(count: int = 1_000_000, small_count: int = 10_000) -> Iterator[Figure]:
    """The exact numbers of who would get a campaign, with an exclusion, choices and suppressions."""

    def counted(count: int) -> dict[str, float]:
        with side(count) as ours:
            ours.ask("fill_reasons", count=count)
            took: dict[str, float] = ours.ask("count", count=count)
            return took

    small, large = counted(small_count), counted(count)
    yield Figure("a million, to 60 s", large["wall"], 60, "s wall", 1, at_most=True)
    yield Figure(f"{count:,} recipients, to {small_count:,}", large["peak"], small["peak"], "MiB", 1.05, at_most=True)


ROWS: dict[str, Callable[[], Iterator[Figure]]] = {"expand": expand, "count": count}


if __name__ == "__main__":
    environments.make("ours")
    measure(ROWS, "table-campaigns.txt", __doc__)
