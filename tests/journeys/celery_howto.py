"""
Internal: docs/howto/run-on-celery.rst, followed to the letter, with a broker and a mail server at ports of the test's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from sybil.document import Document
from sybil.parsers.rest.lexers import DirectiveLexer

from tests.brokers import PATIENCE_SECONDS, RabbitMQ, Redis, free_port, running

ROOT = Path(__file__).parents[2]
SITE = ROOT / "test_project"
PAGE = ROOT / "docs/howto/run-on-celery.rst"

#: Types the session of the page, and lets the "few seconds later" pass before it asks for the status.
SHELL = """
import doctest, time
from pathlib import Path
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import OPEN
test = doctest.DocTestParser().get_doctest(Path({path!r}).read_text(), {{}}, "page", {path!r}, 0)
*first, last = test.examples
runner = doctest.DocTestRunner()
test.examples = first
failed = runner.run(test, clear_globs=False).failed
give_up = time.monotonic() + {patience}
while Delivery.objects.filter(state__in=OPEN).exists() and time.monotonic() < give_up:
    time.sleep(0.1)
test.examples = [last]
raise SystemExit(failed + runner.run(test).failed)
"""

#: What the tests have done already.
DONE = ["cd test_project", "source ../.venv/bin/activate"]


def blocks(language: str) -> list[tuple[dict[str, str], str]]:
    """Return the blocks of code of the page, each with its options."""
    text = PAGE.read_text(encoding="utf-8")
    return [
        (region.lexemes["options"], region.lexemes["source"])
        for region in DirectiveLexer("code-block")(Document(text, str(PAGE)))
        if region.lexemes["arguments"] == language
    ]


def commands(source: str) -> list[str]:
    """Return the lines that are typed, without the prompt."""
    return [line.removeprefix("$ ") for line in source.splitlines() if line.removeprefix("$ ") not in DONE]


@pytest.mark.parametrize(("options", "source"), blocks("python"))
def test_the_learning_site_has_what_the_page_shows(options, source):
    """
    Its files hold the very lines.
    """
    assert source.strip() in (SITE / options["caption"]).read_text(encoding="utf-8")


class Terminals:
    """The reader's terminals, in the folder of the learning site."""

    def __init__(self, folder: Path, url: str, smtp_port: int) -> None:
        self.folder = folder
        self.instead = {"1025": str(smtp_port)}
        self.url = url
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "ACE_DEMO_VAR": str(folder / "var")}
        self.environment["ACE_DEMO_SMTP_PORT"] = str(smtp_port)
        # The page's reader has no such variable.
        del self.environment["DJANGO_SETTINGS_MODULE"]
        self.open: list[subprocess.Popen[bytes]] = []

    def script(self, lines: list[str]) -> str:
        """Return what is typed, with this test's ports."""
        text = "\n".join(lines)
        text = re.sub(r"(?<=CELERY_BROKER_URL=)\S+", self.url, text)
        return re.sub(r"\b1025\b", self.instead["1025"], text)

    def run(self, lines: list[str]) -> str:
        """Run commands that end, and return what they print."""
        done = subprocess.run(
            ["bash", "-ec", self.script(lines)],
            cwd=SITE, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{lines}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def leave_running(self, name: str, lines: list[str]) -> subprocess.Popen[bytes]:
        """Start what goes on until Ctrl-C; it takes the place of its shell."""
        script = self.script([*lines[:-1], f"exec {lines[-1]}"])
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(["bash", "-ec", script], cwd=SITE, env=self.environment, stdout=log, stderr=log)
        self.open.append(process)
        return process

    def close(self) -> list[int]:
        """End each, the last one first. Not by SIGINT, which shells switch off for what they run in the background."""
        codes = []
        for process in reversed(self.open):
            process.terminate()
            codes.append(process.wait(PATIENCE_SECONDS))
        return codes


@pytest.mark.parametrize("kind", [Redis, RabbitMQ], ids=["redis", "rabbitmq"])
def test_a_reader_who_follows_the_page_delivers_by_celery(tmp_path, kind):
    """
    Every command succeeds, five hundred messages arrive, and few tasks did it.
    """
    by_name = {options.get("name", ""): commands(source) for options, source in blocks("console")}
    prepare, serve_mail = (commands(source) for options, source in blocks("console") if "name" not in options)
    name = kind.name.lower()
    with running(kind, tmp_path / "broker") as broker:
        terminals = Terminals(tmp_path, broker.url, free_port())
        try:
            terminals.run(prepare)
            terminals.leave_running("smtp", serve_mail)
            terminals.leave_running("worker", by_name[name])
            terminals.leave_running("beat", by_name[f"{name}-beat"])
            session = tmp_path / "session.txt"
            session.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
            script = tmp_path / "session.py"
            script.write_text(dedent(SHELL).format(path=str(session), patience=PATIENCE_SECONDS), encoding="utf-8")
            terminals.run([f"export CELERY_BROKER_URL={broker.url}", f"python manage.py shell < {script}"])
        finally:
            codes = terminals.close()
            print((tmp_path / "worker.log").read_text())
    assert codes == [0, 0, 0]
    assert (tmp_path / "smtp.log").read_text().splitlines()[-1].startswith("500 messages")
    tasks = (tmp_path / "worker.log").read_text().count("tasks.drain[")
    # Each is named when it is received and when it has succeeded.
    assert tasks // 2 <= 5
