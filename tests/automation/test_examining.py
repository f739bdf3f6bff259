"""
Internal: what a message would say, and tests of it.
"""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.utils import timezone

from edx_ace.automation import controller, examining
from edx_ace.automation.errors import AutomationError, GoneError
from edx_ace.automation.models import Letter
from edx_ace.automation.templates import Content
from edx_ace.outbox.models import Delivery
from tests.automation_site.models import Workshop

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    """Somebody who looks at it."""
    return User.objects.create(username="staff", email="staff@example.com")


def test_a_preview_is_what_is_sent_to_the_byte(schedule, host, workshop, work):
    """
    Before content steps; for each recipient.
    """
    about = workshop("O'Brien & Co <b>")
    message = schedule(about=about, recipients=[host("ann"), host("bert", language="de")])

    shown = examining.preview(message)
    work()

    sent = {one.to[0]: one for one in mail.outbox}
    assert [one.to for one in shown] == ["ann@example.com", "bert@example.com"]
    for one in shown:
        [(html, _type)] = sent[one.to].alternatives
        assert (one.subject, one.text, one.html) == (sent[one.to].subject, sent[one.to].body, html)


def test_a_preview_changes_nothing(schedule):
    """
    No letter is written, and nothing goes into the outbox.
    """
    examining.preview(schedule())

    assert not Letter.objects.exists()
    assert not Delivery.objects.exists()


def test_a_preview_says_why_it_could_not_be_sent(schedule, host, workshop):
    """
    To one of its recipients, or at all.
    """
    about = workshop()
    message = schedule(about=about, recipients=[host("ann", email=""), host("bert")])

    assert [(one.to, one.error) for one in examining.preview(message)] == [
        ("", "ann has no email address."),
        ("bert@example.com", ""),
    ]
    Workshop.objects.filter(pk=about.pk).delete()
    [shown] = examining.preview(message)
    assert f"automation_site.Workshop {about.pk}" in shown.error


def test_a_preview_of_one_message_to_all_shows_it_once(schedule, action, host):
    """
    With the others in copy.
    """
    message = schedule(action(to_all=True), recipients=[host("ann"), host("bert")])

    [shown] = examining.preview(message)

    assert (shown.to, list(shown.cc)) == ("ann@example.com", ["bert@example.com"])


def test_a_test_goes_to_whoever_asks_and_to_nobody_else(schedule, host, staff):
    """
    It says that it is one, and the log says who asked.
    """
    message = schedule(scheduled_at=timezone.now() + timedelta(days=1))
    content = Content(variants={"en": {"subject": "By hand", "body": "x"}}, cc=["boss@example.com"])
    controller.edit(message, author=staff, content=content)

    assert examining.send_test(message, staff)

    [sent] = mail.outbox
    assert (sent.subject, sent.recipients()) == ("[Test] By hand", ["staff@example.com"])
    assert message.entries.last().did == "send_test"
    assert not Letter.objects.exists()


def test_a_test_that_could_not_be_sent_says_why(schedule, staff, workshop):
    """
    As the message could not.
    """
    about = workshop()
    message = schedule(about=about)
    staff.email = ""
    with pytest.raises(AutomationError, match="no email address"):
        examining.send_test(message, staff)
    Workshop.objects.all().delete()
    with pytest.raises(GoneError):
        examining.send_test(message, staff)
