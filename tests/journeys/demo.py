"""
Internal: ``make demo`` as a visitor sees it: a real process, real SMTP, real HTTP.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: The welcome messages in the outbox, and as they came in: all but those of campaigns, which somebody has signed.
WELCOMES = "(SELECT * FROM ace_outbox_delivery WHERE batch NOT IN (SELECT uuid FROM ace_campaigns_campaign))"
RECEIVED = "(SELECT * FROM received_receivedmessage WHERE sender NOT LIKE '%Ingrid Solheim%')"
COMMAND = [sys.executable, "test_project/manage.py", "demo"]


def environment(var: Path, **more: str) -> dict[str, str]:
    """Return the environment of a demo that keeps its database in *var*."""
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**kept, "ACE_DEMO_VAR": str(var), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **more}


def run_demo(var: Path) -> str:
    """Run the demo without its page and return what it printed."""
    done = subprocess.run(
        COMMAND, cwd=ROOT, env=environment(var, SERVE="0"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Site:
    """The database of a demo that has run."""

    def __init__(self, var: Path) -> None:
        self.path = var / "db.sqlite3"

    def query(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """Return the rows of *sql*."""
        database = sqlite3.connect(self.path)
        try:
            return database.execute(sql, parameters).fetchall()
        finally:
            database.close()

    def message_to(self, envelope_to: str) -> EmailMessage:
        """Return the message that came for *envelope_to*, parsed from its bytes."""
        # The same may have arrived twice.
        [(source,), *_] = self.query(f"SELECT source FROM {RECEIVED} WHERE envelope_to = ?", envelope_to)
        return message_from_bytes(cast(bytes, source), policy=policy.default)

    def address_of(self, **fields: str) -> str:
        """Return the address of the first learner with *fields*, in an ASCII domain."""
        where = " AND ".join(f"{name} = ?" for name in fields)
        rows = self.query(
            f"SELECT email FROM courses_learner WHERE {where} AND email LIKE '%@example.%' ORDER BY id",
            *fields.values(),
        )
        return str(rows[0][0])


def header(message: EmailMessage, name: str) -> str:
    """Return the header *name*; Python 3.11 leaves the space of a line that is folded right after the name."""
    return str(message[name]).strip()


def part(message: EmailMessage, kind: str) -> str:
    """Return the body of *kind*, "plain" or "html"."""
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo that has run once."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def printed(var: Path) -> str:
    """What that demo printed."""
    return run_demo(var)


@pytest.fixture(scope="module")
def site(var: Path, printed: str) -> Site:
    """Its database."""
    return Site(var)


def test_all_messages_are_sent_and_counted_by_language(printed: str) -> None:
    """
    The table ends with 500 messages, which its four languages add up to: those of five people who opted out are
    skipped, and none failed.
    """
    table = {
        name: [int(count) for count in counts.split()]
        for name, counts in re.findall(r"^(\w+) +([\d ]+)$", printed, re.M)
    }

    assert table.pop("all") == [495, 5, 0]
    assert list(table) == ["English", "German", "Japanese", "Arabic"]
    assert [sum(column) for column in zip(*table.values(), strict=True)] == [495, 5, 0]
    assert re.search(r"495 of 500 messages sent in [\d.]+ s", printed)
    assert "5 x opted_out: The person turned 'courses' off." in printed


def test_a_worker_is_killed_half_way_and_another_takes_over(printed: str, site: Site) -> None:
    """
    They are processes of their own, and the outbox knows what became of every message.
    """
    first, second = re.findall(r"^Worker \d \(process (\d+)\)", printed, re.M)

    assert first != second
    assert "Worker 1 is killed with SIGKILL" in printed
    assert site.query(f"SELECT state, count(*) FROM {WELCOMES} GROUP BY state ORDER BY state") == [
        ("bounced", 2),
        ("complained", 1),
        ("delivered", 492),
        ("skipped", 5),
    ]


def test_every_learner_has_received_their_message(site: Site) -> None:
    """
    What the SMTP server took in are messages to 500 mailboxes, but for those of the five who opted out.
    """
    assert site.query(f"SELECT count(DISTINCT envelope_to) FROM {RECEIVED}") == [(495,)]


def test_what_arrived_twice_is_said(printed: str, site: Site) -> None:
    """
    Both have the same Message-ID, and there are no more of them than the worker was handing over when it was killed.
    """
    sources = [cast(bytes, row[0]) for row in site.query(f"SELECT source FROM {RECEIVED}")]
    ids = {message_from_bytes(source, policy=policy.default)["Message-ID"] for source in sources}
    said = re.search(r"(\d+|None) of them arrived twice", printed)

    assert said is not None
    assert len(ids) == 495
    assert len(sources) - 495 == int(said[1].replace("None", "0")) <= 10


def test_two_demos_leave_the_site_of_one(tmp_path: Path) -> None:
    """
    Begun at once, one waits for the other; it adds no learner, course or enrolment and replaces the messages, in the
    outbox and received.
    """
    demos = [
        subprocess.Popen(
            COMMAND, cwd=ROOT, env=environment(tmp_path, SERVE="0"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(2)
    ]
    printed = [demo.communicate(timeout=600)[0].decode() for demo in demos]

    assert [demo.returncode for demo in demos] == [0, 0], printed
    figures = f"""
        SELECT (SELECT count(*) FROM courses_learner), (SELECT count(*) FROM courses_course),
            (SELECT count(*) FROM courses_enrolment), (SELECT count(*) FROM {WELCOMES}),
            (SELECT count(DISTINCT envelope_to) FROM {RECEIVED}), (SELECT count(*) FROM ace_campaigns_campaign)
    """
    assert Site(tmp_path).query(figures) == [(500, 12, 600, 500, 495, 4)]


@pytest.mark.parametrize("line", ["Preparing", "Worker 1 (process "])
def test_a_demo_that_is_interrupted_ends_quietly(tmp_path: Path, line: str) -> None:
    """
    Ctrl+C in the middle is an end and no traceback, for its worker as well.
    """
    program = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["manage.py", "demo"]
sys.path.insert(0, "test_project")
runpy.run_path("test_project/manage.py", run_name="__main__")
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment(tmp_path, SERVE="0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        reached = next(printed for printed in demo.stdout if printed.startswith(line))
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=20)

    # Where it was interrupted, Python may warn of a file that was just being opened.
    assert demo.returncode == 130
    assert errors.endswith("\nStopped.\n")
    for process in re.findall(r"process (\d+)", reached):
        with pytest.raises(ProcessLookupError):
            os.kill(int(process), 0)


def test_there_are_campaigns_to_look_at(printed: str, site: Site) -> None:
    """
    Two are finished, with somebody who opted out and what came of the others; one is being sent, and one scheduled.
    """
    states = dict(site.query("SELECT name, state FROM ace_campaigns_campaign"))

    assert states == {
        "Welcome to the first week": "sent",
        "Harbour group: read each other's letters": "sent",
        "Excursion on Saturday": "sending",
        "Three days left": "scheduled",
    }
    assert "An instructor has sent campaigns: “Welcome to the first week”" in printed
    assert dict(
        site.query(
            """
            SELECT delivery.state, count(*) FROM ace_outbox_delivery delivery
            JOIN ace_campaigns_campaign ON uuid = batch WHERE name = 'Welcome to the first week' GROUP BY 1
            """
        )
    ).keys() >= {"delivered", "bounced"}


def test_a_campaign_arrives_in_the_language_and_with_the_name_of_its_reader(site: Site) -> None:
    """
    Whoever reads Arabic gets that text; the author's address takes the answers.
    """
    [(source,), *_] = site.query(
        "SELECT source FROM received_receivedmessage WHERE sender LIKE '%Ingrid Solheim%' AND language = 'ar'"
    )
    message = message_from_bytes(cast(bytes, source), policy=policy.default)

    assert header(message, "Subject") == "Statistics for the Curious: ماذا في الأسبوع الأول"
    assert header(message, "Reply-To") == "instructor@campus.test"
    assert "افتح المقرر" in part(cast(EmailMessage, message), "plain")


def test_a_plain_text_subject_is_not_escaped(site: Site) -> None:
    """
    O'Brien & Co arrives literally in the subject, and escaped in the HTML.
    """
    message = site.message_to("obrien.and.co@example.com")

    assert header(message, "Subject") == "Welcome to Lantern Campus, O'Brien & Co"
    assert "O&#x27;Brien &amp; Co" in part(message, "html")


def test_the_sender_has_a_name_in_the_recipients_language(site: Site) -> None:
    """
    from_name.txt becomes the display name of From.
    """
    message = site.message_to(site.address_of(language="ja"))

    assert header(message, "From") == "ランタン・キャンパス <hello@campus.example>"


def test_arabic_is_right_to_left(site: Site) -> None:
    """
    A message in Arabic says so, runs from right to left and has an Arabic subject.
    """
    message = site.message_to(site.address_of(language="ar"))

    root = re.search(r"<html[^>]*>", part(message, "html"))
    assert root is not None
    assert 'lang="ar"' in root.group()
    assert 'dir="rtl"' in root.group()
    assert header(message, "Subject").startswith("مرحبًا بك في منصة فانوس، ")


def test_the_text_part_can_be_read(site: Site) -> None:
    """
    The text part has the words and the links, and no markup.
    """
    text = part(site.message_to("obrien.and.co@example.com"), "plain")

    assert "Welcome, O'Brien & Co!" in text
    assert "Statistics for the Curious" in text
    assert "http://localhost:8000/courses/statistics-for-the-curious/" in text
    assert not re.search(r"<\w|&\w+;|\{", text)


def test_times_are_the_readers(site: Site) -> None:
    """
    A course that begins at 9:00 UTC begins at 2:30 p.m. for a reader in India.
    """
    text = part(site.message_to(site.address_of(time_zone="Asia/Kolkata")), "plain")

    assert "2:30 p.m. (Asia/Kolkata)" in text


def test_an_internationalised_domain_is_encoded(site: Site) -> None:
    """
    The server sees bücher.example in its ASCII form.
    """
    message = site.message_to("mj@xn--bcher-kva.example")

    assert header(message, "Subject").startswith("Willkommen bei Lantern Campus")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running demo's page, begun while port 8000 was taken."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # Then something else has it, which is as good.
            taken.bind(("127.0.0.1", 8000))
            taken.listen()
        process = subprocess.Popen(
            COMMAND,
            cwd=ROOT,
            env=environment(tmp_path_factory.mktemp("page"), SERVE=""),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout is not None
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line)
                if found := re.search(r"Read them at (http://localhost:\d+)/", line):
                    yield found.group(1)
                    break
            else:
                pytest.fail("".join(lines))
        finally:
            # Not SIGINT, which is ignored in whatever a shell runs in the background.
            process.terminate()
            process.communicate(timeout=20)


def get(url: str) -> str:
    """Return the page at *url*."""
    with urlopen(url, timeout=20) as response:
        return str(response.read().decode())


def test_a_taken_port_gives_way_to_the_next(page: str) -> None:
    """
    While port 8000 is taken the page is served on a higher one.
    """
    assert int(page.rpartition(":")[2]) > 8000


def test_the_inbox_lists_what_came_in(page: str) -> None:
    """
    The first page lists the last fifty messages; each has its address and its subject.
    """
    assert get(page).count("<li>") == 50
    inbox = get(f"{page}/?q=obrien.and.co@example.com")
    assert "obrien.and.co@example.com" in inbox
    assert "Welcome to Lantern Campus, O&#x27;Brien &amp; Co" in inbox


def test_the_inbox_shows_what_mail_programs_show_beside_the_subject(page: str) -> None:
    """
    It is the hidden text at the start of a message, without the characters that pad it.
    """
    assert "Your course is ready. Here is when it begins and how to start.</span>" in get(f"{page}/?language=en&page=3")


def test_the_inbox_can_be_searched_and_filtered(page: str) -> None:
    """
    A search and a language narrow the list; what matches nothing says so.
    """
    assert get(f"{page}/?q={quote('Jörg')}").count("<li>") > 1
    assert "No message matches" in get(f"{page}/?q={quote('Jörg')}&language=ar")
    assert "مرحبًا بك في منصة فانوس" in get(f"{page}/?language=ar")


def test_what_is_sent_while_the_page_is_served_arrives_on_it(page: str) -> None:
    """
    The campaign that is being sent goes on, as one does that a visitor writes.
    """

    def arrived() -> int:
        return get(f"{page}/?q=Samstag").count("<li>")

    before = arrived()
    for _ in range(600):
        if arrived() > before:
            return
        time.sleep(0.5)
    pytest.fail(f"Nothing has come in after the first {before}.")


def test_a_test_of_a_campaign_arrives_on_the_page(page: str) -> None:
    """
    The process that serves the pages delivers it to the same mail server as the workers.
    """
    visitor = build_opener(HTTPCookieProcessor())

    def fetched(path: str, **fields: str) -> str:
        found = visitor.open(f"{page}{path}", urlencode(fields).encode() if fields else None, timeout=60)
        return str(found.read().decode())

    def token(html: str) -> str:
        return re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', html)[-1]

    entry = fetched("/staff/campaigns/")
    log_in = {"username": "instructor", "password": "instructor", "next": "/staff/campaigns/"}
    listed = fetched("/admin/login/", csrfmiddlewaretoken=token(entry), **log_in)
    [campaign] = re.findall(r'href="(/staff/campaigns/[^"]+)"><bdi>Three days left', listed)
    preview = fetched(f"{campaign}preview/")

    assert "A test is on its way to you." in fetched(f"{campaign}test/", csrfmiddlewaretoken=token(preview))
    # What has come in is put on the page every second.
    time.sleep(3)
    assert "[Test]" in get(page)


def test_a_message_that_is_gone_leads_back_to_the_others(page: str) -> None:
    """
    As when a page is still open from the run before.
    """
    with pytest.raises(HTTPError) as caught:
        get(f"{page}/messages/9999/")

    assert caught.value.code == 404
    assert "Show all messages" in caught.value.read().decode()


def test_a_message_can_be_read_as_html_text_and_source(page: str) -> None:
    """
    Each message has three tabs; its HTML is served apart, under a policy without scripts and without other hosts.
    """
    assert 'src="/messages/1/body/"' in get(f"{page}/messages/1/")
    assert "Welcome, O&#x27;Brien &amp; Co!" in get(f"{page}/messages/1/text/")
    assert "Subject: Welcome to Lantern Campus" in get(f"{page}/messages/1/source/")
    with urlopen(f"{page}/messages/1/body/", timeout=20) as response:
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "Statistics for the Curious" in response.read().decode()


def test_the_outbox_can_be_looked_at(page: str) -> None:
    """
    It asks who one is; a monitor's question it answers at once.
    """
    assert 'name="password"' in get(f"{page}/admin/ace_outbox/delivery/")
    assert '"problems": {}' in get(f"{page}/outbox/health/")


def test_links_of_a_message_lead_to_the_running_site(page: str) -> None:
    """
    The link to the course in a message opens the course's page, by way of what counts clicks.
    """
    link = re.search(r'href="([^"]+/mail/c/[^"]+)"', get(f"{page}/messages/1/body/"))

    assert link is not None
    assert link.group(1).startswith(page)
    assert "Statistics for the Curious" in get(link.group(1))
