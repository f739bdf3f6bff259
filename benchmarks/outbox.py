"""
Internal: measures the outbox beside others (``make bench-outbox``).

``python benchmarks/outbox.py celery`` measures that row alone. As for ``benchmarks/run.py``, whose environments,
messages and table these are. It needs PostgreSQL where the tests look for it, and redis-server on the PATH.
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
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier
from run import FAST, HERE, SMTP, Figure, Worker, alternate, main

from edx_ace.testing.smtp import SmtpSink

POSTGRES = os.environ.get("ACE_TEST_POSTGRES_URL") or "postgresql://postgres@127.0.0.1:5432/postgres"

#: How long a server may take to start, and Celery to deliver what it was given, in seconds.
PATIENCE_SECONDS = 600


@contextmanager
def database() -> Iterator[dict[str, Any]]:
    """Make an empty database; yield it as Django's settings have it."""
    name = f"ace_benchmark_{os.getpid()}"
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
def celery_worker(side: Worker) -> Iterator[None]:
    """Run a worker of two prefork children in the environment and under the settings of *side*."""
    command = [side.python, "-m", "celery", "--app", "celery_app", "worker", "--concurrency", "2"]
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
                _deliver(sink, partial(side.ask, name), 20)
                return _deliver(sink, partial(side.ask, name), count)

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


def _deliver(sink: SmtpSink, give: Callable[..., Any], count: int) -> float:
    """Return how long one of *count* messages takes from the call that gives them until the last has arrived."""
    enough = sink.count + count
    started = time.perf_counter()
    give(count=count)
    while sink.count < enough:
        if time.perf_counter() - started > PATIENCE_SECONDS:
            sys.exit(f"{enough - sink.count} of {count} messages have not arrived.")
        time.sleep(0.005)
    return (time.perf_counter() - started) / count


ROWS = {"celery": celery}


if __name__ == "__main__":
    main(ROWS, __doc__, "outbox-table.txt")
