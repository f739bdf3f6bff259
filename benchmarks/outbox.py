"""
Internal: measures the outbox beside other queues on PostgreSQL (``make bench-outbox``).

``python benchmarks/outbox.py claim`` measures this row alone. PostgreSQL is where ACE_TEST_POSTGRES_URL says, on its
standard local port by default; each side has a database of its own there for the time of a row. As in `run.py`, sides
take turns and figures are medians.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import environments
import psycopg
from figures import Figure, alternate, measure, median
from processes import FAST, SMTP, Worker, smtp_sink

#: What `django-admin startproject` enables and the benchmarks need of it.
APPS = ["django.contrib.auth", "django.contrib.contenttypes"]

#: The apps of each side, by environment and script.
SIDES = {
    "outbox": ("queue_ours.py", ["edx_ace", "edx_ace.outbox"]),
    "queues": ("queue_peers.py", ["post_office", "mailer"]),
}

#: Threads that send: as many as django-post_office uses by default.
THREADS = 5


@contextmanager
def side(environment: str, **settings: Any) -> Iterator[Worker]:
    """Start a process of *environment* with a database of its own."""
    script, apps = SIDES[environment]
    name = f"ace_bench_{environment}_{os.getpid()}"
    address = urlsplit(os.environ.get("ACE_TEST_POSTGRES_URL") or "postgresql://postgres@127.0.0.1:5432/postgres")
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": address.hostname,
        "PORT": address.port,
        "USER": address.username,
        "PASSWORD": address.password,
        "NAME": name,
    }
    _administer(address.geturl(), f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    try:
        settings = {"DATABASES": {"default": database}, "INSTALLED_APPS": [*APPS, *apps], **settings}
        with Worker(environment, script, **settings) as worker:
            worker.ask("migrate")
            yield worker
    finally:
        _administer(address.geturl(), f"DROP DATABASE {name}")


def queue_smtp() -> Iterator[Figure]:
    """From the call that queues a message to the mail server that has it."""
    yield from _queue(targets=(5, 12), backend=SMTP)


def queue_dummy() -> Iterator[Figure]:
    """The same to a backend that forgets it."""
    yield from _queue(targets=(6, 15), backend="django.core.mail.backends.dummy.EmailBackend")


def _queue(targets: tuple[float, float], backend: str, rounds: int = 3, count: int = 5_000) -> Iterator[Figure]:
    with ExitStack() as stack:
        port = stack.enter_context(smtp_sink(3 * rounds * count)) if backend == SMTP else 25
        mail = {"EMAIL_BACKEND": backend, "EMAIL_PORT": port, **FAST}
        ours = stack.enter_context(side("outbox", **mail))
        peers = stack.enter_context(
            side(
                "queues",
                **mail,
                POST_OFFICE={"BACKENDS": {"default": backend}, "THREADS_PER_PROCESS": THREADS},
                MAILER_EMAIL_BACKEND=backend,
            )
        )
        ours_took, post_office, mailer = alternate(
            rounds,
            lambda: ours.ask("put_in_and_deliver", count=count, threads=THREADS),
            lambda: peers.ask("post_office", count=count),
            lambda: peers.ask("mailer", count=count),
        )
    our_figure = median(ours_took, "wall", count)
    yield Figure("django-post_office", our_figure, median(post_office, "wall", count), "µs wall", targets[0])
    yield Figure("django-mailer", our_figure, median(mailer, "wall", count), "µs wall", targets[1])


def enqueue(rounds: int = 3, count: int = 5_000) -> Iterator[Figure]:
    """A row of the outbox, beside ``Model.objects.create``; there are two a message."""
    with side("outbox") as ours:
        ours.ask("put_in", count=500)
        enqueued, created = alternate(
            rounds, lambda: ours.ask("put_in", count=count), lambda: ours.ask("create", count=count // 5)
        )
    yield Figure("create", median(enqueued, "wall", 2 * count), median(created, "wall", 2 * (count // 5)), "µs wall", 8)


def claim(rounds: int = 31, count: int = 1_000_000, limit: int = 500) -> Iterator[Figure]:
    """A claim among many rows of which one in ten is due, beside the ORM's SELECT FOR UPDATE and UPDATE."""
    with side("outbox") as ours:
        ours.ask("fill", count=count)
        plan = ours.ask("plan")
        assert "ace_outbox_due" in plan, f"Expected a plan that uses the partial index, found:\n{plan}"
        claimed, by_orm = alternate(
            rounds, lambda: ours.ask("claim", limit=limit), lambda: ours.ask("claim_by_orm", limit=limit)
        )
        ours.ask("clear")
        polled = ours.ask("poll", count=200)
    yield Figure("ORM", median(claimed, "wall", unit=1e-3), median(by_orm, "wall", unit=1e-3), "ms wall", 1.8)
    yield Figure("an empty poll, to 1 ms", median([polled], "wall", 200, 1e-3), 1, "ms wall", 1, at_most=True)


def memory(count: int = 10_000, large_count: int = 200_000) -> Iterator[Figure]:
    """The peak of a worker that delivers many messages."""

    def peak(count: int) -> float:
        with side("outbox", **FAST) as ours:
            ours.ask("put_in", count=count)
            with Worker("outbox", SIDES["outbox"][0], **ours.settings) as worker:
                return float(worker.ask("deliver")["peak"])

    ours, ours_large = peak(count), peak(large_count)
    yield Figure(f"{large_count:,} messages, to 100 MiB", ours_large, 100, "MiB", 1, at_most=True)
    yield Figure(f"{large_count:,} messages, to {count:,}", ours_large, ours, "MiB", 1.05, at_most=True)


ROWS: dict[str, Callable[[], Iterator[Figure]]] = {
    "queue-smtp": queue_smtp,
    "queue-dummy": queue_dummy,
    "enqueue": enqueue,
    "claim": claim,
    "queue-memory": memory,
}


def _administer(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


if __name__ == "__main__":
    for environment in SIDES:
        environments.make(environment)
    measure(ROWS, "table-outbox.txt", __doc__)
