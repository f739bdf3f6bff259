"""
Internal: measures the outbox beside others (``make bench-outbox``).

``python benchmarks/outbox.py claim`` measures that row alone. It needs PostgreSQL where the tests look for it, and
redis-server on the PATH. As in `run.py`, sides take turns and figures are medians.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import environments
import psycopg
from figures import Figure, alternate, measure, median
from processes import FAST, HERE, SMTP, Worker, smtp_sink
from psycopg.sql import SQL, Identifier

from edx_ace.testing.smtp import SmtpSink

POSTGRES = os.environ.get("ACE_TEST_POSTGRES_URL") or "postgresql://postgres@127.0.0.1:5432/postgres"

#: How long Celery may take to deliver what it was given, in seconds.
PATIENCE_SECONDS = 600

#: What others' queues need to be installed beside.
QUEUES = ["django.contrib.auth", "django.contrib.contenttypes", "post_office", "mailer"]

#: Threads that send: as many as django-post_office uses by default.
THREADS = 5


@contextmanager
def database(name: str = "ours") -> Iterator[dict[str, Any]]:
    """Make an empty database; yield it as Django's settings have it."""
    name = f"ace_benchmark_{name}_{os.getpid()}"
    place = urlsplit(POSTGRES)
    settings = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": place.username,
        "PASSWORD": place.password,
        "HOST": place.hostname,
        "PORT": place.port,
    }
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            yield settings
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def our_side(**settings: Any) -> Iterator[Worker]:
    """Start a process that has an outbox in a database of its own."""
    with database() as place:
        settings = {"DATABASES": {"default": place}, "BENCHMARK_APPS": ["edx_ace.outbox"], **settings}
        with Worker("ours", "queue_ours.py", **settings) as worker:
            worker.ask("migrate")
            yield worker


@contextmanager
def other_side(**settings: Any) -> Iterator[Worker]:
    """Start a process that has the other queues in a database of its own."""
    with database("others") as place:
        settings = {"DATABASES": {"default": place}, "INSTALLED_APPS": QUEUES, **settings}
        with Worker("queues", "queue_peers.py", **settings) as worker:
            worker.ask("migrate")
            yield worker


def queue_smtp() -> Iterator[Figure]:
    """From the call that queues a message to the mail server that has it."""
    yield from _queue(targets=(5, 12), backend=SMTP)


def queue_dummy() -> Iterator[Figure]:
    """The same to a backend that forgets it."""
    yield from _queue(targets=(6, 15), backend="django.core.mail.backends.dummy.EmailBackend")


def _queue(
    targets: tuple[float, float], backend: str, rounds: int = 3, count: int = 5_000, peer_count: int = 1_000
) -> Iterator[Figure]:
    with ExitStack() as stack:
        port = stack.enter_context(smtp_sink(rounds * (count + 2 * peer_count))) if backend == SMTP else 25
        mail = {"EMAIL_BACKEND": backend, "EMAIL_PORT": port, **FAST}
        ours = stack.enter_context(our_side(**mail))
        peers = stack.enter_context(
            other_side(
                **mail,
                POST_OFFICE={"BACKENDS": {"default": backend}, "THREADS_PER_PROCESS": THREADS},
                MAILER_EMAIL_BACKEND=backend,
            )
        )
        ours_took, post_office, mailer = alternate(
            rounds,
            lambda: ours.ask("put_in_and_deliver", count=count, threads=THREADS),
            lambda: peers.ask("post_office", count=peer_count),
            lambda: peers.ask("mailer", count=peer_count),
        )
    for peer, took, target in zip(("django-post_office", "django-mailer"), (post_office, mailer), targets, strict=True):
        yield Figure(peer, median(ours_took, "wall", count), median(took, "wall", peer_count), "µs wall", target)


def enqueue(rounds: int = 3, count: int = 5_000) -> Iterator[Figure]:
    """A row of the outbox, beside ``Model.objects.create``; there are two a message."""
    with our_side() as ours:
        ours.ask("put_in", count=500)
        enqueued, created = alternate(
            rounds, lambda: ours.ask("put_in", count=count), lambda: ours.ask("create", count=count // 5)
        )
    yield Figure("create", median(enqueued, "wall", 2 * count), median(created, "wall", 2 * (count // 5)), "µs wall", 8)


def claim(rounds: int = 31, count: int = 1_000_000, limit: int = 500) -> Iterator[Figure]:
    """A claim among many rows of which one in ten is due, beside the ORM's SELECT FOR UPDATE and UPDATE."""
    with our_side() as ours:
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
        with database() as place:
            settings = {"DATABASES": {"default": place}, "BENCHMARK_APPS": ["edx_ace.outbox"], **FAST}
            with Worker("ours", "queue_ours.py", **settings) as caller:
                caller.ask("migrate")
                caller.ask("put_in", count=count)
            # Another process: what the caller needed is not the worker's.
            with Worker("ours", "queue_ours.py", **settings) as worker:
                return float(worker.ask("deliver")["peak"])

    ours, ours_large = peak(count), peak(large_count)
    yield Figure(f"{large_count:,} messages, to 100 MiB", ours_large, 100, "MiB", 1, at_most=True)
    yield Figure(f"{large_count:,} messages, to {count:,}", ours_large, ours, "MiB", 1.05, at_most=True)


class Sink(Protocol):
    """Where messages arrive."""

    @property
    def count(self) -> int:
        """How many have arrived."""


@contextmanager
def redis() -> Iterator[str]:
    """Run a Redis; yield its URL, without the number of a database."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


@contextmanager
def celery_worker(side: Worker, *options: str | Path) -> Iterator[None]:
    """Run a worker of two prefork children, with *options*, in the environment and under the settings of *side*."""
    command = [side.python, "-m", "celery", "--app", "celery_app", "worker", "--concurrency", "2", *options]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=HERE, env=side.variables, stdout=log, stderr=log)
        try:
            yield
            if process.poll() is not None:
                log.seek(0)
                sys.exit(f"Celery's worker ended:\n{log.read().decode()}")
        finally:
            process.terminate()
            process.wait()


def celery(rounds: int = 3, count: int = 2_000, peer_count: int = 200) -> Iterator[Figure]:
    """Emails from call to mail server over Celery, and the released package with a task for each."""
    with ExitStack() as stack:
        sink = stack.enter_context(SmtpSink(keep=False))
        broker = stack.enter_context(redis())
        mail = {"EMAIL_BACKEND": SMTP, "EMAIL_PORT": sink.port}
        ours = {
            **mail,
            "DATABASES": {"default": stack.enter_context(database())},
            "BENCHMARK_APPS": ["edx_ace.outbox"],
            "ACE_OUTBOX_CELERY": True,
        }
        sides = [
            stack.enter_context(Worker(environment, **settings, CELERY_BROKER_URL=f"{broker}/{number}"))
            # Who shares a table shares a broker: the doorbell is in the table.
            for number, environment, settings in (
                (0, "released", mail),
                (1, "ours", ours),
                (1, "ours", {**ours, **FAST}),
            )
        ]
        sides[1].ask("migrate")

        def measure(side: Worker, name: str, count: int) -> float:
            # A worker of its own each time: those of the others must not take from the same table.
            with celery_worker(side):
                deliver(sink, partial(side.ask, name), 20)
                return deliver(sink, partial(side.ask, name), count)

        released, django, fast = sides
        results = alternate(
            rounds,
            lambda: measure(released, "delay", peer_count),
            lambda: measure(django, "enqueue", count),
            lambda: measure(fast, "enqueue", count),
        )
    peer, with_django, with_fast = (statistics.median(result) * 1e6 for result in results)
    if FAST:
        yield Figure("fast engine", with_fast, peer, "µs wall", 10)
    yield Figure("Django's engine", with_django, peer, "µs wall", None if FAST else 10)


def deliver(sink: Sink, give: Callable[..., Any], count: int) -> float:
    """
    Return how long one of *count* messages takes, in seconds, from the call that gives them until all are at *sink*.
    """
    enough = sink.count + count
    started = time.perf_counter()
    give(count=count)
    while sink.count < enough:
        if time.perf_counter() - started > PATIENCE_SECONDS:
            sys.exit(f"{enough - sink.count} of {count} messages have not arrived.")
        time.sleep(0.005)
    return (time.perf_counter() - started) / count


ROWS: dict[str, Callable[[], Iterator[Figure]]] = {
    "queue-smtp": queue_smtp,
    "queue-dummy": queue_dummy,
    "celery": celery,
    "enqueue": enqueue,
    "claim": claim,
    "queue-memory": memory,
}


if __name__ == "__main__":
    for environment in environments.ENVIRONMENTS:
        environments.make(environment)
    measure(ROWS, "table-outbox.txt", __doc__)
