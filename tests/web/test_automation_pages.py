"""
Internal: the staff's pages of automation: what will go out, what is done to it, and what actions say.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.utils import timezone
from lxml import html

from edx_ace.automation import access, actions, controller, finding, templates
from edx_ace.automation.models import Entry, ScheduledMessage
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.web.automation.urls import urlpatterns
from tests.automation.conftest import Reminder, action, host, schedule, work, workshop  # noqa: F401
from tests.automation_site.models import Host, Task, Workshop

pytestmark = pytest.mark.django_db

ROOT = "/staff/automation/"

VIEW, CHANGE, CANCEL, SEND = "view_message", "change_message", "cancel_message", "send_message"
TEMPLATE = "change_template"

#: Every page: what it is asked with, and which permissions it takes.
PAGES: dict[str, tuple[str, str, set[str]]] = {
    "list": ("get", "", {VIEW}),
    "calendar": ("get", "calendar/", {VIEW}),
    "simulate": ("get", "simulate/", {VIEW}),
    "many": ("post", "many/", {VIEW, CANCEL}),
    "templates": ("get", "templates/", {TEMPLATE}),
    "switch": ("post", "templates/switch/", {TEMPLATE}),
    "write": ("get", "templates/write/follow_up", {TEMPLATE}),
    "preview": ("post", "templates/preview/follow_up", {TEMPLATE}),
    "versions": ("get", "templates/versions/follow_up", {TEMPLATE}),
    "roll_back": ("post", "templates/roll-back/follow_up", {TEMPLATE}),
    "detail": ("get", "{uuid}/", {VIEW}),
    "frame": ("get", "{uuid}/letters/0/", {VIEW}),
    "edit": ("get", "{uuid}/edit/", {VIEW, CHANGE}),
    "reschedule": ("get", "{uuid}/reschedule/", {VIEW, CHANGE}),
    "attach": ("post", "{uuid}/attachments/", {VIEW, CHANGE}),
    "attachment": ("get", "{uuid}/attachments/{key}/", {VIEW}),
    "detach": ("post", "{uuid}/attachments/{key}/detach/", {VIEW, CHANGE}),
    "cancel": ("post", "{uuid}/cancel/", {VIEW, CANCEL}),
    "send_now": ("post", "{uuid}/send-now/", {VIEW, SEND}),
    "resend": ("post", "{uuid}/resend/", {VIEW, SEND}),
    "test": ("post", "{uuid}/test/", {VIEW, SEND}),
}


@pytest.fixture(autouse=True)
def storage(settings: Any, tmp_path: Any, site: None, use_channels: Any) -> None:
    """Attachments are kept in a folder of the test; mail goes where Django's tests keep it."""
    settings.MEDIA_ROOT = str(tmp_path)
    settings.ACE_ENABLED_POLICIES = []
    use_channels(mail=DjangoEmailChannel())


def logged_in(*permissions: str) -> Client:
    """Return a browser of somebody who has *permissions* of automation."""
    user = User.objects.create_user(f"staff{User.objects.count()}", "staff@example.com")
    for codename in permissions:
        user.user_permissions.add(Permission.objects.get(content_type__app_label="ace_automation", codename=codename))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def client() -> Client:
    """Somebody who may do everything."""
    return logged_in(*access.PERMISSIONS)


@pytest.fixture
def later(schedule: Any) -> ScheduledMessage:  # noqa: F811
    """A message that goes in a week."""
    message: ScheduledMessage = schedule(scheduled_at=timezone.now() + timedelta(days=7))
    return message


@pytest.fixture
def taught(workshop: Any, host: Any) -> Workshop:  # noqa: F811
    """A workshop that somebody teaches, for the action of the host."""
    made: Workshop = workshop("Pottery", location="Cork")
    Task.objects.create(workshop=made, host=host("ben", language="de"))
    return made


def text_of(response: Any) -> str:
    return " ".join(" ".join(html.fromstring(response.content).itertext()).split())


def form_of(response: Any, place: int = -1) -> dict[str, Any]:
    """Return what a browser would post of a form, without buttons."""
    # The first line of a text area is empty: browsers leave it out.
    form = html.fromstring(response.content).forms[place]
    return {name: value.removeprefix("\n") for name, value in form.form_values()}


def url(message: ScheduledMessage, page: str = "") -> str:
    return f"{ROOT}{message.uuid}/{page}"


def asked(client: Client, name: str, message: ScheduledMessage) -> Any:
    """Ask for the page called *name*, about *message* and its attachment."""
    method, path, _needed = PAGES[name]
    key = message.attachments.values_list("pk", flat=True).first()
    data = {"verb": "cancel", "action": "follow_up"} if method == "post" else {}
    return getattr(client, method)(ROOT + path.format(uuid=message.uuid, key=key), data)


def test_each_address_is_among_the_pages_that_permissions_are_tested_of():
    """
    So that no page is forgotten.
    """
    assert {one.name for one in urlpatterns} == PAGES.keys()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_takes_its_permissions_and_no_others(name, later):
    """
    Each of them is asked for; with all but one of them, and with all the others, it is forbidden.
    """
    controller.add_attachment(later, "a.txt", b"A")
    needed = PAGES[name][2]

    for missing in needed:
        refused = asked(logged_in(*(access.PERMISSIONS.keys() - {missing})), name, later)
        assert refused.status_code == 403, missing
        assert missing in text_of(refused)
    # What waits cannot be sent once more.
    assert asked(logged_in(*needed), name, later).status_code in ((409,) if name == "resend" else (200, 302))


@pytest.mark.parametrize("permission", access.PERMISSIONS)
@pytest.mark.parametrize("name", PAGES)
def test_one_permission_alone_opens_what_takes_it_alone(name, permission, later):
    """
    Whoever has no other is refused elsewhere, and changes nothing.
    """
    controller.add_attachment(later, "a.txt", b"A")
    before = Entry.objects.count()

    status = asked(logged_in(permission), name, later).status_code

    assert (status != 403) == (PAGES[name][2] == {permission})
    assert Entry.objects.count() == before


@pytest.mark.parametrize("name", PAGES)
def test_who_is_not_logged_in_is_asked_to(name, later):
    """
    On every page.
    """
    controller.add_attachment(later, "a.txt", b"A")

    response = asked(Client(), name, later)

    assert response.status_code == 302
    assert "/login/" in response["Location"]


@pytest.mark.parametrize(
    "verb, permission", [("cancel", CANCEL), ("reschedule", CHANGE), ("send_now", SEND), ("resend", SEND)]
)
def test_many_take_the_permission_of_what_is_done(verb, permission, later):
    """
    All others together do not do.
    """
    others = access.PERMISSIONS.keys() - {permission}
    data = {"verb": verb, "uuid": later.uuid, "do": "yes", "scheduled_at": "2095-01-01T10:00"}

    assert logged_in(*others).post(f"{ROOT}many/", data).status_code == 403
    assert logged_in(VIEW, permission).post(f"{ROOT}many/", data).status_code == 200


def test_what_is_still_to_go_is_listed_the_next_first(client, schedule):  # noqa: F811
    """
    With what it is about, its action and its first recipient.
    """
    schedule(scheduled_at=timezone.now() + timedelta(days=9), recipients=["ben@example.com", "cleo@example.com"])
    schedule(scheduled_at=timezone.now() + timedelta(days=2))
    controller.cancel(schedule(recipients=["gone@example.com"]))

    text = text_of(client.get(ROOT))

    assert text.index("to ann") < text.index("to ben@example.com and 1 other")
    assert "gone@example.com" not in text


@pytest.mark.parametrize(
    "query, number",
    [
        ("", 2),
        ("state=all", 3),
        ("state=cancelled", 1),
        ("state=ended", 1),
        ("action=reminder", 2),
        ("action=unknown", 0),
        ("person=ben@example.com", 1),
        ("search=BEN", 1),
        ("since=2095-06-01&until=2095-06-01&state=all", 1),
        ("since=nonsense", 2),
        ("after=nonsense", 2),
    ],
)
def test_the_list_shows_what_is_asked_for(client, schedule, query, number):  # noqa: F811
    """
    By state, action, person, words and days.
    """
    schedule(scheduled_at=timezone.make_aware(datetime(2095, 6, 1, 23)), recipients=["ben@example.com"])
    schedule(scheduled_at=timezone.make_aware(datetime(2095, 6, 2)))
    controller.cancel(schedule(recipients=["cleo@example.com"]))

    page = html.fromstring(client.get(f"{ROOT}?{query}").content)

    assert len(page.cssselect(".ace-scheduled > li")) == number


def test_the_list_says_what_it_cannot_look_up(client):
    """
    A mailbox that is none is told.
    """
    response = client.get(f"{ROOT}?person=a@@b")

    assert response.status_code == 422
    assert html.fromstring(response.content).cssselect("[role=alert]")


def test_the_list_goes_on_on_the_next_page(client, schedule, monkeypatch):  # noqa: F811
    """
    Until there is no more; nothing is left out or comes twice.
    """
    monkeypatch.setitem(finding.page.__kwdefaults__, "size", 2)
    for _number in range(5):
        schedule()

    seen, query = [], "?state=all"
    while query:
        page = html.fromstring(client.get(ROOT + query).content)
        seen += page.xpath("//input[@name='uuid']/@value")
        query = next(iter(page.xpath("//a[@rel='next']/@href")), "")

    assert len(seen) == 5
    assert set(seen) == {str(one.uuid) for one in ScheduledMessage.objects.all()}


def test_the_calendar_counts_what_goes_on_each_day(client, schedule):  # noqa: F811
    """
    Each number leads to the list of these messages.
    """
    moment = timezone.make_aware(datetime(2095, 6, 15, 10))
    for _number in range(3):
        schedule(scheduled_at=moment)
    controller.cancel(schedule(scheduled_at=moment))

    page = html.fromstring(client.get(f"{ROOT}calendar/?month=2095-06").content)

    marks = page.cssselect(".ace-mark")
    texts = [" ".join(one.text_content().split()) for one in marks]
    assert texts == ["reminder, scheduled: 3", "reminder, cancelled: 1"]
    listed = html.fromstring(client.get(marks[0].get("href")).content)
    assert len(listed.cssselect(".ace-scheduled > li")) == 3
    assert "4 messages" in page.text_content()


@pytest.mark.parametrize("query", ["", "?month=2095-13", "?month=nonsense", "?month=0001-01", "?month=9999-12"])
def test_a_month_that_is_none_is_this_month(client, query):
    """
    Whatever the address says.
    """
    page = html.fromstring(client.get(f"{ROOT}calendar/{query}").content)

    assert page.cssselect(".ace-today")


def test_a_message_is_shown_as_it_would_be_sent_now(client, later, schedule):  # noqa: F811
    """
    With its log, its object and its values; the letter is in a frame in which nothing runs.
    """
    Workshop.objects.update(title="O'Brien & Co")
    page = client.get(url(later))

    text = text_of(page)
    assert "As it would be sent now" in text
    assert "O'Brien & Co is near" in text
    assert "ann@example.com" in text
    assert "Scheduled" in text
    frame = client.get(html.fromstring(page.content).xpath("//iframe/@src")[0])
    assert "Bring your slides to O'Brien & Co." in html.fromstring(frame.content).text_content()
    assert "sandbox" in frame["Content-Security-Policy"]
    assert frame["X-Frame-Options"] == "SAMEORIGIN"


def test_a_message_that_went_is_shown_as_it_was_sent(client, schedule, work):  # noqa: F811
    """
    What has changed since does not change it; the delivery leads to the search for messages.
    """
    message = schedule()
    work()
    Workshop.objects.update(title="Renamed")
    viewer = User.objects.get()
    viewer.user_permissions.add(Permission.objects.get(codename="view_delivery", content_type__app_label="ace_outbox"))

    page = client.get(url(message))

    text = text_of(page)
    assert "As it was sent" in text
    assert "Painting is near" in text
    assert "The way of this message" in text
    assert client.get(url(message, "letters/0/")).status_code == 200
    assert client.get(url(message, "letters/1/")).status_code == 404


def test_what_is_gone_is_told(client, later):
    """
    On the page and in the letter.
    """
    Host.objects.all().delete()

    text = text_of(client.get(url(later)))

    assert "gone" in text
    assert "who was to get it, is gone" in text


def test_a_message_is_changed_by_hand(client, later):
    """
    What it says and when; the log has who did it.
    """
    form = form_of(client.get(url(later, "edit/")))
    response = client.post(
        url(later, "edit/"),
        form | {"text-1-body": "Come to {{ workshop.title }}!", "scheduled_at": "2095-01-01T10:00", "do": "save"},
    )

    assert response["Location"] == url(later)
    later.refresh_from_db()
    assert later.edited == ["content", "scheduled_at"]
    assert later.content["variants"]["en"]["body"] == "Come to {{ workshop.title }}!"
    assert later.entries.latest("pk").who == "staff0"
    assert timezone.localtime(later.scheduled_at).year == 2095


def test_a_form_that_says_nothing_new_changes_nothing(client, later):
    """
    Not the time either, whose seconds the form does not show.
    """
    form = form_of(client.get(url(later, "edit/")))
    client.post(url(later, "edit/"), form | {"do": "save"})

    again = ScheduledMessage.objects.get()
    assert (again.edited, again.scheduled_at) == ([], later.scheduled_at)


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"text-1-body": "One\n\n{{ wrokshop }}"}, "(line 3)"),
        ({"text-1-body": "{% if %}"}, "(line 1)"),
        ({"cc": "nobody"}, "nobody"),
        ({"scheduled_at": "2001-01-01T10:00"}, "past"),
        ({"scheduled_at": "soon"}, "valid date"),
    ],
)
def test_what_is_wrong_is_told_where_it_is(client, later, fields, told):
    """
    Nothing is saved, and what was written is still there.
    """
    form = form_of(client.get(url(later, "edit/")))
    response = client.post(url(later, "edit/"), form | fields | {"do": "save"})

    assert response.status_code == 422
    assert told in text_of(response)
    later.refresh_from_db()
    assert later.edited == []
    shown = form_of(response)
    assert all(shown[name] == value for name, value in fields.items() if name != "scheduled_at")


def test_what_somebody_else_changed_is_not_overwritten_unseen(client, later):
    """
    The page says so and keeps what was written; saving again does it.
    """
    form = form_of(client.get(url(later, "edit/"))) | {"text-1-subject": "Mine", "do": "save"}
    controller.reschedule(ScheduledMessage.objects.get(), timezone.now() + timedelta(days=3))

    response = client.post(url(later, "edit/"), form)
    assert response.status_code == 409
    assert "has changed since you looked at it" in text_of(response)
    again = form_of(response)
    assert again["text-1-subject"] == "Mine"

    assert client.post(url(later, "edit/"), again | {"do": "save"}).status_code == 302


def test_languages_come_and_go_in_the_form(client, later):
    """
    Nothing is saved by that.
    """
    form = form_of(client.get(url(later, "edit/")))
    added = form_of(client.post(url(later, "edit/"), form | {"do": "language", "new_language": "ar"}))
    assert [added[f"text-{number}-language"] for number in range(3)] == ["de", "en", "ar"]
    removed = form_of(client.post(url(later, "edit/"), added | {"do": "without:de"}))

    assert [removed[f"text-{number}-language"] for number in range(2)] == ["en", "ar"]
    later.refresh_from_db()
    assert later.edited == []


def test_what_was_sent_cannot_be_changed(client, schedule, work):  # noqa: F811
    """
    The page says what it is by now.
    """
    message = schedule()
    work()

    response = client.get(url(message, "edit/"))

    assert response.status_code == 409
    assert "This message is sent by now" in text_of(response)


def test_a_cancelled_message_is_brought_back_by_another_time(client, later):
    """
    Cancelled with a reason of any length; the log has both.
    """
    why = "The room is gone. " * 600
    client.post(url(later, "cancel/"), {"why": why})
    later.refresh_from_db()
    assert (later.state, later.reason) == ("cancelled", why.strip())

    assert "begins anew" in text_of(client.get(url(later, "reschedule/")))
    past = client.post(url(later, "reschedule/"), {"scheduled_at": "2001-01-01T10:00"})
    assert past.status_code == 422
    client.post(url(later, "reschedule/"), {"scheduled_at": "2095-01-01T10:00", "why": "There is another"})

    later.refresh_from_db()
    assert later.state == "scheduled"
    assert [one.did for one in later.entries.all()] == ["schedule", "cancel", "reschedule"]


def test_a_message_goes_now_and_once_more(client, later, work, mailoutbox):  # noqa: F811
    """
    Sending again leads to the message that it makes.
    """
    client.post(url(later, "send-now/"))
    work()
    again = client.post(url(later, "resend/"))
    work()

    assert [one.subject for one in mailoutbox] == ["Painting is near"] * 2
    assert again["Location"] != url(later)
    assert client.post(url(later, "send-now/")).status_code == 409


def test_a_test_goes_to_whoever_asks(client, later, mailoutbox):
    """
    It says that it is one.
    """
    response = client.post(url(later, "test/"), follow=True)

    assert [(one.to, one.subject) for one in mailoutbox] == [(["staff@example.com"], "[Test] Painting is near")]
    assert "A test is on its way to you." in text_of(response)


def test_a_test_that_cannot_be_sent_says_why(client, later):
    """
    As the message itself could not be.
    """
    Workshop.objects.all().delete()
    ScheduledMessage.objects.update(state="scheduled")

    response = client.post(url(later, "test/"), follow=True)

    assert "The test was not sent: Gone since it was scheduled" in text_of(response)


def test_files_are_attached_kept_and_taken_off(client, later):
    """
    What is wrong with one is told, the others are attached.
    """
    files = [SimpleUploadedFile("a.html", b"<script>"), SimpleUploadedFile("empty.txt", b"")]
    response = client.post(url(later, "attachments/"), {"files": files}, follow=True)
    assert "“a.html” is attached." in text_of(response)
    assert "“empty.txt” is empty." in text_of(response)

    one = later.attachments.get()
    kept = client.get(url(later, f"attachments/{one.pk}/"))
    assert kept.content == b"<script>"
    assert kept["Content-Disposition"] == 'attachment; filename="a.html"'
    assert kept["Content-Type"] == "application/octet-stream"
    client.post(url(later, f"attachments/{one.pk}/detach/"))

    assert not later.attachments.exists()
    assert client.get(url(later, f"attachments/{one.pk}/")).status_code == 404
    assert "Choose a file." in text_of(client.post(url(later, "attachments/"), follow=True))


def test_the_same_is_done_with_many(client, schedule, work):  # noqa: F811
    """
    After it was asked; those with which it cannot be done are named with why.
    """
    sent = schedule()
    work()
    ticked = [schedule(scheduled_at=timezone.now() + timedelta(days=1)) for _number in range(3)]
    left = schedule(scheduled_at=timezone.now() + timedelta(days=1))
    data = {"verb": "cancel", "uuid": [one.uuid for one in (*ticked, sent)] + ["nonsense"]}

    confirm = client.post(f"{ROOT}many/", data)
    assert "4 messages" in text_of(confirm)
    assert ScheduledMessage.objects.filter(state="cancelled").count() == 0
    done = client.post(f"{ROOT}many/", data | {"do": "yes", "why": "Rain"})
    page = html.fromstring(b"".join(done.streaming_content))

    assert "3 messages are done." in page.text_content()
    assert "1 stays as it is." in page.text_content()
    assert ScheduledMessage.objects.filter(state="cancelled", reason="Rain").count() == 3
    left.refresh_from_db()
    assert left.state == "scheduled"
    widths = [int(one) for one in page.xpath("//rect/@width")]
    assert all(before < after for before, after in pairwise(widths))


def test_all_of_the_list_are_meant_when_that_is_ticked(client, schedule):  # noqa: F811
    """
    As it was asked for, and no others.
    """
    for name in ("ben", "ben", "cleo"):
        schedule(recipients=[f"{name}@example.com"], scheduled_at=timezone.now() + timedelta(days=1))
    data = {"verb": "reschedule", "all": "1", "query": "person=ben@example.com", "do": "yes"}

    response = client.post(f"{ROOT}many/", data | {"scheduled_at": "soon"})
    assert response.status_code == 422
    b"".join(client.post(f"{ROOT}many/", data | {"scheduled_at": "2095-01-01T10:00"}).streaming_content)

    assert ScheduledMessage.objects.filter(scheduled_at__year=2095).count() == 2
    assert client.post(f"{ROOT}many/", {"verb": "eat"}).status_code == 404


def test_a_template_is_written_looked_at_and_saved(client, taught):
    """
    The preview is that of the object that was chosen, without anything being saved.
    """
    page = client.get(f"{ROOT}templates/write/follow_up")
    assert "{{ workshop.location }}" in text_of(page)
    form = form_of(page) | {"text-0-subject": "How was {{ workshop.title }}?", "object": str(taught.pk)}

    part = client.post(f"{ROOT}templates/preview/follow_up", form)
    assert "How was Pottery?" in text_of(part)
    body = html.fromstring(html.fromstring(part.content).xpath("//iframe/@srcdoc")[0])
    assert "How was it in Cork?" in body.text_content()
    assert "'unsafe-inline'" in part["Content-Security-Policy"]
    assert "script-src 'self';" in part["Content-Security-Policy"]
    whole = client.post(f"{ROOT}templates/write/follow_up", form | {"do": "preview"})
    assert "How was Pottery?" in text_of(whole)
    assert templates.current(actions.get("follow_up")).number == 1

    saved = client.post(f"{ROOT}templates/write/follow_up", form | {"do": "save"}, follow=True)
    assert "This is version 2." in text_of(saved)


@pytest.mark.parametrize("page", ["write", "preview"])
def test_what_is_wrong_with_a_template_is_told_with_its_line(client, taught, page):
    """
    In the preview, and when it is saved, which it is not.
    """
    form = form_of(client.get(f"{ROOT}templates/write/follow_up"))
    form |= {"text-0-body": "Dear\n\n{{ workshop.titel }}", "do": "save"}

    response = client.post(f"{ROOT}templates/{page}/follow_up", form)

    assert response.status_code == (422 if page == "write" else 200)
    assert "titel" in text_of(response)
    assert "(line 3)" in text_of(response)
    assert templates.current(actions.get("follow_up")).number == 1


def test_of_two_who_write_the_second_is_told(client, taught):
    """
    What they wrote stays in the form, and can be saved after that.
    """
    form = form_of(client.get(f"{ROOT}templates/write/follow_up")) | {"do": "save"}
    client.post(f"{ROOT}templates/write/follow_up", form | {"text-0-subject": "First"})

    response = client.post(f"{ROOT}templates/write/follow_up", form | {"text-0-subject": "Second"})
    assert response.status_code == 409
    again = form_of(response)
    assert again["text-0-subject"] == "Second"
    client.post(f"{ROOT}templates/write/follow_up", again | {"do": "save"})

    assert templates.current(actions.get("follow_up")).content["variants"]["en"]["subject"] == "Second"


def test_an_older_version_is_gone_back_to(client, taught):
    """
    As a new one.
    """
    form = form_of(client.get(f"{ROOT}templates/write/follow_up")) | {"do": "save", "text-0-subject": "Second"}
    client.post(f"{ROOT}templates/write/follow_up", form)
    old = client.get(f"{ROOT}templates/versions/follow_up?number=1")
    assert "{{ workshop.title }}" in text_of(old)

    client.post(f"{ROOT}templates/roll-back/follow_up", form_of(old))

    newest = templates.current(actions.get("follow_up"))
    assert (newest.number, newest.content["variants"]["en"]["subject"]) == (3, "{{ workshop.title }}")
    assert client.get(f"{ROOT}templates/versions/follow_up?number=9").status_code == 404


@pytest.mark.parametrize("data", [{}, {"action": "follow_up"}, {"action": "follow_up", "what": "active"}])
def test_actions_are_switched_off_and_on(client, data):
    """
    All at once, one of them, or its template.
    """
    off = client.post(f"{ROOT}templates/switch/", data, follow=True)
    assert not templates.is_on(actions.get("follow_up"))
    assert html.fromstring(off.content).cssselect(".ace-badge.ace-warning")

    client.post(f"{ROOT}templates/switch/", data | {"on": "1"})

    assert templates.is_on(actions.get("follow_up"))


def test_an_action_that_is_not_there_is_not_found(client):
    """
    Neither is its template.
    """
    for path in ("templates/write/nothing", "simulate/?action=nothing", f"{uuid4()}/"):
        assert client.get(ROOT + path).status_code == 404


def test_it_is_told_what_an_action_would_do_and_why(client, taught):
    """
    With what the message would say; nothing is done.
    """
    page = client.get(f"{ROOT}simulate/?action=follow_up&search=pott")
    link = html.fromstring(page.content).xpath("//ul[@class='ace-people']//a/@href")
    assert len(link) == 1

    text = text_of(client.get(f"{ROOT}simulate/{link[0]}"))

    assert "A message would be scheduled." in text
    assert "ben@example.com" in text
    assert not ScheduledMessage.objects.exists()
    taught.is_public = False
    Workshop.objects.filter(pk=taught.pk).update(is_public=False)
    assert "Nothing would be done." in text_of(client.get(f"{ROOT}simulate/{link[0]}"))


def test_what_an_action_raises_is_told(client, action, workshop):  # noqa: F811
    """
    Instead of a page that fails.
    """

    def fail(*args: Any, **params: Any) -> Any:
        raise RuntimeError("no such room")

    action("broken", should_exist=fail, model=Workshop)
    about = workshop()

    text = text_of(client.get(f"{ROOT}simulate/?action=broken&object={about.pk}"))

    assert "RuntimeError: no such room" in text


def related(user: Any, about: Any) -> str:
    """Return what the host's page of *about* shows."""
    request = RequestFactory().get("/")
    request.user = user
    template = Template("{% load ace_automation %}{% ace_related_messages obj %}")
    return template.render(Context({"request": request, "obj": about}))


def test_a_page_of_the_host_shows_the_messages_about_its_object(client, later, schedule):  # noqa: F811
    """
    To whoever may see messages; to others nothing at all.
    """
    schedule()
    about = Workshop.objects.order_by("pk").first()

    shown = related(User.objects.get(), about)

    assert html.fromstring(shown).xpath("//li/a/@href") == [url(later)]
    assert related(User.objects.create_user("nobody"), about).strip() == ""
    assert "There are none." in related(User.objects.get(username="staff0"), Host.objects.first())


def test_no_page_has_anything_that_its_policy_forbids(client, later, taught):
    """
    Neither scripts nor styles are written into pages; none is kept by a cache.
    """
    for name, (method, _path, _needed) in PAGES.items():
        if method == "get" and name not in ("frame", "attachment"):
            response = asked(client, name, later)
            page = html.fromstring(response.content)
            assert page.xpath("//script[not(@src)] | //style | //@style | //@onclick") == [], name
            assert "script-src 'self';" in response["Content-Security-Policy"]
            assert response["Cache-Control"] == "no-store"
