"""
Internal: measures this package beside the released edx-ace 1.15.0 and others (``make bench``).

``python benchmarks/run.py json css`` measures these rows alone. Both sides run on the same interpreter and the same
Django, in environments of their own and alternately (A B A B …), so that a busy machine is busy for both; the
figures are medians. The table goes to standard output, the figures to ``benchmarks/results``, and so does the table
of a whole run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import environments
from figures import Figure, alternate, measure, median
from processes import FAST, HAS_FAST_ENGINE, HERE, SMTP, Worker, distance_to, environment_with, smtp_sink


def send_dummy(rounds: int = 11, count: int = 200) -> Iterator[Figure]:
    """``ace.send`` to Django's dummy backend."""
    with Worker("released") as released, Worker("ours") as django, Worker("ours", **FAST) as fast:
        sides = [released, django, fast]
        for side in sides:
            side.ask("send", count=count)
        results = alternate(rounds, *(lambda side=side: side.ask("send", count=count) for side in sides))
    peer, ours, ours_fast = (median(result, "cpu", count) for result in results)
    yield Figure("Django's engine", ours, peer, "µs CPU", 1)
    if HAS_FAST_ENGINE:
        yield Figure("fast engine", ours_fast, peer, "µs CPU", 4)


def send_smtp(rounds: int = 7, count: int = 100) -> Iterator[Figure]:
    """``ace.send`` to a mail server; the released package opens a connection for each message."""
    with smtp_sink(3 * (rounds + 1) * count) as port:
        mail = {"EMAIL_BACKEND": SMTP, "EMAIL_PORT": port}
        with (
            Worker("released", **mail) as released,
            Worker("ours", **mail) as django,
            Worker("ours", **mail, **FAST) as fast,
        ):
            sides = [released, django, fast]
            for side in sides:
                side.ask("send", count=count)
            results = alternate(rounds, *(lambda side=side: side.ask("send", count=count) for side in sides))
    peer, ours, ours_fast = (median(result, "wall", count) for result in results)
    if HAS_FAST_ENGINE:
        yield Figure("fast engine", ours_fast, peer, "µs wall", 4)
    yield Figure("Django's engine", ours, peer, "µs wall", None if HAS_FAST_ENGINE else 4)


def batch_smtp(rounds: int = 2, count: int = 10_000) -> Iterator[Figure]:
    """Many messages in one process: ``send_many``, and ``ace.send`` for each where there is nothing else."""
    with smtp_sink(2 * rounds * count) as port:
        mail = {"EMAIL_BACKEND": SMTP, "EMAIL_PORT": port}
        with Worker("released", **mail) as released, Worker("ours", **mail, **FAST) as fast:
            peer, ours = alternate(
                rounds, lambda: released.ask("send_batch", count=count), lambda: fast.ask("send_batch", count=count)
            )
    yield Figure("wall", median(ours, "wall", count), median(peer, "wall", count), "µs wall", 8)
    yield Figure("CPU", median(ours, "cpu", count), median(peer, "cpu", count), "µs CPU", 9)


def batch_rtt(
    rounds: int = 2, count: int = 5_000, kept_count: int = 1_000, opened_count: int = 100
) -> Iterator[Figure]:
    """The same over a line with a round trip of 20 ms; fewer messages by the peers, for which each takes as long."""
    connections = 10
    with smtp_sink(rounds * (count + kept_count + opened_count)) as port, distance_to(port) as far:
        mail = {"EMAIL_BACKEND": SMTP, "EMAIL_PORT": far}
        kept_open = {**mail, "EMAIL_BACKEND": "backends.KeptOpen"}
        with (
            Worker("released", **mail) as opens,
            Worker("released", **kept_open) as keeps,
            Worker("ours", **mail, **FAST, ACE_EMAIL_CONNECTIONS=connections) as fast,
        ):
            opened, kept, ours = alternate(
                rounds,
                lambda: opens.ask("send", count=opened_count),
                lambda: keeps.ask("send_in_threads", count=kept_count, threads=connections),
                lambda: fast.ask("send_batch", count=count),
            )
    our_figure = median(ours, "wall", count)
    yield Figure("a connection per message", our_figure, median(opened, "wall", opened_count), "µs wall", 40)
    yield Figure("10 open connections", our_figure, median(kept, "wall", kept_count), "µs wall", 3)


def mime(rounds: int = 7, count: int = 100) -> Iterator[Figure]:
    """The bytes of a multipart message, by Django's classes and by ours."""
    pythons = [environments.python_of("ours")]
    if not version("django").startswith("5.2."):
        pythons.append(Path(sys.executable))
    for python in pythons:
        with Worker(python) as ours:
            ours.ask("make_bytes", count=count)
            results = [ours.ask("make_bytes", count=count) for _ in range(rounds)]
        django = results[0]["django"]
        is_reference = python is pythons[0]
        if is_reference and not all(result["identical"] for result in results):
            sys.exit("Our bytes of a message differ from Django's.")
        peer = median(results, "peer", count)
        yield Figure(f"Django {django}", median(results, "ours", count), peer, "µs CPU", 10 if is_reference else None)


def json_text(rounds: int = 21, count: int = 2_000) -> Iterator[Figure]:
    """``str(message)`` and ``Message.from_string``, of the same JSON."""
    with Worker("released") as released, Worker("ours") as ours:
        text = released.ask("message_text")
        results = alternate(
            rounds + 1, *(lambda side=side: side.ask("json_text", text=text, count=count) for side in (released, ours))
        )
    peer, ours_results = results[0][1:], results[1][1:]
    if any(result["text"] != text for result in peer + ours_results):
        sys.exit("The JSON of a message differs between the two.")
    yield Figure("str", median(ours_results, "dump", count), median(peer, "dump", count), "µs CPU", 2.5)
    yield Figure("from_string", median(ours_results, "load", count), median(peer, "load", count), "µs CPU", 4)


def css(rounds: int = 7, count: int = 1_000, peer_count: int = 3) -> Iterator[Figure]:
    """The content step ``inline_css``, and premailer for each message."""
    with Worker("ours", **FAST) as ours:
        results = [ours.ask("inline_styles", count=count, peer_count=peer_count) for _ in range(rounds + 1)][1:]
    our_figure = median(results, "ours", count)
    yield Figure("premailer", our_figure, median(results, "peer", peer_count), "µs CPU", 200)
    yield Figure("premailer, its cache off", our_figure, median(results, "uncached_peer", peer_count), "µs CPU")


def start_up(rounds: int = 15) -> Iterator[Figure]:
    """A fresh process until its first message has gone, and one that only sets up Django."""

    def run(environment: str, *arguments: str, **variables: str) -> float:
        command = [environments.python_of(environment), HERE / "start_up.py", *arguments]
        done = subprocess.run(command, env=environment_with(**variables), capture_output=True, text=True, check=True)
        return float(done.stdout)

    plain, ours, released = (
        statistics.median(results) * 1000
        for results in alternate(
            rounds,
            lambda: run("ours", BENCHMARK_WITHOUT_ACE="1"),
            lambda: run("ours", "send"),
            lambda: run("released", "send"),
        )
    )
    yield Figure("plain Django", ours, plain, "ms wall", 1.3, at_most=True)
    yield Figure("released edx-ace", ours, released, "ms wall", 1, at_most=True)


def memory(count: int = 10_000, large_count: int = 100_000) -> Iterator[Figure]:
    """The peak of a process that sends many messages to a mail server."""

    def peak(environment: str, count: int, **settings: Any) -> float:
        with smtp_sink(count) as port, Worker(environment, EMAIL_BACKEND=SMTP, EMAIL_PORT=port, **settings) as worker:
            return float(worker.ask("send_batch", count=count)["peak"])

    peer, ours, ours_large = peak("released", count), peak("ours", count, **FAST), peak("ours", large_count, **FAST)
    yield Figure(f"{count:,} messages", ours, peer, "MiB", 1, at_most=True)
    yield Figure(f"{large_count:,} messages, to 80 MiB", ours_large, 80, "MiB", 1, at_most=True)
    yield Figure(f"{large_count:,} messages, to {count:,}", ours_large, ours, "MiB", 1.05, at_most=True)


ROWS: dict[str, Callable[[], Iterator[Figure]]] = {
    "send-dummy": send_dummy,
    "send-smtp": send_smtp,
    "batch-smtp": batch_smtp,
    "batch-rtt": batch_rtt,
    "mime": mime,
    "json": json_text,
    "css": css,
    "start-up": start_up,
    "memory": memory,
}


if __name__ == "__main__":
    for environment in ("ours", "released"):
        environments.make(environment)
    measure(ROWS, "table.txt", __doc__)
