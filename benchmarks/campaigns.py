"""
Internal: measures campaigns (``make bench-campaigns``) with a million recipients.

``python benchmarks/campaigns.py count`` measures that row alone. It needs PostgreSQL where the tests look for it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import environments
import letter
from figures import Figure, measure
from outbox import celery_worker, database, deliver, redis
from processes import FAST, Worker

SETTINGS: dict[str, Any] = {
    # Some of them keep what the guards ask for.
    "BENCHMARK_APPS": [
        "edx_ace.outbox", "edx_ace.preferences", "edx_ace.tracking", "edx_ace.campaigns", "edx_ace.web", "campus",
    ],
    "ROOT_URLCONF": "urls",
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    "ALLOWED_HOSTS": ["testserver"],
}  # fmt: skip


@contextmanager
def site(count: int, **settings: Any) -> Iterator[dict[str, Any]]:
    """Make a database of campaigns and *count* people; yield the settings of a site that uses it."""
    with database("campaigns") as place:
        settings = {**SETTINGS, "DATABASES": {"default": place}, **settings}
        # Another process: what making the tables takes of memory is none of what is measured.
        with Worker("ours", "campaigns_ours.py", **settings) as worker:
            worker.ask("migrate")
            worker.ask("fill", count=count)
        yield settings


@contextmanager
def side(count: int) -> Iterator[Worker]:
    """Start a process that has campaigns, and *count* people, in a database of its own."""
    with site(count) as settings, Worker("ours", "campaigns_ours.py", **settings) as worker:
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


def progress(count: int = 1_000_000) -> Iterator[Figure]:
    """The page of a campaign all of whose recipients are in the outbox: what its queries take."""
    with side(count) as ours:
        ours.ask("put_in", count=count)
        looked = ours.ask("look")
    for table, scans in looked["scans"].items():
        assert "Seq Scan" not in scans, f"{table} is read by {scans}."
    yield Figure(f"of {count:,}, to 100 ms", looked["wall"] * 1e3, 100, "ms wall", 1, at_most=True)


class Tally:
    """Counts the messages of `backends.Tally`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    @property
    def count(self) -> int:
        """How many have arrived."""
        return self.path.stat().st_size


def end_to_end(count: int = 100_000, peer_count: int = 2_000) -> Iterator[Figure]:
    """
    From the start of a campaign to its last message, over Celery with two children, five policies on; beside the
    released package with a task for each recipient and, as it has none, without a policy.
    """
    # Of a hundred people one has no address, and one is not active.
    people = count * 100 // 98 + 100
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        tally = Tally(folder / "tally")
        broker = stack.enter_context(redis())
        mail = {"EMAIL_BACKEND": "backends.Tally", "BENCHMARK_TALLY": str(tally.path)}
        released = stack.enter_context(Worker("released", **mail, CELERY_BROKER_URL=f"{broker}/0"))
        begin = datetime.now(tz=UTC) + timedelta(hours=8)
        settings = stack.enter_context(
            site(
                people,
                **mail,
                **FAST,
                CELERY_BROKER_URL=f"{broker}/1",
                CELERY_BEAT_SCHEDULE={"sweep": {"task": "edx_ace.outbox.tasks.sweep", "schedule": 1.0}},
                TIME_ZONE="UTC",
                ACE_OUTBOX_CELERY=True,
                ACE_BASE_URL="https://learning.example.com",
                ACE_POSTAL_ADDRESS=letter.CONTEXT["postal_address"],
                ACE_CONTENT_STEPS=["unsubscribe"],
                ACE_ENABLED_POLICIES=["suppression", "preference", "quiet_hours", "frequency_cap", "digest"],
                ACE_CATEGORIES={"news": {"digest": True}},
                ACE_FREQUENCY_CAPS={"email": "100/day"},
                # It is not night now.
                ACE_QUIET_HOURS=[f"{begin:%H:%M}", f"{begin + timedelta(hours=8):%H:%M}"],
            )
        )
        ours = stack.enter_context(Worker("ours", "campaigns_ours.py", **settings))

        def released_took() -> float:
            with celery_worker(released):
                deliver(tally, partial(released.ask, "delay"), 20)
                return deliver(tally, partial(released.ask, "delay"), peer_count)

        before = released_took()
        with celery_worker(ours, "--beat", "--schedule", folder / "beat"):
            took = deliver(tally, lambda count: ours.ask("send", count=people), count)
        peer = statistics.mean([before, released_took()])
    yield Figure(f"{count:,} recipients", took * 1e6, peer * 1e6, "µs wall", 8)


ROWS: dict[str, Callable[[], Iterator[Figure]]] = {
    "expand": expand,
    "count": count,
    "progress": progress,
    "end-to-end": end_to_end,
}


if __name__ == "__main__":
    for environment in ("ours", "released"):
        environments.make(environment)
    measure(ROWS, "table-campaigns.txt", __doc__)
