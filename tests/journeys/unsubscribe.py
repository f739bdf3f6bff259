"""
Internal: from a mail to the page and back: a worker, a mail server and the site's own server, each by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast
from urllib.request import Request, urlopen

import pytest

from edx_ace.testing.smtp import SmtpSink
from tests.running_site import RunningSite

#: Puts a message about the courses of the second learner into the outbox.
ENQUEUE = """
from courses.messages import Welcome
from courses.models import Learner
from edx_ace import outbox
from edx_ace.outbox import Priority
learner = Learner.objects.order_by("pk")[1]
message = Welcome().for_learner(learner, [enrolment.course for enrolment in learner.enrolments.all()])
outbox.enqueue(message, priority=Priority.BULK)
answer = str(message.uuid)
"""

#: Says what became of a message.
STATUS = """
from edx_ace.outbox.models import Delivery
answer = Delivery.objects.filter(payload={uuid!r}).values_list("state", "code")[0]
"""


@pytest.fixture(scope="module")
def sink() -> Iterator[SmtpSink]:
    """A mail server that accepts everything."""
    with SmtpSink() as sink:
        yield sink


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sink: SmtpSink) -> Iterator[RunningSite]:
    """The demo site, which delivers there."""
    with RunningSite(tmp_path_factory.mktemp("site"), sink.port) as site:
        yield site


def post(url: str, body: str) -> str:
    """Post a form as a mailbox provider does: with nothing but the form."""
    with urlopen(Request(url, body.encode()), timeout=30) as response:
        assert response.status == 200
        assert response.url == url
        return str(response.read().decode())


def test_one_click_in_a_mail_program_stops_the_next_message(site: RunningSite, sink: SmtpSink) -> None:
    """
    And its undo brings the one after that.
    """
    first = site.run(ENQUEUE)
    site.manage("ace_worker", "--once")
    mail = cast(EmailMessage, message_from_bytes(sink.messages[-1].content, policy=policy.default))
    link = re.sub(r"\s", "", mail["List-Unsubscribe"]).strip("<>")

    assert link.startswith(f"{site.url}/choices/unsubscribe/")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == "<courses.localhost>"
    assert mail["Precedence"] == "bulk"
    assert mail["Auto-Submitted"] == "auto-generated"
    for kind in "plain", "html":
        part = mail.get_body((kind,))
        assert part is not None
        assert link in part.get_content()
        assert "1 Harbour Street" in part.get_content()

    urlopen(link, timeout=30).close()
    assert "You are unsubscribed" in post(link, "List-Unsubscribe=One-Click")
    second = site.run(ENQUEUE)
    site.manage("ace_worker", "--once")
    assert "You are subscribed again" in post(link, "taking=immediate")
    third = site.run(ENQUEUE)
    site.manage("ace_worker", "--once")

    assert [site.run(STATUS.format(uuid=uuid)) for uuid in (first, second, third)] == [
        ["sent", ""],
        ["skipped", "opted_out"],
        ["sent", ""],
    ]
    assert len(sink.messages) == 2
