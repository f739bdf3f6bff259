"""
Internal: the endpoints by which staff see and steer scheduled messages, and write templates.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.throttling import UserRateThrottle

from edx_ace.api.automation.base import Endpoint, Throttle
from edx_ace.automation import controller
from edx_ace.automation.message_types import Scheduled
from edx_ace.automation.models import ScheduledMessage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("storage")]

URL = "/api/automation/"


@pytest.fixture
def staff(client_with):
    """The client of somebody who may do everything that staff do."""
    return client_with("view_message", "change_message", "cancel_message", "send_message", "change_template")


@pytest.fixture
def later(schedule):
    """A message that goes tomorrow."""
    return schedule(scheduled_at=timezone.now() + timedelta(days=1))


def test_messages_are_listed_by_their_time_a_page_at_a_time(staff, schedule):
    """
    With what each is about; the next page begins where the one before ended.
    """
    for days in (3, 1, 2):
        schedule(scheduled_at=timezone.now() + timedelta(days=days))

    first = staff.get(URL, {"size": 2}).json()
    second = staff.get(URL, {"size": 2, "after": first["next"]}).json()

    found = [*first["messages"], *second["messages"]]
    assert [len(first["messages"]), len(second["messages"]), second["next"]] == [2, 1, ""]
    assert [one["scheduled_at"] for one in found] == sorted(one["scheduled_at"] for one in found)
    assert {(one["action"], one["about"], one["state"]) for one in found} == {("reminder", "Painting", "scheduled")}


def test_a_longer_list_takes_no_more_queries(staff, schedule):
    """
    What all of them are about is looked up together.
    """
    staff.get(URL)
    numbers = []
    for _more in range(2):
        schedule()
        with CaptureQueriesContext(connection) as captured:
            staff.get(URL)
        numbers.append(len(captured))

    assert numbers[0] == numbers[1]


def test_filters_and_search_narrow_the_list(staff, schedule, host, workshop):
    """
    All that are given have to match.
    """
    about = workshop()
    ours = schedule(about=about, recipients=[host("ann")])
    gone = controller.cancel(schedule(recipients=["other@example.com"]))

    def ids(**query):
        return {one["id"] for one in staff.get(URL, query).json()["messages"]}

    assert ids(states=["scheduled", "failed"]) == {str(ours.uuid)}
    assert ids(states="cancelled") == {str(gone.uuid)}
    assert ids(object_type="automation_site.workshop", object_key=about.pk) == {str(ours.uuid)}
    assert ids(search="other@") == {str(gone.uuid)}
    assert ids(person="other@example.com", states="scheduled") == set()
    assert staff.get(URL, {"object_type": "automation_site.workshop"}).status_code == 400


def test_the_calendar_has_every_day_with_its_numbers(staff, later):
    """
    Days on which nothing goes are there, too.
    """
    day = timezone.localdate(later.scheduled_at)

    found = staff.get(f"{URL}calendar/", {"first": day - timedelta(days=1), "last": day}).json()

    assert [one["number"] for one in found] == [0, 1]
    assert found[1]["numbers"] == [{"action": "reminder", "state": "scheduled", "number": 1}]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2027-01-01", "2029-01-01"),
        ("2027-01-02", "2027-01-01"),
        # Its days cannot be told in UTC.
        ("9999-12-31", "9999-12-31"),
        ("0001-01-01", "0001-01-01"),
    ],
)
def test_a_calendar_of_other_days_is_refused(staff, first, last):
    """
    With the field that is to blame.
    """
    answer = staff.get(f"{URL}calendar/", {"first": first, "last": last})

    assert (answer.status_code, answer.json()["problems"][0]["where"]) == (400, "last")


def test_a_message_is_shown_as_it_would_go_and_then_as_it_went(staff, schedule, host, work):
    """
    With what came of each letter; the log says what happened.
    """
    message = schedule(recipients=[host("ann"), host("bert", language="de")])
    own = f"{URL}{message.uuid}/"

    before = staff.get(f"{own}letters/").json()
    work()
    after = staff.get(f"{own}letters/").json()

    assert (before["is_sent"], after["is_sent"]) == (False, True)
    assert [one["subject"] for one in before["letters"]] == ["Painting is near", "Painting naht"]
    fields = ("to", "language", "subject", "html", "text")
    assert [[one[name] for name in fields] for one in after["letters"]] == [
        [one[name] for name in fields] for one in before["letters"]
    ]
    assert [one["deliveries"][0]["state"] for one in after["letters"]] == ["sent", "sent"]
    assert staff.get(own).json()["state"] == "succeeded"
    assert [one["did"] for one in staff.get(f"{own}log/").json()] == ["schedule", "enqueue", "succeed"]
    second = staff.get(f"{own}letters/", {"start": 1, "size": 5}).json()
    assert (len(second["letters"]), second["total"], before["total"]) == (1, 2, 2)


def test_a_message_is_edited_by_whoever_has_seen_it(staff, later):
    """
    What it says, to whom and when; a version that was overtaken is answered with 409.
    """
    own = f"{URL}{later.uuid}/"
    seen = staff.get(own).json()
    content = {**seen["content"], "variants": {"en": {"subject": "{{ workshop.title }}!", "body": "Soon."}}}

    changed = staff.patch(
        own,
        {"version": seen["version"], "content": content, "recipients": [*seen["recipients"], "b@example.com"]},
        format="json",
    )
    overtaken = staff.patch(own, {"version": seen["version"], "content": content}, format="json")

    assert changed.json()["edited"] == ["content", "recipients"]
    assert [one["subject"] for one in staff.get(f"{own}letters/").json()["letters"]] == ["Painting!"] * 2
    assert (overtaken.status_code, overtaken.json()["code"]) == (409, "conflict")


def test_what_cannot_be_rendered_is_refused_with_its_line(staff, later):
    """
    Nothing is changed; each problem has its field and its line.
    """
    content = {"variants": {"en": {"subject": "News", "body": "Hello,\n\n{{ workshop.titel }}"}}}

    answer = staff.patch(f"{URL}{later.uuid}/", {"version": later.fence, "content": content}, format="json")

    assert answer.status_code == 422
    [problem] = answer.json()["problems"]
    assert (problem["where"], problem["line"]) == ("en.body", 3)
    assert "titel" in problem["reason"]
    later.refresh_from_db()
    assert later.edited == []


def test_a_message_is_put_to_another_time_cancelled_and_sent(staff, later, work):
    """
    Each is written down with who did it; what is past is refused.
    """
    own = f"{URL}{later.uuid}/"
    moment = (timezone.now() + timedelta(days=2)).replace(microsecond=0)

    moved = staff.post(f"{own}reschedule/", {"scheduled_at": moment, "why": "A holiday."}, format="json").json()
    past = staff.post(f"{own}reschedule/", {"scheduled_at": "2001-01-01T00:00Z"}, format="json")
    cancelled = staff.post(f"{own}cancel/", {"why": "Not now."}, format="json").json()
    again = staff.post(f"{own}cancel/", {}, format="json")
    revived = staff.post(f"{own}send-now/").json()
    work()
    once_more = staff.post(f"{own}resend/").json()

    assert moved["scheduled_at"] == moment.isoformat().replace("+00:00", "Z")
    assert (past.status_code, past.json()["code"]) == (422, "past")
    assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "Not now.")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert revived["state"] == "scheduled"
    assert len(mail.outbox) == 1
    assert (once_more["id"] != str(later.uuid), once_more["state"]) == (True, "scheduled")
    log = staff.get(f"{own}log/").json()
    assert [one["did"] for one in log if one["who"]] == ["reschedule", "cancel", "send_now", "resend"]


@pytest.mark.parametrize(
    ("verb", "body", "state"),
    [
        ("cancel", {"why": "Snow."}, "cancelled"),
        ("reschedule", {"scheduled_at": "2999-01-01T00:00:00Z"}, "scheduled"),
        ("send-now", {}, "scheduled"),
    ],
)
def test_the_same_is_done_with_many(staff, schedule, verb, body, state):
    """
    One with which it cannot be done says so, and keeps no other from it.
    """
    sent, waits = schedule(), schedule(scheduled_at=timezone.now() + timedelta(days=1))
    ScheduledMessage.objects.filter(pk=sent.pk).update(state="succeeded")
    ids = [str(sent.uuid), str(waits.uuid), "00000000-0000-0000-0000-000000000000"]

    steps = staff.post(f"{URL}many/{verb}/", {"ids": ids, **body}, format="json").json()

    assert [(one["id"], bool(one["error"])) for one in steps] == [(ids[0], True), (ids[1], False)]
    assert staff.get(f"{URL}{waits.uuid}/").json()["state"] == state


def test_many_are_sent_once_more(staff, schedule, work):
    """
    Each as a message of its own.
    """
    sent = schedule()
    work()

    steps = staff.post(f"{URL}many/resend/", {"ids": [str(sent.uuid)]}, format="json").json()
    work()

    assert [one["error"] for one in steps] == [""]
    assert len(mail.outbox) == 2


def test_a_test_goes_to_whoever_asks_for_it(staff, later):
    """
    And to nobody else; what keeps it from being sent is told.
    """
    done = staff.post(f"{URL}{later.uuid}/test/")
    ScheduledMessage.objects.update(content={"variants": {"en": {"subject": "{{ lost }}", "body": ""}}})
    failed = staff.post(f"{URL}{later.uuid}/test/")

    assert [one["outcome"] for one in done.json()["deliveries"]] == ["sent"]
    assert [(one.to, one.subject) for one in mail.outbox] == [(["staff@example.com"], "[Test] Painting is near")]
    assert failed.status_code == 422
    assert "lost" in failed.json()["detail"]


def test_files_are_attached_read_and_taken_off(staff, later):
    """
    The message has them at their addresses; what cannot be sent is refused.
    """
    files = f"{URL}{later.uuid}/attachments/"

    made = staff.post(files, {"file": SimpleUploadedFile("plan.pdf", b"%PDF")}, format="multipart")
    empty = staff.post(files, {"file": SimpleUploadedFile("empty.pdf", b"")}, format="multipart")
    [file] = made.json()["attachments"]
    read = staff.get(file["url"])
    left = staff.delete(file["url"])

    assert (made.status_code, file["name"], file["content_type"], file["size"]) == (
        201,
        "plan.pdf",
        "application/pdf",
        4,
    )
    assert (empty.status_code, empty.json()["problems"][0]["code"]) == (422, "empty_attachment")
    assert (read.content, read["X-Content-Type-Options"]) == (b"%PDF", "nosniff")
    assert "plan.pdf" in read["Content-Disposition"]
    assert left.json()["attachments"] == []
    assert staff.get(file["url"]).status_code == 404


def test_what_is_not_there_is_answered_with_404(staff):
    """
    Messages, actions and objects.
    """
    urls = [
        "00000000-0000-0000-0000-000000000000/",
        "templates/nothing/",
        "simulation/?action=nothing&object=1",
        "simulation/?action=follow_up&object=0",
    ]

    answers = [staff.get(URL + one) for one in urls]

    assert [(answer.status_code, answer["Content-Type"]) for answer in answers] == [
        (404, "application/problem+json")
    ] * 4


def test_a_template_is_saved_by_whoever_has_seen_the_newest(staff):
    """
    As the next version; all problems of what cannot be saved are told, and an older version can come back.
    """
    own = f"{URL}templates/follow_up/"
    seen = staff.get(own).json()
    content = {**seen["content"], "variants": {"en": {"subject": "{{ workshop.title }}", "body": "Better."}}}
    wrong = {"variants": {"en": {"subject": "{{ nobody }}", "body": "One\n{% if %}"}}}

    checked = staff.post(f"{own}problems/", {"content": wrong}, format="json").json()["problems"]
    refused = staff.put(own, {"version": 1, "content": wrong}, format="json")
    saved = staff.put(own, {"version": 1, "content": content}, format="json").json()
    overtaken = staff.put(own, {"version": 1, "content": seen["content"]}, format="json")
    back = staff.post(f"{own}roll-back/", {"number": 1}, format="json").json()

    assert (seen["version"], "workshop" in seen["variables"]) == (1, True)
    assert "title" in seen["variables"]["workshop"]
    assert {(one["where"], one["line"]) for one in checked} == {("en.subject", 1), ("en.body", 2)}
    assert (refused.status_code, refused.json()["problems"]) == (422, checked)
    assert (saved["version"], saved["content"]) == (2, content)
    assert overtaken.status_code == 409
    assert (back["version"], back["content"]) == (3, seen["content"])
    assert [one["number"] for one in staff.get(f"{own}versions/").json()] == [3, 2, 1]


def test_what_files_say_is_not_saved_here(staff, action):
    """
    It would be read by nobody.
    """
    action("filed", message_type=Scheduled, template={})
    own = f"{URL}templates/filed/"
    content = {"variants": {"en": {"subject": "News", "body": "Hello."}}}

    answers = [
        staff.put(own, {"version": 0, "content": content}, format="json"),
        staff.post(f"{own}roll-back/", {"number": 1}, format="json"),
    ]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(422, "in_files")] * 2
    assert staff.get(own).json()["message_type"] == "edx_ace.automation.message_types.Scheduled"


def test_a_template_is_previewed_against_an_object(staff, workshop, host):
    """
    Which can be looked for; in the recipient's language or another. Nothing is saved.
    """
    about = workshop("Weaving", location="Room 7")
    about.tasks.create(host=host("ann"))
    workshop("Painting")

    [found] = staff.get(f"{URL}actions/follow_up/objects/", {"search": "weav"}).json()
    content = {"variants": {"en": {"subject": "In {{ workshop.location }}", "body": "Hello."}}}
    seen = staff.post(
        f"{URL}templates/follow_up/preview/", {"content": content, "object": found["key"]}, format="json"
    ).json()

    assert found == {"key": str(about.pk), "label": "Weaving"}
    assert (seen["to"], seen["subject"], seen["error"]) == ("ann@example.com", "In Room 7", "")
    assert not mail.outbox


def test_actions_are_switched_off_and_on(staff):
    """
    One by one or all at once, and a template by itself.
    """
    own = f"{URL}templates/follow_up/"

    def is_on():
        return staff.get(own).json()["is_on"]

    assert is_on()
    assert staff.put(f"{own}switch/", {"is_on": False}, format="json").json()["is_switched_on"] is False
    assert not is_on()
    staff.put(f"{own}switch/", {"is_on": True}, format="json")
    assert staff.put(f"{URL}switch/", {"is_on": False}, format="json").json() == {"is_on": False}
    assert not is_on()
    assert staff.put(f"{URL}switch/", {"is_on": True}, format="json").json() == {"is_on": True}
    assert staff.put(f"{own}active/", {"is_active": False}, format="json").json()["is_active"] is False
    assert not is_on()


def test_a_simulation_says_what_would_be_done_and_why(staff, workshop, host):
    """
    And what the message would say; nothing is done.
    """
    good, hidden = workshop("Weaving"), workshop("Hidden", is_public=False)
    good.tasks.create(host=host("ann"))
    ScheduledMessage.objects.all().delete()

    shown, not_shown = (
        staff.get(f"{URL}simulation/", {"action": "follow_up", "object": one.pk}).json() for one in (good, hidden)
    )

    assert (shown["strategy"], shown["preview"]["subject"]) == ("create", "Weaving")
    assert shown["scheduled_at"] is not None
    assert (not_shown["strategy"], not_shown["code"], not_shown["preview"]) == ("noop", "conditions", None)
    assert not ScheduledMessage.objects.exists()


def test_actions_are_listed_with_what_they_are_called(staff):
    """
    For a list to choose from.
    """
    found = {one["name"]: one for one in staff.get(f"{URL}actions/").json()}

    assert (found["follow_up"]["label"], found["follow_up"]["is_external"]) == ("A week after a workshop", False)
    assert {one["action"]["name"] for one in staff.get(f"{URL}templates/").json()} >= {"follow_up"}


class Twice(UserRateThrottle):
    """Two requests a day."""

    rate = "2/day"


def test_staff_and_workers_have_rates_of_their_own(client_with, settings):
    """
    Which a site sets by name; whoever asks too often is told when to come again.
    """
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"ace_automation": "1/day"}}
    client = client_with("view_message", "work_message")

    answers = [client.get(url).status_code for url in (URL, URL, f"{URL}workers/", f"{URL}workers/")]
    late = client.get(URL)

    assert answers == [200, 429, 200, 200]
    assert (late.json()["code"], int(late["Retry-After"]) > 0) == ("throttled", True)


def test_the_sites_own_throttles_count_too(client_with, monkeypatch):
    """
    Beside ours.
    """
    monkeypatch.setattr(Endpoint, "throttle_classes", [Twice, Throttle])
    client = client_with("view_message")

    assert [client.get(URL).status_code for _ in range(3)] == [200, 200, 429]


def test_what_is_saved_is_what_was_written(staff):
    """
    Blanks at the beginning and the end are a part of Markdown.
    """
    content = {"variants": {"en": {"subject": "News", "body": "    code\n"}}}

    own = f"{URL}templates/follow_up/"
    seen = staff.get(own).json()["version"]
    staff.put(own, {"version": seen, "content": content}, format="json")

    assert staff.get(own).json()["content"]["variants"]["en"]["body"] == "    code\n"
