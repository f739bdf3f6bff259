"""
Internal: the processes of a measurement: one side of it, a mail server, a distance to that.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import environments

HERE = Path(__file__).parent

#: The round trip to a distant mail server, in seconds.
ROUND_TRIP_SECONDS = 0.02

SMTP = "django.core.mail.backends.smtp.EmailBackend"

#: django-rust-templates needs Python 3.12.
HAS_FAST_ENGINE = sys.version_info >= (3, 12)
FAST = {"ACE_TEMPLATE_ENGINE": "fast"} if HAS_FAST_ENGINE else {}


class Worker:
    """A process of one environment, or interpreter, that does what *script* offers, under *settings*."""

    def __init__(self, environment: str | Path, script: str = "worker.py", /, **settings: Any) -> None:
        self.python = environment if isinstance(environment, Path) else environments.python_of(environment)
        #: The variables of its environment, for another process like it.
        self.variables = environment_with(BENCHMARK_SETTINGS=json.dumps(settings))
        # A file and no pipe: a side that logs much would wait for somebody to read it.
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed with the process
        self.process = subprocess.Popen(
            [self.python, HERE / script],
            env=self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()
        self.errors.close()

    def ask(self, name: str, **arguments: Any) -> Any:
        """Call the function *name* of the worker and return its result."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([name, arguments]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            sys.exit(f"{name}{arguments} failed:\n{self.errors.read()}")
        return json.loads(line)


@contextmanager
def smtp_sink(expected: int) -> Iterator[int]:
    """Run a mail server that forgets what it receives; yield its port. It must have received *expected* messages."""
    command = [sys.executable, "-m", "edx_ace.testing.smtp", "--port", "0", "--count-only"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        listening = process.stdout.readline()
        yield int(listening.rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate()
    if said.split()[0] != str(expected):
        sys.exit(f"Expected {expected} messages at the mail server, but it says: {said}")


@contextmanager
def distance_to(port: int) -> Iterator[int]:
    """Run a proxy that makes *port* a round trip of 20 ms away; yield the proxy's port."""
    command = [sys.executable, HERE / "proxy.py", str(port), str(ROUND_TRIP_SECONDS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


def environment_with(**variables: str) -> dict[str, str]:
    """Return this process's environment with the settings of the benchmarks and *variables*."""
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "settings", **variables}
