"""
Internal: the endpoints of workers outside: what is due, who has it, and what they say came of it.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from edx_ace import Recipient
from edx_ace.automation import controller, sending, workers
from edx_ace.automation.models import ScheduledMessage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("storage")]

URL = "/api/automation/workers/"


@pytest.fixture
def worker(client_with):
    """The client of a program that may do what workers outside do."""
    return client_with("work_message")


@pytest.fixture
def outside(action):
    """An action whose messages workers outside send."""
    return action("outside", external=True)


def post(client, message, verb, **body):
    """Return what *client* is answered with."""
    return client.post(f"{URL}{message.uuid}/{verb}/", body, format="json")


def test_what_is_due_is_listed_and_nothing_else(worker, schedule, outside, action):
    """
    Neither what is for later, nor what our own workers send; the longest due first.
    """
    now = timezone.now()
    second = schedule(outside, scheduled_at=now - timedelta(minutes=1))
    first = schedule(outside, scheduled_at=now - timedelta(hours=1))
    schedule(outside, scheduled_at=now + timedelta(hours=1))
    schedule(action("inside"))

    found = worker.get(URL).json()

    assert [one["id"] for one in found] == [str(first.uuid), str(second.uuid)]
    assert [one["id"] for one in worker.get(URL, {"size": 1}).json()] == [str(first.uuid)]


def test_locking_gives_all_that_is_needed(worker, schedule, outside, workshop, host):
    """
    As it is at that moment: values, recipients, what is written, and where the files are.
    """
    ann, bert, lost = host("ann"), host("bert", language="de"), host("lost", email="")
    about = workshop(location="Room 7")
    message = schedule(
        outside,
        about=about,
        context={"workshop": about, "fee": Decimal("12.50"), "hosts": [ann], "day": timezone.now().date()},
        recipients=[ann, bert, lost, "ANN@example.com"],
        scheduled_at=timezone.now() + timedelta(days=1),
    )
    controller.add_attachment(message, "plan.pdf", b"%PDF")
    ScheduledMessage.objects.update(due_at=timezone.now())
    type(about).objects.update(title="Weaving")

    job = post(worker, message, "lock").json()
    [file] = job["attachments"]

    assert job["context"]["workshop"]["title"] == job["context"]["workshop"]["__str__"] == "Weaving"
    assert job["context"]["workshop"]["__model__"] == "automation_site.Workshop"
    assert (job["context"]["fee"], job["context"]["hosts"][0]["name"]) == ("12.50", "ann")
    assert job["context"]["day"] == timezone.now().date().isoformat()
    assert [(one["address"], one["language"], one["value"]["name"]) for one in job["recipients"]] == [
        ("ann@example.com", "en", "ann"),
        ("bert@example.com", "de", "bert"),
    ]
    assert job["unreachable"] == ["lost has no email address."]
    assert job["content"]["variants"]["de"]["subject"] == "{{ workshop.title }} naht"
    assert (job["message"]["state"], job["fence"]) == ("claimed", job["message"]["version"])
    assert job["locked_until"] > timezone.now().isoformat()
    assert worker.get(file["url"]).content == b"%PDF"
    letters = worker.get(f"{URL}{message.uuid}/letters/", {"fence": job["fence"]}).json()
    assert [one["subject"] for one in letters][:2] == ["Weaving is near", "Weaving naht"]


def test_of_two_workers_one_has_it(worker, client_with, schedule, outside):
    """
    The other is told so, and can say nothing of it; it is not in the list any more.
    """
    message = schedule(outside)
    other = client_with("work_message")

    first, second = post(worker, message, "lock"), post(other, message, "lock")

    assert (first.status_code, second.status_code, second.json()["code"]) == (200, 409, "conflict")
    assert other.get(URL).json() == []


@pytest.mark.parametrize(
    ("verb", "body", "state"),
    [
        ("succeed", {}, "succeeded"),
        ("fail", {"code": "smtp_451", "reason": "Try again."}, "failed"),
        ("cancel", {"why": "No such list."}, "cancelled"),
    ],
)
def test_what_came_of_it_is_said_once(worker, schedule, outside, verb, body, state):
    """
    By whoever has it, under the number that locking it gave.
    """
    message = schedule(outside)
    fence = post(worker, message, "lock").json()["fence"]

    wrong = post(worker, message, verb, fence=fence + 1, **body)
    done = post(worker, message, verb, fence=fence, **body)
    again = post(worker, message, verb, fence=fence, **body)

    assert (wrong.status_code, wrong.json()["code"]) == (409, "conflict")
    assert (done.status_code, done.json()["state"]) == (200, state)
    assert done.json()["reason"] == (body.get("reason") or body.get("why") or "")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    message.refresh_from_db()
    assert message.state == state


def test_whoever_was_too_slow_has_it_no_more(worker, schedule, outside):
    """
    Once somebody has cancelled it, or another worker has it: neither its files nor its letters, and it is not sent.
    """
    message = schedule(outside)
    fence = post(worker, message, "lock").json()["fence"]
    controller.cancel(message)

    answers = [
        post(worker, message, "succeed", fence=fence),
        post(worker, message, "cancel", fence=fence),
        worker.get(f"{URL}{message.uuid}/letters/", {"fence": fence}),
        worker.get(f"{URL}{message.uuid}/attachments/1/", {"fence": fence}),
    ]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(409, "conflict")] * 4


def test_what_cannot_be_looked_up_has_failed(worker, schedule, outside, host):
    """
    Locking it says why; the message is not left with a worker that can do nothing.
    """
    ann = host()
    gone = schedule(outside, recipients=[ann])
    nobody = schedule(outside, recipients=[host("lost", email="")])
    ann.delete()

    answers = [post(worker, gone, "lock"), post(worker, nobody, "lock")]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(422, "gone"), (422, "no_address")]
    for message in (gone, nobody):
        message.refresh_from_db()
        assert (message.state, message.failures) == ("failed", 1)


@pytest.mark.django_db(transaction=True)
def test_that_it_has_failed_stays_on_a_site_with_a_transaction_for_each_request(worker, schedule, outside, host):
    """
    Otherwise it would be due again at once, and for ever.
    """
    message = schedule(outside, recipients=[host("lost", email="")])
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        answer = post(worker, message, "lock")
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False

    message.refresh_from_db()
    assert (answer.status_code, message.state) == (422, "failed")


def test_a_worker_that_is_lost_keeps_nothing(worker, client_with, schedule, outside):
    """
    Once its time is over another has the message, and what the first says does not count.
    """
    message = schedule(outside)
    fence = post(worker, message, "lock").json()["fence"]
    ScheduledMessage.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sending.bring_back()
    ours = post(client_with("work_message"), message, "lock").json()["fence"]

    late = post(worker, message, "succeed", fence=fence)

    assert (late.status_code, late.json()["code"], ours > fence) == (409, "conflict", True)
    assert post(worker, message, "succeed", fence=ours).status_code == 200


def test_what_workers_die_of_fails(worker, schedule, outside):
    """
    After ten locks of which nothing came; it is not tried for ever.
    """
    message = schedule(outside)
    ScheduledMessage.objects.update(claims=10)

    answer = post(worker, message, "lock")

    assert (answer.status_code, answer.json()["code"]) == (422, "poison")


def test_the_log_says_which_worker_it_was(worker, client_with, schedule, outside):
    """
    By the name of its user.
    """
    message = schedule(outside)
    fence = post(worker, message, "lock").json()["fence"]
    post(worker, message, "succeed", fence=fence)

    log = client_with("view_message").get(f"/api/automation/{message.uuid}/log/").json()

    assert [(one["did"], one["who"]) for one in log] == [("schedule", ""), ("lock", "staff0"), ("succeed", "staff0")]


def test_a_failed_message_is_due_again_later(worker, schedule, outside):
    """
    And after ten failures in a row it is cancelled.
    """
    message = schedule(outside)
    for _number in range(10):
        ScheduledMessage.objects.update(state="scheduled", due_at=timezone.now() - timedelta(seconds=1))
        fence = post(worker, message, "lock").json()["fence"]
        last = post(worker, message, "fail", fence=fence, code="down", reason="It is down.").json()

    assert (last["state"], last["code"], worker.get(URL).json()) == ("cancelled", "down", [])


def test_a_worker_is_told_no_secrets(worker, schedule, outside, workshop):
    """
    Of an object what templates may read of it: no passwords, and of what it refers to only so deep.
    """
    user = User.objects.create_user("ann", "ann@example.com", "secret")
    about = workshop()
    task = about.tasks.create(host=about.helpers.create(name="bert", email="b@example.com"))
    message = schedule(outside, about=about, context={"user": user, "task": task}, recipients=[user])

    job = post(worker, message, "lock").json()

    assert "password" not in job["context"]["user"]
    assert job["context"]["user"]["username"] == job["recipients"][0]["value"]["username"] == "ann"
    assert job["recipients"][0]["person"] == str(user.pk)
    assert job["context"]["task"]["host"]["email"] == "b@example.com"
    assert job["context"]["task"]["pk"] == str(task.pk)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "nan"),
        (Recipient(7, "a@example.com"), {"email_address": "a@example.com", "lms_user_id": 7}),
        ({1: [True, None]}, {"1": [True, None]}),
        (timedelta(days=1), "1 day, 0:00:00"),
    ],
)
def test_values_are_plain(value, expected):
    """
    So that any program reads them.
    """
    assert workers.plain(value) == expected
