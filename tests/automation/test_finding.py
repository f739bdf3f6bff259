"""
Internal: lists of scheduled messages, and who may see them.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from edx_ace import Recipient
from edx_ace.automation import access, controller, finding
from edx_ace.automation.errors import AutomationError, ForbiddenError, NotFoundError
from edx_ace.automation.states import State

pytestmark = pytest.mark.django_db


def found(**filters):
    """The messages that match, in the order of their time."""
    return finding.page(finding.messages(**filters)).messages


def test_filters_are_all_applied(schedule, action, workshop):
    """
    State, action, object and dates.
    """
    now = timezone.now()
    about, other = workshop(), action("other")
    first = schedule(about=about, scheduled_at=now + timedelta(hours=1))
    second = schedule(other, about=about, scheduled_at=now + timedelta(hours=2))
    third = schedule(scheduled_at=now + timedelta(hours=3))
    controller.cancel(second)

    assert found() == [first, second, third]
    assert found(states=[State.SCHEDULED]) == [first, third]
    assert found(action="other") == [second]
    assert found(about=about) == [first, second]
    assert found(about=about, states=["scheduled"]) == [first]
    assert found(since=second.scheduled_at) == [second, third]
    assert found(until=second.scheduled_at) == [first]


def test_a_person_is_found_by_what_they_got_and_by_what_names_them(schedule, host, work):
    """
    By the host's id, or by a mailbox however it is written.
    """
    user = User.objects.create(pk=77, username="ann", email="ann@example.com")
    got = schedule(recipients=[Recipient(77, "ann@example.com")])
    work()
    in_a_day = timezone.now() + timedelta(days=1)
    for recipients in ([Recipient(7, None)], [host("eve", pk=77)]):
        schedule(recipients=recipients, scheduled_at=in_a_day)
    waiting = [
        schedule(recipients=recipients, scheduled_at=in_a_day + timedelta(minutes=number))
        for number, recipients in enumerate([[user], [Recipient(77, None)], ["ann@example.com"]])
    ]

    assert found(person="77") == [got, *waiting[:2]]
    assert found(person="ann@example.com") == found(person="Ann@Example.com") == [got, waiting[2]]
    assert found(person="bert@example.com") == []


def test_search_finds_a_part_of_what_was_said(schedule, workshop, work):
    """
    In any case of letters.
    """
    sent = schedule(about=workshop("Painting"))
    schedule(about=workshop("Pottery"))
    work()

    assert found(search="painting") == [sent]
    assert found(search="PAINTING IS NEAR") == [sent]
    assert found(search="nothing of that kind") == []


def test_pages_follow_one_another(schedule):
    """
    Also where many have the same time, and the other way round.
    """
    at = timezone.now() + timedelta(days=1)
    made = [schedule(about=None, context={"n": 1}, scheduled_at=at) for _ in range(5)]
    for latest_first, expected in ((False, made), (True, made[::-1])):
        seen, after = [], ""
        while True:
            page = finding.page(finding.messages(), after=after, size=2, latest_first=latest_first)
            seen += page.messages
            after = page.next
            if not after:
                break
        assert seen == expected

    with pytest.raises(AutomationError, match="page"):
        finding.page(finding.messages(), after="x")


def test_the_calendar_counts_by_the_day_of_the_active_zone(schedule):
    """
    With one query for all days, also those of 23 hours.
    """
    for moment in (datetime(2031, 3, 29, 22, 59, tzinfo=UTC), datetime(2031, 3, 29, 23, 1, tzinfo=UTC)):
        schedule(scheduled_at=moment)
    schedule(scheduled_at=datetime(2031, 3, 30, 21, 59, tzinfo=UTC))
    schedule(scheduled_at=datetime(2031, 3, 30, 22, 0, tzinfo=UTC))

    with timezone.override(ZoneInfo("Europe/Berlin")), CaptureQueriesContext(connection) as queries:
        days = finding.calendar(finding.messages(), date(2031, 3, 29), date(2031, 3, 31))

    assert [(day.day.day, day.number) for day in days] == [(29, 1), (30, 2), (31, 1)]
    assert days[1].numbers == {("reminder", "scheduled"): 2}
    assert len(queries) == 1


def test_what_is_not_there_is_not_found(schedule):
    """
    A message, or an attachment of it.
    """
    message = schedule()
    assert finding.message(message.uuid) == message
    with pytest.raises(NotFoundError):
        finding.attachment(message, 1)
    message.delete()
    with pytest.raises(NotFoundError):
        finding.message(message.uuid)


def test_workers_outside_find_what_is_theirs_and_due(schedule, action):
    """
    The longest due first.
    """
    of, now = action(external=True), timezone.now()
    second = schedule(of, scheduled_at=now - timedelta(minutes=1))
    first = schedule(of, scheduled_at=now - timedelta(minutes=2))
    schedule(of, scheduled_at=now + timedelta(minutes=1))
    schedule(action("ours"))

    assert finding.due_for_workers() == [first, second]
    controller.lock(first)
    assert finding.due_for_workers() == [second]


def test_each_permission_is_asked_for_by_its_name():
    """
    The system has all of them, and nobody has one that is another's.
    """
    user = User.objects.create(username="staff")
    user.user_permissions.add(Permission.objects.get(codename="cancel_message"))

    access.require(user, "cancel_message")
    access.require(None, "send_message")
    for one in access.PERMISSIONS.keys() - {"cancel_message"}:
        with pytest.raises(ForbiddenError, match=one):
            access.require(user, one)
    with pytest.raises(ForbiddenError):
        access.require(AnonymousUser(), "view_message")
    with pytest.raises(KeyError):
        access.require(user, "cancel_messages")
