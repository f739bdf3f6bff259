"""
Internal: fixtures of the tests of faults.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker

from edx_ace.testing.smtp import SmtpSink
from tests.faults.mail import ANSWERS
from tests.faults.servers import Server, running
from tests.faults.trial import Trial


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SmtpSink]:
    """A mail server that answers recipients as `tests.faults.mail` says, and logs what it takes."""
    log = tmp_path / "mail.log"
    log.touch()
    with SmtpSink(answers=ANSWERS, keep=False, log=log) as sink:
        yield sink


@pytest.fixture
def trial(tmp_path: Path, sink: SmtpSink) -> Iterator[Trial]:
    """One send over *sink*; its workers are killed when the test ends."""
    trial = Trial(tmp_path, sink)
    with trial.workers:
        yield trial


@pytest.fixture
def own_database(django_db_blocker: DjangoDbBlocker) -> Iterator[Server]:
    """A server of the test's own, with the tables of the site; the default database is there until the test ends."""
    with running(connection.vendor) as server, django_db_blocker.unblock():
        connection.close()
        before = {name: connection.settings_dict[name] for name in server.settings}
        connection.settings_dict.update(server.settings)
        try:
            call_command("migrate", verbosity=0)
            yield server
        finally:
            connection.close()
            connection.settings_dict.update(before)
