"""
Internal: database servers that a test of faults may restart, as they are its own: own folder, own port.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: How long a server may take to start, in seconds.
START_SECONDS = 60


class Server(ABC):
    """
    A server with an empty database.

    Args:
        folder: For its files.
    """

    #: Whom it runs as when the tests run as root, which servers refuse.
    user: str
    #: The programs that it needs.
    programs: Sequence[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @abstractmethod
    def create(self) -> None:
        """Write its files."""

    @abstractmethod
    def start(self) -> None:
        """Start it and return when it takes connections."""

    @abstractmethod
    def stop_at_once(self) -> None:
        """End it without a goodbye: connections break, and what is not committed is lost."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Where and as whom its database is reached, as in DATABASES."""

    def restart(self) -> None:
        """End it without a goodbye and start it again."""
        self.stop_at_once()
        self.start()

    def run(self, *command: str) -> None:
        """Run one of its programs."""
        subprocess.run(command, check=True, capture_output=True, **self.identity())

    def identity(self) -> dict[str, Any]:
        """Return whom its programs run as, as arguments for `subprocess`."""
        unprivileged = {"user": self.user, "group": self.user, "extra_groups": []} if os.getuid() == 0 else {}
        return {"cwd": self.folder, **unprivileged}


class Postgres(Server):
    """PostgreSQL."""

    user = "postgres"
    programs = ("initdb", "pg_ctl")

    def create(self) -> None:
        self.run("initdb", "--pgdata=data", "--username=postgres", "--auth=trust", "--no-sync")

    def start(self) -> None:
        # What is committed survives the end of the server without fsync; only that of the machine it would not.
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run("pg_ctl", "start", "--wait", "--pgdata=data", "--log=log", f"--options={options}")

    def stop_at_once(self) -> None:
        self.run("pg_ctl", "stop", "--wait", "--mode=immediate", "--pgdata=data")

    @property
    def settings(self) -> dict[str, Any]:
        return {"NAME": "postgres", "USER": "postgres", "PASSWORD": "", "HOST": "127.0.0.1", "PORT": self.port}


class MariaDb(Server):
    """MariaDB."""

    user = "mysql"
    programs = ("mariadb-install-db", "mariadbd")
    process: subprocess.Popen[bytes]

    def create(self) -> None:
        self.run(
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={self.folder}/data",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def start(self) -> None:
        command = [
            "mariadbd",
            "--no-defaults",
            f"--datadir={self.folder}/data",
            f"--socket={self.folder}/socket",
            f"--pid-file={self.folder}/pid",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--character-set-server=utf8mb4",
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **self.identity())
        self._wait()

    def _wait(self) -> None:
        import pymysql

        give_up = time.monotonic() + START_SECONDS
        while True:
            try:
                connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root")
            except pymysql.OperationalError:
                assert time.monotonic() < give_up, (self.folder / "log").read_text()
                time.sleep(0.1)
            else:
                break
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE IF NOT EXISTS ace")

    def stop_at_once(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def settings(self) -> dict[str, Any]:
        return {"NAME": "ace", "USER": "root", "PASSWORD": "", "HOST": "127.0.0.1", "PORT": self.port}


SERVERS: dict[str, type[Server]] = {"postgresql": Postgres, "mysql": MariaDb}


@contextmanager
def running(vendor: str) -> Iterator[Server]:
    """Run a server of *vendor*, as Django calls it; without its programs the running test ends, skipped or failed."""
    kind = SERVERS.get(vendor)
    if kind is None:
        pytest.skip(f"{vendor} is no server that could be restarted.")
    if missing := [program for program in kind.programs if shutil.which(program) is None]:
        lacking = f"{', '.join(missing)} not found: install the server, and put its programs on the PATH."
        if os.environ.get("ACE_TEST_SERVICES") == "required":
            pytest.fail(f"{lacking} (ACE_TEST_SERVICES=required)", pytrace=False)
        pytest.skip(lacking)
    # Not a folder of pytest, which the user of the server may not enter.
    folder = Path(tempfile.mkdtemp(prefix="ace-server-"))
    try:
        server = kind(folder)
        if os.getuid() == 0:
            shutil.chown(folder, kind.user, kind.user)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop_at_once()
    finally:
        shutil.rmtree(folder)
