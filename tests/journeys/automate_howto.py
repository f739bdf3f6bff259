"""
Internal: docs/howto/automate-a-message.rst, followed to the letter on a new site that has what the page says it has.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sybil.document import Document
from sybil.parsers.rest.lexers import DirectiveLexer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/howto/automate-a-message.rst"

SETTINGS = """
import django
FILES = "django.core.mail.backends.filebased.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": FILES, "OPTIONS": {"file_path": BASE_DIR / "mail"}}}
else:
    EMAIL_BACKEND, EMAIL_FILE_PATH = FILES, BASE_DIR / "mail"
ACE_ENABLED_CHANNELS = ["django_email"]
ACE_CHANNEL_DEFAULT_EMAIL = "django_email"
INSTALLED_APPS += ["workshops"]
"""

MEMBERSHIP = """

class Membership(models.Model):
    user = models.ForeignKey("auth.User", models.CASCADE)
    starts_at = models.DateTimeField()
    is_active = models.BooleanField(default=True)
"""

#: What there was before the action.
BEFORE = """
from datetime import timedelta
from django.utils import timezone
from workshops.models import Host, Task, Workshop
ann = Host.objects.create(name="Ann", email="ann@example.com")
workshop = Workshop.objects.create(title="Painting", ends_at=timezone.now() + timedelta(days=30))
Task.objects.create(workshop=workshop, host=ann)
"""

#: The names that the page's session has.
SESSION = """
from workshops.models import Workshop
workshop, request = Workshop.objects.get(), None
"""

#: What comes of it once a week is over.
AFTER = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from edx_ace.automation import actions
from edx_ace.automation.models import ScheduledMessage
from edx_ace.outbox.worker import Worker, sweep
from workshops.models import Host, Membership
Host.objects.update(name="Ann Lee", email="new@example.com")
cleo = User.objects.create(username="cleo", first_name="Cleo", email="cleo@example.com")
membership = Membership.objects.create(user=cleo, starts_at=timezone.now() - timedelta(days=10))
print(actions.get("membership_news").run_strategy(membership).strategy)
ScheduledMessage.objects.update(due_at=timezone.now() - timedelta(seconds=1))
sweep()
Worker(once=True).run()
ScheduledMessage.objects.filter(state="enqueued").update(due_at=timezone.now() - timedelta(seconds=1))
sweep()
messages = ScheduledMessage.objects.order_by("action", "pk")
print([f"{message.action} {message.state} {message.reason}".strip() for message in messages])
"""


class Reader:
    """Somebody who follows the page in *folder*, and what it asks for, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        text = PAGE.read_text(encoding="utf-8")
        blocks = list(DirectiveLexer("code-block")(Document(text, str(PAGE))))
        python = [one.lexemes for one in blocks if one.lexemes["arguments"] == "python"]
        self.files = {one["options"]["caption"]: one["source"] for one in python if "caption" in one["options"]}
        self.session, self.recurring = (one["source"] for one in python if "caption" not in one["options"])
        self.pip, self.migrate, self.reconcile = (
            one.lexemes["source"] for one in blocks if one.lexemes["arguments"] == "console"
        )

    def write(self, path: str, source: str) -> None:
        """Write to the end of a file."""
        with (self.folder / path).open("a", encoding="utf-8") as file:
            file.write(source)

    def run(self, line: str, typed: str | None = None) -> str:
        """Run one line of a console, *typed* into it, and return what it prints."""
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            line, check=False, shell=True, cwd=self.folder, env=environment, input=typed, capture_output=True, text=True
        )  # fmt: skip
        assert done.returncode == 0, f"$ {line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def follow(self, console: str) -> None:
        """Run each line of a block, and compare what it prints with what the page shows."""
        for command in console.split("$ ")[1:]:
            line, _, shown = command.partition("\n")
            printed = self.run(line)
            assert not shown.strip() or printed.split() == shown.split(), printed


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Somebody who has a site with workshops, and has read the page to the end of "Write an action"."""
    reader = Reader(tmp_path_factory.mktemp("site"))
    reader.run("django-admin startproject campus .")
    reader.run("python manage.py startapp workshops")
    reader.write("campus/settings.py", SETTINGS + reader.files["settings.py"].replace("[...", "[*INSTALLED_APPS"))
    (reader.folder / "workshops/models.py").write_text(reader.files["workshops/models.py"], encoding="utf-8")
    reader.run("python manage.py makemigrations workshops")
    reader.follow(reader.migrate)
    reader.run("python manage.py shell", BEFORE)
    reader.write("workshops/actions.py", reader.files["workshops/actions.py"])
    return reader


def test_an_action_has_about_thirty_lines() -> None:
    """
    All that it needs are those.
    """
    source = Reader(Path()).files["workshops/actions.py"]

    assert len(source.strip().splitlines()) <= 35


def test_a_reader_who_follows_the_page_automates_a_message(reader: Reader) -> None:
    """
    What was there before is found, the session says what is to be done, and what is due goes to the new address.
    """
    reader.follow(reader.reconcile)
    said = reader.run("python manage.py shell --no-imports -v 0", SESSION + reader.session)
    assert said.startswith("update Its conditions hold, and there is one. ")

    reader.write("workshops/models.py", MEMBERSHIP)
    reader.write("workshops/actions.py", f"\n\n{reader.recurring}")
    reader.run("python manage.py makemigrations workshops")
    reader.run("python manage.py migrate")
    reader.run("python manage.py check --fail-level WARNING")
    strategy, states = reader.run("python manage.py shell --no-imports -v 0", AFTER).splitlines()[-2:]
    assert strategy == "create"
    assert states == "['membership_news succeeded', 'membership_news scheduled', 'workshop_follow_up succeeded']"
    arrived = "\n".join(file.read_text(encoding="utf-8") for file in (reader.folder / "mail").iterdir())
    assert "Subject: How was Painting?" in arrived
    assert "To: new@example.com" in arrived
    assert "Hello Ann Lee, tell us how it was." in arrived
    assert "Hello Cleo, since " in arrived
