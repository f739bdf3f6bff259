"""
Internal: what docs/howto/use-the-outbox.rst says is done here with its own blocks of code.
"""

import re
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User

from edx_ace.outbox import State, cancel, sources, status
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Circuit, Delivery, Payload
from tests.pipeline import Recorder

PAGE = Path(__file__).parents[2] / "docs/howto/use-the-outbox.rst"

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(use_channels):
    """The names that the blocks of the page define."""
    use_channels(mail=Recorder())
    names = {"__name__": "tests.examples", "Customer": User}
    blocks = re.findall(
        r"^\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    for block in blocks:
        exec(dedent(block), names)  # our own page
    yield SimpleNamespace(**names)
    sources.unregister(sources.get("shop.reminders"))


def test_an_order_is_paid_and_its_receipt_enqueued_once(page):
    """
    The same call made again enqueues nothing; the receipt can be asked for by its key.
    """
    order = User.objects.create(username="order", email="ann@example.com")
    order.customer = order

    page.pay(order)
    page.pay(order)
    page.repair(order)

    assert status(idempotency_key=f"receipt-{order.pk}").states == {State.QUEUED: 1}


def test_a_sale_is_announced_and_stopped(page):
    """
    Its send has a message for each customer.
    """
    for number in range(3):
        User.objects.create(username=f"p{number}", email=f"p{number}@example.com")

    sale = page.announce(User.objects.all())

    assert page.stop(sale).stopped == 3
    assert status(batch=sale.uuid).states == {State.CANCELLED: 3}
    assert cancel(batch=sale.uuid).stopped == 0


def test_reminders_are_made_when_they_are_sent(page):
    """
    Until then there is a reference to the customer.
    """
    users = [User.objects.create(username=f"p{number}", email=f"p{number}@example.com") for number in range(3)]

    reminder = page.remind(User.objects.order_by("pk"))

    assert status(batch=reminder.uuid).states == {State.QUEUED: 3}
    assert set(Payload.objects.values_list("content", flat=True)) == {str(user.pk) for user in users}
    messages = page.load_reminders([users[0].pk, 0])
    assert [(pk, message.recipient.email_address) for pk, message in messages.items()] == [
        (users[0].pk, Delivery.objects.order_by("pk")[0].address)
    ]


def test_channels_that_fail_can_be_shown(page):
    """
    With why they do.
    """
    now = database_now(Circuit, "default")
    Circuit.objects.create(channel="mail", opened_at=now, probe_at=now, pause=timedelta(seconds=1), reason="No login.")

    assert page.failing_channels() == ["mail: No login."]
