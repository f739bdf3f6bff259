"""
Internal: a worker outside, without access to the database, sends what a site has scheduled, over HTTP alone.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edx_ace.testing.smtp import Answer, SmtpSink

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).parent / "outside" / "worker.py"
#: How long the server may take until it answers, in seconds.
PATIENCE_SECONDS = 60

#: Two workshops that are due; the recipient of the second cannot be reached. And one for tomorrow.
SCHEDULE = """
from datetime import timedelta
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from edx_ace import automation
from edx_ace.automation import actions
from tests.automation_site.models import Host, Workshop

user = User.objects.create_user("worker", password="secret")
user.user_permissions.add(Permission.objects.get(codename="work_message"))
now = timezone.now()


def invite(title, minutes, *hosts):
    workshop = Workshop.objects.create(
        title=title, starts_at=now + timedelta(minutes=minutes), ends_at=now + timedelta(days=2), location="the <attic>"
    )
    for name, language in hosts:
        host = Host.objects.create(name=name, email=f"{name}@example.com", language=language)
        workshop.tasks.create(host=host)
    return actions.get("invitation").run_strategy(workshop).message


sent = invite("Painting & more", 1, ("ada", "en"), ("bert", "de"))
failed = invite("Weaving", 2, ("gone", "en"))
later = invite("Sewing", 60 * 24, ("cyd", "en"))
automation.add_attachment(sent, "plan.pdf", b"%PDF-1.7")
# The names that count are those of the moment it is sent; and now the first two are due.
Host.objects.filter(name="ada").update(name="Ada O'Brien")
type(sent).objects.exclude(pk=later.pk).update(due_at=now)
answer = {"sent": str(sent.uuid), "failed": str(failed.uuid), "later": str(later.uuid)}
"""

LOOK = """
from edx_ace.automation.models import ScheduledMessage

answer = {
    str(one.uuid): [one.state, one.code, one.reason, [entry.did for entry in one.entries.all()]]
    for one in ScheduledMessage.objects.all()
}
"""


class Site:
    """
    The site, in processes of its own.

    Args:
        var: Where its database and files live.
    """

    def __init__(self, var: Path) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ACE_")},
            "OUTSIDE_SITE": str(var),
            "DJANGO_SETTINGS_MODULE": "tests.journeys.outside.settings",
            "PYTHONPATH": str(ROOT),
        }
        self._log = var / "server.log"
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = int(found.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/api/automation/"

    def run(self, program: str) -> Any:
        """Run *program* in a process of the site; return what it calls ``answer``."""
        whole = f"import django\ndjango.setup()\n{program}\nimport json\nprint(json.dumps(globals().get('answer')))"
        return json.loads(self._done([sys.executable, "-c", whole]))

    def manage(self, *arguments: str) -> str:
        """Run a command of the site and return what it printed."""
        return self._done([sys.executable, "-m", "django", *arguments])

    def serve(self) -> Iterator[None]:
        """Serve it, in a process that ends with the generator."""
        command = [sys.executable, "-m", "django", "runserver", "--noreload", f"127.0.0.1:{self.port}"]
        with self._log.open("wb") as log:
            server = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        try:
            give_up = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                    break
                except OSError:
                    assert server.poll() is None, self._log.read_text()
                    assert time.monotonic() < give_up, self._log.read_text()
                    time.sleep(0.05)
            yield
        finally:
            server.terminate()
            server.wait()

    def _done(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site that serves its endpoints, and has nothing scheduled."""
    made = Site(tmp_path)
    made.manage("migrate", "--run-syncdb", "--verbosity=0")
    for _served in made.serve():
        yield made


def test_a_worker_outside_sends_what_is_due(site: Site) -> None:
    """
    All eight steps by a program of the standard library alone: what is due, lock, values, recipients, text, HTML,
    attachments, send; and it says what came of each.
    """
    scheduled = site.run(SCHEDULE)

    with SmtpSink(answers={"gone": [Answer("550 5.1.1 no such user")]}) as sink:
        # It knows an address, a login and a mail server, and no settings or database.
        environment = {"PATH": os.environ["PATH"], "WORKER_LOGIN": "worker:secret"}
        done = subprocess.run(
            [sys.executable, "-I", WORKER, site.url, str(sink.port)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        received = [one.email for one in sink.messages]
    found = site.run(LOOK)

    assert (done.returncode, done.stderr) == (0, "")
    assert [(one["To"], one["Subject"]) for one in received] == [
        ("ada@example.com", "Painting & more"),
        ("bert@example.com", "Painting & more"),
    ]
    texts = [one.get_body(("plain",)).get_content().strip() for one in received]  # type: ignore[union-attr]
    assert texts == ["Dear Ada O'Brien, come to the <attic>.", "bert, komm nach the <attic>."]
    for one in received:
        assert "the &lt;attic&gt;." in one.get_body(("html",)).get_content()  # type: ignore[union-attr]
        [file] = one.iter_attachments()
        assert (file.get_filename(), file.get_content()) == ("plan.pdf", b"%PDF-1.7")
    assert found[scheduled["sent"]] == ["succeeded", "", "", ["schedule", "add_attachment", "lock", "succeed"]]
    state, code, reason, log = found[scheduled["failed"]]
    assert (state, code, log) == ("failed", "not_sent", ["schedule", "lock", "fail"])
    assert "no such user" in reason
    assert found[scheduled["later"]][0] == "scheduled"
