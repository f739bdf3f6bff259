"""
Internal: the outbox in Django's admin.
"""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from edx_ace import Recipient
from edx_ace.outbox import State, enqueue, leases, status
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Attempt, Delivery
from tests.pipeline import Recorder, welcome

LIST = "/admin/ace_outbox/delivery/"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def channels(use_channels):
    """There is an email channel."""
    use_channels(mail=Recorder())


@pytest.fixture
def staff(client):
    """Return a function that logs somebody in who has these permissions."""

    def log_in(*permissions):
        user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        assert user.user_permissions.count() == len(permissions)
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def messages():
    """Three messages; the first failed."""
    messages = [welcome(recipient=Recipient(n, f"p{n}@example.com")) for n in (1, 2, 3)]
    enqueue(messages, idempotency_key=lambda message: f"key-{message.recipient.lms_user_id}")
    [row] = leases.claim(Delivery.objects.filter(payload=messages[0].uuid), 1, timedelta(minutes=1))
    now = database_now(Delivery, "default")
    leases.move([row], State.CLAIMED, State.FAILED, code="smtp_550", reason="No such user.", finished_at=now)
    Attempt.objects.create(delivery=row, at=now, outcome="failed", code="smtp_550", reply="550 5.1.1 no such user")
    return messages


def row_of(message):
    return Delivery.objects.get(payload=message.uuid)


def shown(page):
    """Return how many rows the list has."""
    return len(re.findall(r'name="_selected_action"|class="field-badge_and_code"', page.content.decode()))


def test_those_without_the_permission_see_nothing(staff, messages):
    """
    Being on the staff is not enough.
    """
    assert staff().get(LIST).status_code == 403


def test_the_list_shows_states_and_figures(staff, messages):
    """
    What is due, what failed and why.
    """
    page = staff("view_delivery").get(LIST)

    text = page.content.decode()
    assert shown(page) == 3
    assert '<span class="ace-state ace-failed">failed</span> <bdi>smtp_550</bdi>' in text
    assert "tests.welcome" in text
    assert re.search(r">due</a></dt><dd>2<", text)
    assert "?state=failed&amp;code=smtp_550" in text


def test_whom_a_message_goes_to_needs_a_permission(staff, messages):
    """
    In the list, on the page of one, and in the search.
    """
    address = "p1@example.com"
    page = reverse("admin:ace_outbox_delivery_change", args=[row_of(messages[0]).pk])

    client = staff("view_delivery")
    assert address not in client.get(LIST).content.decode()
    assert address not in client.get(page).content.decode()
    assert shown(client.get(LIST, {"q": address})) == 0

    client = staff("view_delivery", "view_recipient")
    assert address in client.get(LIST).content.decode()
    assert address in client.get(page).content.decode()
    assert shown(client.get(LIST, {"q": address.upper()})) == 1


def test_a_message_is_found_by_uuid_and_key(staff, messages):
    """
    Whatever else is asked for finds nothing, and is no error.
    """
    client = staff("view_delivery")

    assert shown(client.get(LIST, {"q": str(messages[1].uuid)})) == 1
    assert shown(client.get(LIST, {"q": "key-2"})) == 1
    assert shown(client.get(LIST, {"q": "nothing like it"})) == 0


@pytest.mark.parametrize(("state", "number"), [("queued", 2), ("failed", 1), ("sent", 0), ("handing", 0)])
def test_the_list_is_filtered_by_state(staff, messages, state, number):
    """
    In the order of the index that has the state's rows.
    """
    client = staff("view_delivery")

    assert shown(client.get(LIST, {"state": state})) == number


def test_a_page_shows_what_came_of_each_attempt(staff, messages):
    """
    And not what the message says.
    """
    page = staff("view_delivery").get(reverse("admin:ace_outbox_delivery_change", args=[row_of(messages[0]).pk]))

    text = page.content.decode()
    assert "550 5.1.1 no such user" in text
    assert "Ann" not in text
    assert "Queue again" not in text


def test_nothing_is_edited_added_or_deleted(client, messages):
    """
    Not even by a superuser.
    """
    client.force_login(User.objects.create_superuser("root"))
    row = row_of(messages[1])

    change = reverse("admin:ace_outbox_delivery_change", args=[row.pk])
    assert client.post(change, {"state": "sent"}).status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(reverse("admin:ace_outbox_delivery_delete", args=[row.pk])).status_code == 403
    assert str(status(messages[1])) == "1 queued"


def test_acting_needs_a_permission(staff, messages):
    """
    Who may look sees no actions, and those that are sent all the same do nothing.
    """
    client = staff("view_delivery")
    row = row_of(messages[1])

    client.post(LIST, {"action": "cancel", "_selected_action": [row.pk], "index": 0})

    assert str(status(messages[1])) == "1 queued"


def test_failed_ones_are_queued_again(staff, messages):
    """
    From the page of one, whose button sends what the list would; the site's log says who did it.
    """
    client = staff("change_delivery")
    row = row_of(messages[0])
    page = client.get(reverse("admin:ace_outbox_delivery_change", args=[row.pk])).content.decode()
    assert 'value="requeue">Queue again</button>' in page

    answer = client.post(LIST, {"action": "requeue", "_selected_action": [row.pk], "index": 0}, follow=True)

    assert "1 delivery is queued again." in answer.content.decode()
    assert str(status(messages[0])) == "1 queued"
    [entry] = LogEntry.objects.all()
    assert (entry.object_id, entry.change_message) == (str(row.pk), "Queued again")


def test_messages_are_cancelled(staff, messages):
    """
    All that a filter shows, if one likes; what has ended stays as it is.
    """
    client = staff("change_delivery")
    one = Delivery.objects.first()

    answer = client.post(
        LIST, {"action": "cancel", "_selected_action": [one.pk], "index": 0, "select_across": 1}, follow=True
    )

    assert "2 deliveries are stopped." in answer.content.decode()
    assert [str(status(message)) for message in messages] == ["1 failed", "1 cancelled", "1 cancelled"]


def test_the_list_counts_up_to_a_limit(staff, messages, monkeypatch):
    """
    A million rows are not counted.
    """
    monkeypatch.setattr("edx_ace.outbox.admin.LIMIT", 2)

    page = staff("view_delivery").get(LIST)

    assert page.context["cl"].paginator.count == 2
    assert "There may be more" in page.content.decode()


def test_the_list_asks_as_much_for_many_rows_as_for_few(staff, messages, django_assert_num_queries, deliveries):
    """
    Nothing is asked for each row.
    """
    client = staff("view_delivery", "view_recipient")
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)
    deliveries(40, channel="mail")
    with django_assert_num_queries(len(few)):
        client.get(LIST)


def test_a_state_that_does_not_exist_shows_nothing(staff, messages):
    """
    Not even a text that PostgreSQL does not take.
    """
    client = staff("view_delivery")

    for state in ("nonsense", "%00"):
        page = client.get(f"{LIST}?state={state}")
        assert (page.status_code, shown(page)) == (200, 0)


def test_the_pages_speak_the_language_of_the_site(staff, deliveries, settings):
    """
    With what is wrong, too.
    """
    settings.LANGUAGE_CODE = "de"
    deliveries(due_in=-timedelta(hours=3))

    page = staff("view_delivery").get(LIST).content.decode()

    assert "Eine Nachricht ist seit 10800 Sekunden fällig; erwartet werden höchstens 3600." in page
    assert "fehlgeschlagen (24 h)" in page
