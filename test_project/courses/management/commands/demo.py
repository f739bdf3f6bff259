"""
Internal: ``manage.py demo``: five hundred messages through the outbox, past a worker that is killed, campaigns,
messages that workshops schedule by themselves, and pages on which to read, write and follow them.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any, Self
from uuid import UUID

import attrs
import django
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import BaseCommand, CommandError, call_command
from django.core.management.base import OutputWrapper
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application
from django.db import connections, transaction
from django.utils import timezone
from django.utils.translation import get_language_info

from courses import demo_campaigns, demo_site, reactions
from courses.messages import Welcome
from courses.models import Learner
from edx_ace import Message, outbox
from edx_ace.outbox import State
from edx_ace.outbox.conf import settings as outbox_settings
from edx_ace.outbox.models import Count, Payload
from edx_ace.outbox.states import OPEN
from edx_ace.outbox.worker import sweep
from edx_ace.testing.smtp import ReceivedMessage as Received
from edx_ace.testing.smtp import SmtpSink
from received.models import ReceivedMessage
from workshops import demo_workshops

FIRST_PORT = 8000
#: How many ports to try, from FIRST_PORT up.
PORTS = 100
#: Width of the progress bar, in characters.
BAR_WIDTH = 40
#: How often to look how far the workers are, in seconds.
LOOK_SECONDS = 0.05
#: How long the workers may take without any progress, in seconds: several leases.
PATIENCE_SECONDS = 60
#: How often what has arrived is put on the page, in seconds.
STORE_SECONDS = 1


class Command(BaseCommand):
    """Loads the demo site, welcomes every learner through the outbox, kills a worker, and shows what arrived."""

    help = (
        "Enqueue a welcome message to each of the demo site's 500 learners, kill the worker that delivers them over "
        "local SMTP half way, let another take over and an instructor send campaigns, and serve what arrived. With "
        "SERVE=0 in the environment: end after that."
    )

    #: The send of the welcome messages, once there is one.
    _batch: UUID | None = None

    def handle(self, *args: Any, **options: Any) -> None:
        # As Ctrl+C does, it ends the workers, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        self.stdout.write("Preparing the demo site ...")
        if os.environ.get("SERVE") == "0":
            with _one_at_a_time(self.stdout), self._prepared(settings.ACE_BASE_URL):
                return
        # The page's port is taken first, so that links in the messages lead to it.
        with ExitStack() as stack:
            server = stack.enter_context(_page_server())
            base_url = f"http://localhost:{server.server_port}"
            stack.enter_context(_one_at_a_time(self.stdout))
            inbox = stack.enter_context(self._prepared(base_url))
            self.stdout.write(f"\nRead them at {self.style.SUCCESS(base_url + '/')} (stop with Ctrl+C)")
            admin = self.style.SUCCESS(f"{base_url}/admin/ace_outbox/")
            choices = self.style.SUCCESS(f"{base_url}/choices/preferences/")
            self.stdout.write(f"Choose what reaches you at {choices} (name and password: {demo_site.STAFF})")
            campaigns = self.style.SUCCESS(f"{base_url}/staff/campaigns/")
            self.stdout.write(
                f"Write to a course, and follow what is being sent, at {campaigns} (name and password: "
                f"{demo_site.INSTRUCTOR}; {demo_site.DEAN} approves what {demo_site.STAFF} writes to the whole campus)"
            )
            automation = self.style.SUCCESS(f"{base_url}/staff/automation/calendar/")
            self.stdout.write(
                f"See what workshops will write by themselves at {automation} (name and password: {demo_site.STAFF})"
            )
            self.stdout.write(f"See the outbox at {admin} (name and password: {demo_site.STAFF})")
            search = self.style.SUCCESS(f"{base_url}/staff/")
            self.stdout.write(
                f"Ask why somebody did, or didn't, get one at {search}: for example {self._for_example()}"
            )
            self.stdout.write(f"Look at the figures at {self.style.SUCCESS(base_url + '/staff/figures/')}")
            self.stdout.flush()
            logging.getLogger("django.server").setLevel(logging.ERROR)
            with _going_on(inbox), suppress(KeyboardInterrupt):
                server.serve_forever()

    @contextmanager
    def _prepared(self, base_url: str) -> Iterator[Inbox]:
        """Send everything, and go on with what is sent for as long as the context lasts."""
        call_command("migrate", verbosity=0)
        demo_site.load(timezone.now())
        demo_campaigns.forget()
        demo_workshops.load(timezone.now())
        inbox, messages = Inbox(), welcomes()
        with SmtpSink(keep=False, on_message=inbox.take) as sink:
            _deliver_here_as_well(sink.port, base_url)
            self._enqueue(messages)
            started = monotonic()
            with Workers(sink.port, base_url) as workers:
                self._send_all(messages, workers)
                self.stdout.write(str(Tally.of(messages, monotonic() - started)))
                twice = inbox.number_of_repeated
                self.stdout.write(
                    f"{twice} of them arrived twice, with the same Message-ID: they were on their way when the worker "
                    f"was killed (at most {outbox_settings.OUTBOX_WINDOW} are)."
                    if twice
                    else "None of them arrived twice."
                )
                self._run_campaigns(workers)
                inbox.store()
                yield inbox

    def _run_campaigns(self, workers: Workers) -> None:
        """Let an instructor write campaigns, and two of them come to their end."""
        assert self._batch is not None
        reactions.happen(self._batch)
        finished, slow = demo_campaigns.write()
        if not demo_campaigns.run(finished, PATIENCE_SECONDS, LOOK_SECONDS):
            raise CommandError(f"The campaigns do not end; {workers.log} says why.")
        for campaign in finished:
            reactions.happen(campaign.uuid)
        sweep()
        sent = ", ".join(f"“{campaign.name}”" for campaign in finished)
        self.stdout.write(f"An instructor has sent campaigns: {sent}. “{slow.name}” is being sent, slowly.")

    def _enqueue(self, messages: list[Message]) -> None:
        self._batch = messages[0].send_uuid
        _empty_outbox()
        outbox.enqueue(messages)
        self.stdout.write(f"{len(messages)} messages are in the outbox: {outbox.status(batch=self._batch)}.")

    def _send_all(self, messages: list[Message], workers: Workers) -> None:
        """Kill the first worker half way, and wait until another has sent the rest."""
        batch, total = self._batch, len(messages)
        assert batch is not None
        self.stdout.write(
            f"Worker 1 (process {workers.running.pid}) delivers over SMTP to 127.0.0.1:{workers.port} ..."
        )
        bar = Bar(total, self.stdout)
        self._watch(bar, batch, workers, until=total // 2)
        workers.kill()
        bar.end()
        states = outbox.status(batch=batch).states
        in_hand = states.get(State.CLAIMED, 0) + states.get(State.HANDING, 0)
        self.stdout.write(self.style.WARNING(f"Worker 1 is killed with SIGKILL, with {in_hand} messages in its hands."))
        workers.start()
        self.stdout.write(
            f"Worker 2 (process {workers.running.pid}) takes over; those {in_hand} are its own when the lease of "
            f"worker 1 is over ({outbox_settings.OUTBOX_LEASE_SECONDS} s) ..."
        )
        self._watch(bar, batch, workers, until=total)
        bar.end()

    def _for_example(self) -> str:
        """Return addresses of people who did not get their message, one for each reason."""
        rows = outbox.status(batch=self._batch).deliveries.filter(state__in=[State.SKIPPED, State.BOUNCED])
        first: dict[str, str] = {}
        for row in rows.order_by("pk"):
            first.setdefault(row.state, row.address or "")
        return ", ".join(first.values())

    def _watch(self, bar: Bar, batch: UUID, workers: Workers, until: int) -> None:
        """Draw *bar* until so many messages of *batch* are done with."""
        give_up = monotonic() + PATIENCE_SECONDS
        while bar.done < until:
            sleep(LOOK_SECONDS)
            now = outbox.status(batch=batch)
            done = sum(number for state, number in now.states.items() if state not in OPEN)
            if done > bar.done:
                give_up = monotonic() + PATIENCE_SECONDS
            bar.show(done)
            if workers.running.poll() is not None or monotonic() > give_up:
                raise CommandError(f"The worker does not deliver; {workers.log} says why. In the outbox: {now}.")


@attrs.define
class Workers:
    """
    The worker processes of a demo, one at a time.

    Attributes:
        port: Of the mail server.

        base_url: Of the page that links lead to.
    """

    port: int
    base_url: str
    log: Path = settings.VAR_DIR / "workers.log"
    running: subprocess.Popen[bytes] = attrs.field(init=False)

    def __enter__(self) -> Self:
        self.log.write_text("")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker as an administrator does: it finishes what it is handing over."""
        self.running.terminate()
        self.running.wait()

    def start(self) -> None:
        """Start a worker in a process of its own."""
        environment = {**os.environ, "ACE_DEMO_SMTP_PORT": str(self.port), "ACE_DEMO_BASE_URL": self.base_url}
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "ace_worker"]
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """Kill the worker; it can do nothing about it."""
        self.running.kill()
        self.running.wait()


@attrs.define
class Inbox:
    """What came in over SMTP, and the table of it, which a page shows."""

    _arrivals: list[tuple[datetime, Received]] = attrs.field(factory=list, init=False)
    _stored: int = attrs.field(default=0, init=False)

    def take(self, received: Received) -> None:
        """Note that a message has come in."""
        self._arrivals.append((timezone.now(), received))

    @property
    def number_of_repeated(self) -> int:
        """How many messages more than recipients there are."""
        return len(self._arrivals) - len({received.recipients for _, received in self._arrivals})

    @transaction.atomic
    def store(self) -> None:
        """Write what has come in since to the table; at first, in place of what is there."""
        if not self._stored:
            ReceivedMessage.objects.all().delete()
        arrivals = self._arrivals[self._stored :]
        ReceivedMessage.objects.bulk_create(
            ReceivedMessage.parse(
                received.content,
                pk=number,
                envelope_from=received.sender,
                envelope_to=", ".join(received.recipients),
                received_at=received_at,
            )
            for number, (received_at, received) in enumerate(arrivals, self._stored + 1)
        )
        self._stored += len(arrivals)


@attrs.define
class Tally:
    """What came of the messages, by language; printed as a table."""

    by_language: dict[str, Counter[State]]
    problems: Counter[tuple[str, str]]
    seconds: float

    @classmethod
    def of(cls, messages: list[Message], seconds: float) -> Tally:
        """Count the deliveries of *messages*, which are one send."""
        languages = {message.uuid: str(message.language) for message in messages}
        status = outbox.status(batch=messages[0].send_uuid)
        tally = cls({code: Counter() for code in languages.values()}, Counter(), seconds)
        for delivery in status.deliveries:
            tally.by_language[languages[delivery.payload_id]][State(delivery.state)] += 1
            if delivery.state != State.SENT:
                tally.problems[delivery.code, delivery.reason] += 1
        return tally

    def __str__(self) -> str:
        total: Counter[State] = sum(self.by_language.values(), Counter())
        usual = (State.SENT, State.SKIPPED, State.FAILED)
        columns = [*usual, *(state for state in State if state not in usual and total[state])]
        rows = [(get_language_info(code)["name"], counts) for code, counts in self.by_language.items()]
        rule = "-" * (12 + 10 * len(columns))
        lines = ["", f"{'':12}" + "".join(f"{state.value:>10}" for state in columns), rule]
        for name, counts in [*rows, ("all", total)]:
            if name == "all":
                lines.append(rule)
            lines.append(f"{name:12}" + "".join(f"{counts[state]:>10}" for state in columns))
        lines += ["", f"{total[State.SENT]} of {total.total()} messages sent in {self.seconds:.1f} s."]
        lines += [f"{count} x {code}: {reason}" for (code, reason), count in self.problems.most_common()]
        return "\n".join(lines)


@attrs.define
class Bar:
    """How far the workers are: a bar on a terminal, and elsewhere a line for every hundred messages."""

    total: int
    stream: OutputWrapper
    done: int = 0

    def show(self, done: int) -> None:
        """Draw that *done* are."""
        if self.stream.isatty():
            filled = BAR_WIDTH * done // self.total
            bar = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done}/{self.total}"
            self.stream.write(f"\r  {bar}", ending="")
            self.stream.flush()
        elif done // 100 > self.done // 100:
            self.stream.write(f"  {done}/{self.total}")
        self.done = done

    def end(self) -> None:
        """Go to the next line."""
        if self.stream.isatty():
            self.stream.write("")


def welcomes() -> list[Message]:
    """Return the welcome message of every learner."""
    welcome, learners = Welcome(), Learner.objects.prefetch_related("courses")
    return [welcome.for_learner(learner, list(learner.courses.all())) for learner in learners]


def _deliver_here_as_well(port: int, base_url: str) -> None:
    """Let this process, whose pages send tests of campaigns, deliver and link to where its workers do."""
    settings.ACE_BASE_URL = base_url
    if django.VERSION >= (6, 1):
        settings.MAILERS["default"]["OPTIONS"]["port"] = port
    else:
        settings.EMAIL_PORT = port


def _empty_outbox() -> None:
    """Forget the messages of an earlier run, some of which may still have to go if it was interrupted."""
    reactions.forget()
    Payload.objects.all().delete()
    Count.objects.all().delete()


@contextmanager
def _going_on(inbox: Inbox) -> Iterator[None]:
    """Put on the page what comes in, and let people react to campaigns that are finished, for as long as it lasts."""
    is_over = Event()
    known = demo_campaigns.sent()

    def go_on() -> None:
        try:
            while not is_over.wait(STORE_SECONDS):
                inbox.store()
                for batch in demo_campaigns.sent() - known:
                    reactions.happen(batch)
                    known.add(batch)
        finally:
            connections.close_all()

    thread = Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _page_server() -> ThreadedWSGIServer:
    """Return a server of the site on the first free port."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        try:
            server = ThreadedWSGIServer(("127.0.0.1", port), WSGIRequestHandler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            server.set_app(StaticFilesHandler(get_internal_wsgi_application()))
            return server
    raise CommandError(
        f"Expected a free port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1} for the page; all are taken. "
        "Free one, or run with SERVE=0 to end after the table."
    )


@contextmanager
def _one_at_a_time(stream: OutputWrapper) -> Iterator[None]:
    """Keep the database and the outbox to this demo while others, begun at the same time, wait."""
    with (settings.VAR_DIR / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.write("Another demo is sending; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
