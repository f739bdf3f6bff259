"""
Internal: figures by day, type, category and send.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from edx_ace import Recipient, ace, outbox
from edx_ace.outbox import leases
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import State
from edx_ace.outbox.worker import Worker, sweep
from edx_ace.preferences import Taking, choose
from edx_ace.signals import ONE_CLICK, PAGE, PROVIDER
from edx_ace.tracking import figures, record_event
from edx_ace.tracking.figures import Measure
from edx_ace.tracking.models import Figure
from tests.pipeline import welcome

pytestmark = pytest.mark.django_db

TODAY = datetime.now(UTC).date()


@pytest.fixture(autouse=True)
def categories(settings) -> None:
    settings.ACE_CATEGORIES = {"news": {"label": "News"}, "offers": {"label": "Offers"}}
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}, "tests.greeting": {"category": "offers"}}


def send(number: int = 3, **fields) -> list[Delivery]:
    """Send to so many people, and return the deliveries."""
    fields = {"send_uuid": uuid4(), **fields}
    messages = [welcome(recipient=Recipient(n, f"p{n}@example.com"), **fields) for n in range(1, number + 1)]
    outbox.enqueue(messages)
    Worker(once=True).run()
    return list(Delivery.objects.filter(payload__in=[message.uuid for message in messages]).order_by("pk"))


def numbers(**asked) -> dict[str, int]:
    rows = figures.read(**{"since": TODAY, "until": TODAY, **asked})
    return {str(measure): number for row in rows for measure, number in row.numbers.items()}


def test_what_was_sent_is_counted_once_the_sweep_has_added_it_up(channel):
    """
    Until then it is not seen.
    """
    send(3)
    before = numbers()
    sweep()

    assert before == {}
    assert numbers() == {"sent": 3}


def test_what_came_back_is_counted_when_it_does(channel):
    """
    Beside what was sent: a message that bounced was sent, too.
    """
    first, second, third = send(3)
    leases.move([first], State.SENT, State.DELIVERED)
    leases.move([second], State.SENT, State.BOUNCED)
    leases.move([third], State.SENT, State.DELIVERED)
    leases.move([third], State.DELIVERED, State.COMPLAINED)
    sweep()

    assert numbers() == {"sent": 3, "delivered": 2, "bounced": 1, "complained": 1}


def test_what_was_rolled_back_did_not_happen(channel):
    """
    The figure goes with what it is about.
    """
    [delivery] = send(1)
    sweep()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        leases.move([delivery], State.SENT, State.BOUNCED)
        raise ZeroDivisionError
    sweep()

    assert numbers() == {"sent": 1}


def test_figures_are_grouped_as_asked(channel):
    """
    By one thing or by several.
    """
    send(2)
    send(1, name="greeting")
    sweep()

    by_type = figures.read(since=TODAY, until=TODAY, by=["message_type", "category"])
    assert [(row.group, row.numbers) for row in by_type] == [
        ({"message_type": "tests.greeting", "category": "offers"}, {Measure.SENT: 1}),
        ({"message_type": "tests.welcome", "category": "news"}, {Measure.SENT: 2}),
    ]
    assert numbers(category="offers") == {"sent": 1}
    assert numbers(message_type="tests.welcome") == {"sent": 2}
    assert numbers(channel_type="push") == {}


def test_a_send_has_figures_of_its_own(channel):
    """
    Without limit of days, and the latest sends are found; single messages are none.
    """
    one, other, single = send(3), send(2), send(1)
    sweep()

    assert figures.read(batches=[one[0].batch])[0].numbers == {Measure.SENT: 3}
    assert set(figures.sends(TODAY, TODAY)) == {one[0].batch, other[0].batch}
    assert figures.read(batches=[single[0].batch])[0].numbers == {Measure.SENT: 1}


def test_days_are_kept_apart(channel):
    """
    Those outside are not asked for.
    """
    send(1)
    sweep()
    Figure.objects.update(day=TODAY - timedelta(days=1))
    send(2)
    sweep()

    rows = figures.read(since=TODAY - timedelta(days=7), until=TODAY, by=["day"])
    assert [(row.group["day"], row.numbers[Measure.SENT]) for row in rows] == [
        (TODAY - timedelta(days=1), 1),
        (TODAY, 2),
    ]
    assert numbers() == {"sent": 2}


def test_without_days_only_a_send_can_be_asked_for():
    """
    Everything ever is nobody's question.
    """
    with pytest.raises(TypeError, match="read needs both days"):
        figures.read(since=date(2026, 1, 1))


def test_folding_twice_is_folding_once(channel):
    """
    Sums grow, and there is one of each.
    """
    send(2)
    sweep()
    send(2)
    sweep()
    sweep()

    assert numbers() == {"sent": 4}
    assert Figure.objects.filter(batch__isnull=True).count() == 1
    assert not Figure.objects.filter(is_sum=False).exists()


@pytest.mark.parametrize("source", [ONE_CLICK, PAGE, PROVIDER])
def test_an_unsubscription_counts_for_the_last_message_of_its_category(channel, source):
    """
    That is what it came of; a second one changes nothing.
    """
    send(1)
    last = send(1)
    send(1, name="greeting")
    for _ in range(2):
        choose("1", "news", "email", Taking.OFF, source=source)
    sweep()

    assert numbers(category="news") == {"sent": 2, "unsubscribed": 1}
    assert numbers(batches=[last[0].batch]) == {"sent": 1, "unsubscribed": 1}


def test_unsubscribing_at_the_provider_counts_where_nobody_chooses(channel):
    """
    Then the address is suppressed, once.
    """
    row = send(1)[0]
    for number in "12":
        record_event("postmark", "unsubscribed", address=row.address, provider_id=row.provider_id, event_id=number)
    sweep()

    assert numbers() == {"sent": 1, "unsubscribed": 1}


@pytest.mark.parametrize(
    ("person", "taking", "source"),
    [
        ("1", Taking.IMMEDIATE, "page"),
        # Somebody else did it.
        ("1", Taking.OFF, "import"),
        # Nothing was sent to them.
        ("9", Taking.OFF, "page"),
    ],
)
def test_what_is_no_unsubscription_is_not_counted(channel, person, taking, source):
    """
    The choice is made all the same.
    """
    send(1)
    choose(person, "news", "email", taking, source=source)
    sweep()

    assert numbers() == {"sent": 1}


def test_turning_everything_off_counts_for_the_last_message(channel):
    """
    Whatever its category.
    """
    send(1)
    send(1, name="greeting")
    choose("1", "", "email", Taking.OFF, source="page")
    sweep()

    assert numbers(category="offers") == {"sent": 1, "unsubscribed": 1}


def test_what_plain_sends_leave_is_counted_too(channel, settings):
    """
    Where the site records them.
    """
    settings.ACE_RECORD_SENDS = True
    assert ace.send(welcome())
    sweep()

    assert numbers() == {"sent": 1}


@pytest.mark.django_db(transaction=True)
def test_several_may_fold_at_once(channel, at_once):
    """
    Nothing is counted twice, and nothing is lost.
    """
    for _ in range(6):
        send(2)
    at_once(lambda: figures.fold(limit=3), 4)
    while figures.fold():
        pass

    assert numbers() == {"sent": 12}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="Plans are read on PostgreSQL.")
def test_reading_follows_an_index():
    """
    However many rows there are.
    """
    day = TODAY - timedelta(days=300)
    Figure.objects.bulk_create(
        [
            Figure(
                day=day + timedelta(days=number % 300),
                message_type="tests.welcome",
                category="news",
                channel_type="email",
                batch=uuid4() if number % 50 else None,
                measure="sent",
                number=1,
                is_sum=True,
            )
            for number in range(30_000)
        ],
        batch_size=5000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ace_tracking_figure")
    for rows in (
        Figure.objects.filter(is_sum=True, batch__isnull=True, day__gte=TODAY - timedelta(days=9), day__lte=TODAY),
        Figure.objects.filter(is_sum=True, batch=uuid4()),
        Figure.objects.filter(measure="sent", is_sum=True, batch__isnull=False, number__gt=1)
        .filter(day__gte=TODAY - timedelta(days=9), day__lte=TODAY)
        .order_by("-day", "-pk"),
    ):
        plan = rows.explain()
        assert "Index" in plan, plan
        assert "Seq Scan" not in plan, plan
