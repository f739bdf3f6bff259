"""
Internal: the database that the tests run on: SQLite, or what ``ACE_TEST_DATABASE`` (postgres, mariadb) says.

Its name holds the place of the checkout, so that two checkouts can be tested at the same time.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests import services

NAME = f"ace_{zlib.crc32(str(Path(__file__).resolve()).encode()):08x}"


def settings() -> dict[str, Any]:
    """Return the settings of the database that the tests run on."""
    return {"sqlite": _sqlite, "postgres": _postgres, "mariadb": _mariadb}[_chosen()]()


def require() -> None:
    """End the running test, as skipped or failed, if the server of that database does not answer."""
    if _chosen() != "sqlite":
        {"postgres": services.POSTGRES, "mariadb": services.MARIADB}[_chosen()].require()


def _chosen() -> str:
    return os.environ.get("ACE_TEST_DATABASE") or "sqlite"


def _sqlite() -> dict[str, Any]:
    """Return the settings of a database in a file: threads and processes share one in memory only within limits."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
        },
        "TEST": {"NAME": str(Path(tempfile.gettempdir()) / NAME)},
    }


def _postgres() -> dict[str, Any]:
    """Return the settings of PostgreSQL as `tests.services` finds it."""
    return _server("django.db.backends.postgresql", services.POSTGRES)


def _mariadb() -> dict[str, Any]:
    """Return the settings of MariaDB as `tests.services` finds it."""
    import pymysql

    # Django asks for mysqlclient, which has to be compiled; for what the tests do this one has the same interface.
    pymysql.install_as_MySQLdb()
    return _server("django.db.backends.mysql", services.MARIADB, OPTIONS={"charset": "utf8mb4"})


def _server(engine: str, service: services.Service, **options: Any) -> dict[str, Any]:
    address = urlsplit(service.url)
    return {
        "ENGINE": engine,
        "NAME": address.path.strip("/"),
        "USER": address.username or "",
        "PASSWORD": address.password or "",
        "HOST": address.hostname,
        "PORT": address.port,
        "TEST": {"NAME": NAME},
        **options,
    }
