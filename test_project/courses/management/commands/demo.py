"""
Internal: ``manage.py demo``: five hundred messages over real SMTP, and a page on which to read them.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from time import perf_counter
from typing import Any, TypeVar

import attrs
import django
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import BaseCommand, CommandError, call_command
from django.core.management.base import OutputWrapper
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application
from django.db import transaction
from django.test.utils import override_settings
from django.utils import timezone
from django.utils.translation import get_language_info

from courses import demo_site
from courses.messages import Welcome
from courses.models import Learner
from edx_ace import Message, ace
from edx_ace.channel import ChannelType
from edx_ace.report import Outcome
from edx_ace.testing.smtp import ReceivedMessage as Received
from edx_ace.testing.smtp import SmtpSink
from received.models import ReceivedMessage

FIRST_PORT = 8000
#: How many ports to try, from FIRST_PORT up.
PORTS = 100
#: Width of the progress bar, in characters.
BAR_WIDTH = 40

Item = TypeVar("Item")


class Command(BaseCommand):
    """Loads the demo site, welcomes every learner through a mail server of its own, and shows what arrived there."""

    help = (
        "Send a welcome message to each of the demo site's 500 learners over local SMTP and serve what arrived. "
        "With SERVE=0 in the environment: end after the table of outcomes."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("Preparing the demo site ...")
        with _one_at_a_time():
            call_command("migrate", verbosity=0)
            demo_site.load(timezone.now())
        if os.environ.get("SERVE") == "0":
            self._send_all(settings.ACE_BASE_URL)
            return
        # The page's port is taken first, so that links in the messages lead to it.
        with _page_server() as server:
            base_url = f"http://localhost:{server.server_port}"
            self._send_all(base_url)
            self.stdout.write(f"\nRead them at {self.style.SUCCESS(base_url + '/')} (stop with Ctrl+C)")
            self.stdout.flush()
            logging.getLogger("django.server").setLevel(logging.ERROR)
            with suppress(KeyboardInterrupt):
                server.serve_forever()

    def _send_all(self, base_url: str) -> None:
        """Send every welcome message to an SMTP server of this process, print what came of them, store what arrived."""
        arrivals: list[tuple[datetime, Received]] = []
        with SmtpSink(keep=False, on_message=lambda received: arrivals.append((timezone.now(), received))) as sink:
            self.stdout.write(f"Sending over SMTP to {sink.host}:{sink.port} ...")
            with override_settings(ACE_BASE_URL=base_url, **_mail_through(sink.host, sink.port)):
                self.stdout.write(str(self._send(welcomes())))
        with _one_at_a_time():
            _store(arrivals)

    def _send(self, messages: list[Message]) -> Tally:
        languages = {message.uuid: str(message.language) for message in messages}
        tally = Tally()
        started = perf_counter()
        for report in with_progress(ace.send_many(messages), len(messages), self.stdout):
            email = report[ChannelType.EMAIL]
            tally.add(languages[report.uuid], email.outcome, email.code, email.reason)
        tally.seconds = perf_counter() - started
        return tally


@attrs.define
class Tally:
    """What came of the messages, by language; printed as a table."""

    by_language: dict[str, Counter[Outcome]] = attrs.field(factory=dict)
    problems: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    seconds: float = 0.0

    def add(self, language: str, outcome: Outcome, code: str, reason: str) -> None:
        """Count one message."""
        self.by_language.setdefault(language, Counter())[outcome] += 1
        if code:
            self.problems[code, reason] += 1

    def __str__(self) -> str:
        total: Counter[Outcome] = sum(self.by_language.values(), Counter())
        usual = (Outcome.SENT, Outcome.SKIPPED, Outcome.FAILED)
        columns = [outcome for outcome in Outcome if outcome in usual or total[outcome]]
        rows = [(get_language_info(code)["name"], counts) for code, counts in self.by_language.items()]
        rule = "-" * (12 + 10 * len(columns))
        lines = ["", f"{'':12}" + "".join(f"{outcome.value:>10}" for outcome in columns), rule]
        for name, counts in [*rows, ("all", total)]:
            if name == "all":
                lines.append(rule)
            lines.append(f"{name:12}" + "".join(f"{counts[outcome]:>10}" for outcome in columns))
        lines += ["", f"{total.total()} messages in {self.seconds:.2f} s: {total.total() / self.seconds:,.0f} a second"]
        lines += [f"{count} x {code}: {reason}" for (code, reason), count in self.problems.most_common()]
        return "\n".join(lines)


def welcomes() -> list[Message]:
    """Return the welcome message of every learner."""
    welcome, learners = Welcome(), Learner.objects.prefetch_related("courses")
    return [welcome.for_learner(learner, list(learner.courses.all())) for learner in learners]


def with_progress(items: Iterable[Item], total: int, stream: OutputWrapper) -> Iterator[Item]:
    """Yield *items*, drawing a bar on a terminal, and elsewhere a line for every hundredth of them."""
    terminal = stream.isatty()
    for done, item in enumerate(items, 1):
        yield item
        if terminal:
            filled = BAR_WIDTH * done // total
            stream.write(f"\r  [{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done}/{total}", ending="")
            stream.flush()
        elif done % 100 == 0 or done == total:
            stream.write(f"  {done}/{total}")
    if terminal:
        stream.write("")


def _mail_through(host: str, port: int) -> dict[str, Any]:
    """Return the settings with which mail goes to the server at *host* and *port*."""
    if django.VERSION >= (6, 1):
        return {"MAILERS": {"default": {**settings.MAILERS["default"], "OPTIONS": {"host": host, "port": port}}}}
    return {"EMAIL_HOST": host, "EMAIL_PORT": port}


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
def _one_at_a_time() -> Iterator[None]:
    """Keep the database to this demo while others, begun at the same time, wait."""
    with (settings.VAR_DIR / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@transaction.atomic
def _store(arrivals: Iterable[tuple[datetime, Received]]) -> None:
    """Replace the messages of an earlier run by *arrivals*."""
    ReceivedMessage.objects.all().delete()
    ReceivedMessage.objects.bulk_create(
        ReceivedMessage.parse(
            received.content,
            pk=number,
            envelope_from=received.sender,
            envelope_to=", ".join(received.recipients),
            received_at=received_at,
        )
        for number, (received_at, received) in enumerate(arrivals, 1)
    )
