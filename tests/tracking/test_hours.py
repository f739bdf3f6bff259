"""
Internal: the hours in which a person read before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import attrs
import pytest

from edx_ace import Recipient
from edx_ace.outbox import State, enqueue, status
from edx_ace.outbox.models import Delivery
from edx_ace.testing import frozen_clock
from edx_ace.tracking.hours import ReadingHours
from edx_ace.tracking.models import Engagement
from tests.outbox.test_worker import make_due, work
from tests.pipeline import welcome

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")
KATHMANDU = ZoneInfo("Asia/Kathmandu")
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
NOW = MONDAY.replace(hour=5, minute=20)


@attrs.frozen
class Question:
    person: str = "7"
    zone: ZoneInfo = BERLIN
    earliest: datetime = NOW
    latest: datetime = NOW + timedelta(days=1)


def read(person: str, *hours: int, is_machine: bool = False, zone: ZoneInfo = BERLIN) -> None:
    """Let *person* have read once in each of these hours of *zone*, on days of their own."""
    for number, hour in enumerate(hours):
        at = datetime(2026, 1 + number % 6, 10, hour, 30, tzinfo=zone)
        Engagement.objects.create(
            message=uuid4(), kind="open", at=at, person=person, is_machine=is_machine, is_counted=True
        )


def best(*questions: Question) -> list[datetime | None]:
    return ReadingHours().best_moments(questions or (Question(),))


def test_a_message_waits_for_the_hours_in_which_the_person_reads():
    """
    By their own clock, in summer and in winter.
    """
    read("7", 18, 18, 18, 18, 19)

    assert best() == [datetime(2026, 6, 1, 18, tzinfo=BERLIN)]


def test_the_first_hour_that_is_about_as_good_will_do():
    """
    Nobody has to wait for the very best.
    """
    read("7", 8, 8, 12, 18, 18, 18)

    assert best() == [datetime(2026, 6, 1, 8, tzinfo=BERLIN)]


def test_in_such_an_hour_it_goes_at_once():
    """
    It is 7:20 in Berlin.
    """
    read("7", 7, 7, 7, 7, 7)

    assert best() == [NOW]


@pytest.mark.parametrize("hours", [(), (18, 18)])
def test_of_whom_little_is_known_gets_it_at_once(hours):
    """
    Two readings are no habit.
    """
    read("7", *hours)

    assert best() == [None]


def test_machines_do_not_read():
    """
    They never sleep.
    """
    read("7", 3, 3, 3, 3, 3, is_machine=True)

    assert best() == [None]


def test_what_comes_too_late_is_not_waited_for():
    """
    Until the latest moment there is no good hour.
    """
    read("7", 18, 18, 18, 18, 18)

    assert best(Question(latest=MONDAY.replace(hour=9))) == [None]


def test_many_are_asked_about_with_one_query(django_assert_num_queries):
    """
    Each by themselves.
    """
    read("7", 18, 18, 18, 18, 18)
    read("8", 9, 9, 9, 9, 9)
    with django_assert_num_queries(1):
        found = best(Question(), Question("8"), Question("9"), Question("8"))

    assert [moment and moment.astimezone(BERLIN).hour for moment in found] == [18, 9, None, 9]


@pytest.mark.parametrize("of_the_site", ["UTC", "Asia/Kolkata"])
def test_hours_begin_by_the_clock_of_the_person(settings, of_the_site):
    """
    In Kathmandu a quarter past those of UTC; the site's own zone says nothing.
    """
    settings.TIME_ZONE = of_the_site
    read("7", 18, 18, 18, 18, 18, zone=KATHMANDU)

    assert best(Question(zone=KATHMANDU)) == [datetime(2026, 6, 1, 18, tzinfo=KATHMANDU)]


def people_in_kathmandu(recipients):
    return [("Asia/Kathmandu", None) for _ in recipients]


def test_the_policy_asks_it_for_messages_of_the_outbox(channel, settings):
    """
    A message waits for the person's hour, in their time zone, and then goes.
    """
    settings.ACE_ENABLED_POLICIES = ["preference", "send_time"]
    settings.ACE_SEND_TIME = "reading_hours"
    settings.ACE_PEOPLE = f"{__name__}.people_in_kathmandu"
    settings.ACE_CATEGORIES = {"news": {"send_time": True}}
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}}
    read("7", 18, 18, 18, 18, 18, zone=KATHMANDU)
    enqueue([message := welcome(), unknown := welcome(recipient=Recipient(8, "bob@example.com"))])
    # Later than it is for the database, by whose clock things come due.
    with frozen_clock(datetime(2099, 6, 1, 5, 20, tzinfo=UTC)):
        work()

        assert status(unknown).states == {State.SENT: 1}
        waiting = Delivery.objects.get(payload=message.uuid)
        assert (waiting.state, waiting.code) == (State.QUEUED, "send_time")
        assert waiting.due_at == datetime(2099, 6, 1, 18, tzinfo=KATHMANDU)
        make_due()
        work()

    assert status(message).states == {State.SENT: 1}
