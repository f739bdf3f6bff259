"""
Internal: workers that are killed, and what arrives all the same (``make test-faults``).

Worker processes deliver to an SMTP sink; a nemesis with a seed kills them with SIGKILL while they do. Then what the
sink took, the rows and the public counts are compared.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.db import connection

from edx_ace import Recipient
from edx_ace.outbox import State, enqueue, status
from edx_ace.outbox.models import Delivery
from edx_ace.testing.smtp import Answer, SmtpSink
from tests.pipeline import welcome

ROOT = Path(__file__).resolve().parents[2]

#: Messages, and how many times a worker is killed while they are sent.
MESSAGES = 3000
KILLS = 20

#: Worker processes at a time, of one thread each.
WORKERS = 2

#: How long the work may take once nobody is killed any more, in seconds: several leases.
PATIENCE_SECONDS = 180


def answers() -> dict[str, tuple[Answer, ...]]:
    """Return how the sink answers the recipients whose local parts are not accepted at once."""
    return {
        **{f"grey{n}": (Answer("450 4.2.0 come back later", times=1),) for n in range(MESSAGES)},
        **{f"gone{n}": (Answer("550 5.1.1 no such user"),) for n in range(MESSAGES)},
        **{f"spam{n}": (Answer("554 5.7.1 not wanted", at="END"),) for n in range(MESSAGES)},
    }


def local_part(number: int) -> str:
    """Return the local part of recipient *number*: one in ten is not accepted at once."""
    return {0: f"grey{number}", 10: f"gone{number}", 20: f"spam{number}"}.get(number % 30, f"fine{number}")


class Workers:
    """The worker processes of a test, of which each that is killed is replaced."""

    def __init__(self, port: int, window: int, log: Path) -> None:
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "PYTHONPATH": str(ROOT),
            "ACE_FAULTS_DATABASE": str(connection.settings_dict["NAME"]),
            "ACE_FAULTS_SMTP_PORT": str(port),
            "ACE_FAULTS_WINDOW": str(window),
        }
        self.log = log.open("w")
        self.running = [self.start() for _ in range(WORKERS)]

    def start(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        command = [sys.executable, "-m", "django", "ace_worker"]
        return subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=self.log, stderr=self.log)

    def kill(self, index: int) -> None:
        """Kill a worker and start another in its place."""
        self.running[index].kill()
        self.running[index].wait()
        self.running[index] = self.start()

    def end(self) -> list[int]:
        """Ask all workers to end and return what they end with."""
        for worker in self.running:
            worker.send_signal(signal.SIGTERM)
        codes = [worker.wait(30) for worker in self.running]
        self.log.close()
        return codes


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    """A mail server."""
    with SmtpSink(answers=answers()) as sink:
        yield sink


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("window", [1, 10])
def test_nothing_is_lost_and_repeats_are_bounded_when_workers_are_killed(sink, window, tmp_path):
    """
    Every message ends in a state that agrees with what arrived; each kill repeats at most a window.
    """
    chance = random.Random(window)
    batch = uuid4()
    enqueue(
        welcome(send_uuid=batch, recipient=Recipient(n + 1, f"{local_part(n)}@example.com")) for n in range(MESSAGES)
    )
    workers = Workers(sink.port, window, tmp_path / "workers.log")
    started = time.monotonic()
    try:
        for _ in range(KILLS):
            wait_for_messages(sink, chance.randint(20, 120))
            workers.kill(chance.randrange(WORKERS))
        wait_for(lambda: not status(batch=batch).is_open)
    finally:
        codes = workers.end()
    seconds = time.monotonic() - started

    states = dict(Delivery.objects.values_list("payload_id", "state"))
    arrived = Counter(UUID(message.email["Message-ID"].strip("<>").partition("@")[0]) for message in sink.messages)
    repeated = sum(arrived.values()) - len(arrived)
    print(f"{connection.vendor}, window {window}: {seconds:.0f} s, {repeated} repeated, {Counter(states.values())}")
    assert codes == [0] * WORKERS
    assert len(states) == MESSAGES
    assert {uuid for uuid, state in states.items() if state == State.SENT} == set(arrived)
    refused = sum(local_part(n).startswith(("gone", "spam")) for n in range(MESSAGES))
    assert Counter(states.values()) == {State.SENT: MESSAGES - refused, State.FAILED: refused}
    assert status(batch=batch).states == Counter(states.values())
    assert repeated <= KILLS * window


def wait_for_messages(sink: SmtpSink, more: int) -> None:
    """Wait until *sink* has taken so many more."""
    enough = sink.count + more
    wait_for(lambda: sink.count >= enough)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "The workers take too long; see workers.log in the folder of the test."
        time.sleep(0.02)
