"""
Internal: Celery whose broker or whose children are lost, and what arrives all the same (``make test-faults``).

A worker with two prefork children and a beat deliver to an SMTP sink. The broker and everything in it are the test's
own. Then what the sink took, the rows and the public counts are compared.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from celery import Celery
from django.db import connection
from pytest_django import Settings

from edx_ace import Recipient
from edx_ace.outbox import State, enqueue, status
from edx_ace.outbox.models import Delivery
from edx_ace.testing.smtp import Answer, SmtpSink
from tests.brokers import Broker, RabbitMQ, Redis, running
from tests.pipeline import welcome

ROOT = Path(__file__).resolve().parents[2]

#: Messages of a test, and how many are enqueued in one transaction.
MESSAGES = 1000
CHUNK = 50

CHILDREN = 2
#: How many children are killed while they deliver.
KILLS = 4
WINDOW = 10

#: How long the work may take once nothing is broken any more, in seconds: a ring has to count as lost, a lease to end,
#: a broker to be found again.
PATIENCE_SECONDS = 240

pytestmark = pytest.mark.django_db(transaction=True)


class CeleryProcesses:
    """A worker and a beat of the site in `tests.faults.celery_settings`."""

    def __init__(self, folder: Path, smtp_port: int, broker: Broker, opens_connections: bool = False) -> None:
        given = {
            "database": str(connection.settings_dict["NAME"]),
            "smtp_port": smtp_port,
            "broker_url": broker.url,
            "opens_connections": opens_connections,
        }
        self.folder = folder
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.faults.celery_settings",
            "PYTHONPATH": str(ROOT),
            # It doubles the time that they need to start.
            "PYTHONDEVMODE": "",
            "ACE_FAULTS_CELERY": json.dumps(given),
        }
        self.worker = self.start("worker", "--concurrency", str(CHILDREN), "--loglevel", "INFO")
        self.beat = self.start("beat", "--schedule", str(folder / "schedule"))

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of Celery's programs; what it says goes to a file of its name."""
        command = [sys.executable, "-m", "celery", "--app", "tests.faults.celery_app", *arguments]
        with (self.folder / f"{arguments[0]}.log").open("wb") as log:
            return subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=log, stderr=log)

    @property
    def children(self) -> list[int]:
        """The process ids of the worker's children."""
        text = Path(f"/proc/{self.worker.pid}/task/{self.worker.pid}/children").read_text()
        return [int(number) for number in text.split()]

    def __enter__(self) -> CeleryProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        self.beat.terminate()
        self.worker.terminate()
        try:
            self.beat.wait(60)
            assert self.worker.wait(60) == 0
        finally:
            self.beat.kill()
            self.worker.kill()


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    """A mail server that does not accept one in ten at once."""
    answers = {f"grey{n}": Answer("450 4.2.0 come back later", times=1) for n in range(0, MESSAGES, 20)}
    answers |= {f"gone{n}": Answer("550 5.1.1 no such user") for n in range(10, MESSAGES, 20)}
    with SmtpSink(answers=answers) as sink:
        yield sink


@pytest.fixture(params=[Redis, RabbitMQ], ids=["redis", "rabbitmq"])
def broker(
    request: pytest.FixtureRequest, tmp_path: Path, settings: Settings, use_celery: Callable[..., Celery]
) -> Iterator[Broker]:
    """A broker, of which this process knows as a site's processes do."""
    with running(request.param, tmp_path / "broker") as broker:
        settings.ACE_OUTBOX_CELERY = True
        use_celery(broker_url=broker.url)
        yield broker


class Send:
    """The messages of a test, which are enqueued little by little, as by many callers."""

    def __init__(self) -> None:
        self.batch = uuid4()
        self.numbers = iter(range(MESSAGES))

    def enqueue(self, number: int = MESSAGES) -> None:
        """Enqueue up to so many more, in transactions of their own."""
        left = [n for _, n in zip(range(number), self.numbers, strict=False)]
        for start in range(0, len(left), CHUNK):
            enqueue(
                welcome(send_uuid=self.batch, recipient=Recipient(n + 1, f"{_local_part(n)}@example.com"))
                for n in left[start : start + CHUNK]
            )

    @property
    def is_open(self) -> bool:
        """Whether something is left to do."""
        return status(batch=self.batch).is_open

    def check(self, sink: SmtpSink, repeats: int) -> None:
        """Compare the rows with what arrived; up to *repeats* may have arrived again."""
        states = dict(Delivery.objects.values_list("payload_id", "state"))
        ids = [message.email["Message-ID"].strip("<>").partition("@")[0] for message in sink.messages]
        arrived = Counter(map(UUID, ids))
        repeated = arrived.total() - len(arrived)
        print(f"{connection.vendor}: {repeated} repeated, {Counter(states.values())}", end=" ")
        assert {uuid for uuid, state in states.items() if state == State.SENT} == set(arrived)
        gone = MESSAGES // 20
        assert Counter(states.values()) == {State.SENT: MESSAGES - gone, State.FAILED: gone}
        assert status(batch=self.batch).states == Counter(states.values())
        assert repeated <= repeats


def _local_part(number: int) -> str:
    return {0: f"grey{number}", 10: f"gone{number}"}.get(number % 20, f"fine{number}")


def test_a_broker_that_loses_everything_loses_no_message(broker, sink, tmp_path):
    """
    Redis is flushed, RabbitMQ is stopped and started while messages are enqueued; the sweep finishes the work.
    """
    send = Send()
    with CeleryProcesses(tmp_path, sink.port, broker) as celery:
        send.enqueue(MESSAGES // 2)
        wait_for(lambda: sink.count >= MESSAGES // 8)
        if isinstance(broker, Redis):
            broker.lose_everything()
            send.enqueue()
        else:
            broker.stop()
            send.enqueue()
            broker.start()
        wait_for(lambda: not send.is_open)
        assert celery.worker.poll() is None

    send.check(sink, repeats=0)


def test_a_broker_that_was_never_there_loses_no_message(broker, sink, tmp_path):
    """
    Everything is enqueued while it is down; when it is there, the sweep finds it.
    """
    broker.stop()
    send = Send()
    started = time.monotonic()
    send.enqueue()
    print(f"{MESSAGES} enqueued in {time.monotonic() - started:.1f} s without a broker", end=" ")
    broker.start()

    with CeleryProcesses(tmp_path, sink.port, broker):
        wait_for(lambda: not send.is_open)

    send.check(sink, repeats=0)


def test_nothing_is_lost_when_children_are_killed(broker, sink, tmp_path):
    """
    Each kill repeats at most a window.
    """
    send = Send()
    with CeleryProcesses(tmp_path, sink.port, broker) as celery:
        send.enqueue()
        for kill in range(KILLS):
            enough = (kill + 1) * MESSAGES // (2 * KILLS)
            wait_for(lambda enough=enough: sink.count >= enough)
            os.kill(celery.children[kill % len(celery.children)], signal.SIGKILL)
        wait_for(lambda: not send.is_open)

    send.check(sink, repeats=KILLS * WINDOW)


def test_a_worker_that_is_told_to_end_repeats_nothing(broker, sink, tmp_path):
    """
    Its children finish what they hand over and give the rest back; the next worker goes on at once.
    """
    send = Send()
    with CeleryProcesses(tmp_path, sink.port, broker):
        send.enqueue()
        wait_for(lambda: sink.count >= MESSAGES // 8)

    assert send.is_open
    assert not Delivery.objects.filter(state__in=[State.CLAIMED, State.HANDING]).exists()
    with CeleryProcesses(tmp_path, sink.port, broker):
        wait_for(lambda: not send.is_open)
    send.check(sink, repeats=0)


def test_a_child_inherits_no_open_connection(broker, sink, tmp_path):
    """
    Its parent has used the database, the mail server and the broker just before the fork; the child has its own.
    """
    send = Send()
    ports = {sink.port: "mail", broker.port: "broker"}
    if connection.vendor != "sqlite":
        ports[int(connection.settings_dict["PORT"])] = "database"
    with CeleryProcesses(tmp_path, sink.port, broker, opens_connections=True) as celery:
        send.enqueue()
        wait_for(lambda: sink.count >= MESSAGES // 8)
        assert "mail" in sockets(celery.worker.pid, ports).values()
        wait_for(lambda: not shared(celery, ports))
        # One that is forked while the parent works inherits Celery's own connections to the broker, which it lets be.
        del ports[broker.port]
        killed = celery.children[0]
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: sink.count >= MESSAGES // 4)
        wait_for(lambda: killed not in celery.children and len(celery.children) == CHILDREN)
        # The new one closes what it was born with before it takes a task.
        wait_for(lambda: not shared(celery, ports))
        wait_for(lambda: not send.is_open)
        assert not shared(celery, ports)

    sink.messages[:] = [message for message in sink.messages if "greeting" not in message.email["Subject"].lower()]
    send.check(sink, repeats=WINDOW)


def shared(celery: CeleryProcesses, ports: dict[int, str]) -> set[str]:
    """Return the sockets to *ports*, by their inodes, that the worker and one of its children both hold."""
    own = [sockets(child, ports).keys() for child in celery.children]
    return set().union(*own) & sockets(celery.worker.pid, ports).keys()


def sockets(process: int, ports: dict[int, str]) -> dict[str, str]:
    """Return the sockets of *process* that lead to *ports*, by their inodes, with what each leads to."""
    table = [line.split() for line in Path(f"/proc/{process}/net/tcp").read_text().splitlines()[1:]]
    leads_to = {fields[9]: int(fields[2].partition(":")[2], 16) for fields in table}
    found = {}
    for entry in Path(f"/proc/{process}/fd").iterdir():
        try:
            inode = re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink()))
        except FileNotFoundError:
            continue
        if inode and leads_to.get(inode[1]) in ports:
            found[inode[1]] = ports[leads_to[inode[1]]]
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "Celery takes too long; see worker.log in the folder of the test."
        time.sleep(0.05)
