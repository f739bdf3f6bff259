"""
Internal: brokers of a test's own, which it may flush, stop and kill: Redis and RabbitMQ, each in a folder.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

#: How long to wait until a broker is there, or gone, in seconds: RabbitMQ takes ten on an idle machine.
PATIENCE_SECONDS = 120


class Broker:
    """A server that runs in *folder*; it listens at the same port however often it is started."""

    #: As people call it, and the program that it is.
    name: str
    program: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What Celery is told."""
        raise NotImplementedError

    def command(self) -> Sequence[str]:
        """Return how it is started."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return what its environment has beside that of the test."""
        return {}

    def is_ready(self) -> bool:
        """Return whether it takes orders."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it takes orders."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                env={**os.environ, **self.environment()},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not self.is_ready():
            assert self.process.poll() is None and time.monotonic() < give_up, (
                f"{self.name} does not start; it says: {(self.folder / 'log').read_text()[-2000:]}"
            )
            time.sleep(0.1)

    def stop(self) -> None:
        """End it in an orderly way, if it runs."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_SECONDS)
            self.process = None


class Redis(Broker):
    """A Redis that keeps nothing on a disk."""

    name, program = "Redis", "redis-server"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        return [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]

    def is_ready(self) -> bool:
        return self._says(b"PING") == b"+PONG\r\n"

    def lose_everything(self) -> None:
        """Forget every key, queues as well as what workers have not acknowledged."""
        assert self._says(b"FLUSHALL") == b"+OK\r\n"

    def _says(self, order: bytes) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
                connection.sendall(order + b"\r\n")
                return connection.recv(100)
        except OSError:
            return b""


class RabbitMQ(Broker):
    """A RabbitMQ node of its own name; what it needs of Erlang's world lies in its folder as well."""

    name, program = "RabbitMQ", "rabbitmq-server"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def command(self) -> Sequence[str]:
        # The one on the PATH of Debian changes to another user first.
        own = Path("/usr/lib/rabbitmq/bin") / self.program
        return [str(own) if own.exists() else self.program]

    def environment(self) -> dict[str, str]:
        plugins = self.folder / "enabled_plugins"
        plugins.write_text("[].\n")
        return {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"ace{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "no-config"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "no-environment"),
        }

    def is_ready(self) -> bool:
        from kombu import Connection

        try:
            with Connection(self.url, connect_timeout=2) as connection:
                connection.connect()
        except OSError:
            return False
        return True


@contextmanager
def running(kind: type[Broker], folder: Path) -> Iterator[Broker]:
    """Run a broker; end the running test, as skipped or failed, where its program is missing."""
    if shutil.which(kind.program) is None:
        missing = f"{kind.program} is not on the PATH: install {kind.name}"
        if os.environ.get("ACE_TEST_SERVICES") == "required":
            pytest.fail(f"{missing} (ACE_TEST_SERVICES=required)", pytrace=False)
        pytest.skip(missing)
    broker = kind(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
