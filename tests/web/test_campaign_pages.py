"""
Internal: the staff's pages of campaigns: writing, sending and following.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django import forms
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from lxml import html

from edx_ace import Recipient
from edx_ace.campaigns import audiences, editing, operations
from edx_ace.campaigns.audiences import Audience, Person
from edx_ace.campaigns.host import Action, Host, Keyword, Scope
from edx_ace.campaigns.models import AddressList, Campaign
from edx_ace.outbox.worker import deliver, sweep

pytestmark = pytest.mark.django_db

ROOT = "/staff/campaigns"

NOT_LEARNER_2 = {"audience": "accounts", "params": {"start": "learner2"}, "is_excluded": True}


class StartForm(forms.Form):
    """How the names of the accounts begin."""

    start = forms.CharField(label="Begins with", max_length=10)


class Accounts(Audience):
    """Everybody with an account whose name begins with a text."""

    name = "accounts"
    label = "Accounts"
    form_class = StartForm
    search_fields = ("username", "email")

    def resolve(self, scope: str, params: Any, requester: Any) -> Any:
        return User.objects.filter(username__startswith=params["start"])

    def person(self, row: Any) -> Person:
        return Person(Recipient(row.pk, row.email), values={"first_name": row.first_name})


class School(Host):
    """Two scopes; a user whose name is in `teachers` teaches in one, and others see nothing."""

    teachers = {"ann": "course:a", "ben": "course:b"}

    def may(self, user: Any, action: Action, scope: str, campaign: Any = None) -> bool:
        return user.is_superuser or self.teachers.get(user.username) == scope

    def scopes(self, user: Any) -> Any:
        return [Scope(key, self.label(key)) for key in ("course:a", "course:b") if self.may(user, Action.VIEW, key)]

    def label(self, scope: str) -> str:
        return {"course:a": "Algebra", "course:b": "Biology"}.get(scope, scope)

    def dates(self, scope: str) -> Any:
        return {"start": ("The course begins", datetime(2095, 9, 1, 9, tzinfo=UTC))}

    def keywords(self, scope: str) -> Any:
        return [Keyword("first_name", "Their first name", "Ada")]


@pytest.fixture(autouse=True)
def host(settings, site) -> Iterator[None]:
    """The school, with an audience."""
    settings.ACE_CAMPAIGN_HOST = f"{__name__}.School"
    settings.ACE_ENABLED_POLICIES = []
    settings.ACE_CONTENT_STEPS = ["unsubscribe"]
    settings.ACE_POSTAL_ADDRESS = "Hill School\n1 Harbour Street\nDublin"
    settings.ACE_ADDRESS_KEYS = ["for tests"]
    audiences.register(Accounts)
    yield
    audiences.unregister("accounts")


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", "ann@example.com")


@pytest.fixture
def client(ann) -> Client:
    client = Client()
    client.force_login(ann)
    return client


@pytest.fixture
def learners() -> list[User]:
    return [
        User.objects.create_user(f"learner{number}", f"learner{number}@example.com", first_name="Lee")
        for number in range(3)
    ]


def written(ann: User, **fields: Any) -> Campaign:
    """Return a draft that can be sent."""
    given = {
        "name": "Welcome",
        "variants": [{"language": "en", "subject": "Hello", "source": "<p>Hello {{ first_name|there }}</p>"}],
        "parts": [{"audience": "accounts", "params": {"start": "learner"}}],
        **fields,
    }
    return editing.create(ann, scope="course:a", **given)


def form_of(response: Any, place: int = 0) -> dict[str, Any]:
    """Return what a browser would post of a form, without buttons."""
    form = html.fromstring(response.content).forms[place]
    return dict(form.form_values())


def text_of(response: Any) -> str:
    return " ".join(" ".join(html.fromstring(response.content).itertext()).split())


def url(campaign: Campaign, page: str = "") -> str:
    return f"{ROOT}/{campaign.uuid}/{page}"


def test_from_an_empty_list_to_a_finished_campaign(client, ann, learners):
    """
    Written, checked, sent, followed to each recipient; every step is a form that a browser without scripts can post.
    """
    assert "There are no campaigns yet." in text_of(client.get(f"{ROOT}/"))
    page = client.get(f"{ROOT}/new/")
    response = client.post(f"{ROOT}/new/", form_of(page) | {"name": "Welcome"})
    campaign = Campaign.objects.get()
    assert response.url == url(campaign, "write/")
    assert (campaign.scope, campaign.author) == ("course:a", ann)

    page = client.get(response.url)
    page = client.post(response.url, form_of(page) | {"new_audience": "accounts", "do": "include"})
    filled = form_of(page) | {
        "part-0-start": "learner",
        "text-0-subject": "Hello {{ first_name|you }}",
        "text-0-source": "<p>Good <script>alert(1)</script>morning</p>",
        "do": "check",
    }
    response = client.post(url(campaign, "write/"), filled)
    assert response.url == url(campaign, "send/")
    variant = campaign.variants.get()
    assert (variant.subject, variant.body) == ("Hello {{ first_name|you }}", "<p>Good morning</p>")
    assert campaign.parts.get().params == {"start": "learner"}

    page = client.get(response.url)
    assert "All fine" in text_of(page)
    response = client.post(response.url, form_of(page, -1) | {"do": "schedule"})
    assert response.url == url(campaign)
    sweep()
    deliver(lambda: False)
    sweep()
    page = client.get(url(campaign))
    campaign.refresh_from_db()
    assert campaign.state == "sent"
    assert "3 of 3 100 %" in text_of(page)
    page = client.get(url(campaign, "recipients/"))
    assert text_of(page).count("@example.com sent") == 3
    csv = b"".join(client.get(url(campaign, "recipients.csv")).streaming_content).decode()
    assert csv.count("@example.com") == 3


def test_whoever_may_not_see_a_campaign_does_not_learn_that_there_is_one(ann, client):
    """
    On every page and every action, by id.
    """
    campaign = written(ann)
    ben = Client()
    ben.force_login(User.objects.create_user("ben"))
    pages = [
        "",
        "progress/",
        "recipients/",
        "recipients.csv",
        "write/",
        "preview/",
        "preview/frame/",
        "send/",
        "cancel/",
    ]
    posts = [
        "write/",
        "test/",
        "send/",
        "count/",
        "cancel/",
        "attachments/1/",
        *(f"do/{verb}/" for verb in ("pause", "delete")),
    ]

    assert {ben.get(url(campaign, page)).status_code for page in pages} == {404}
    assert {ben.post(url(campaign, page)).status_code for page in posts} <= {404, 405}
    assert "Welcome" not in text_of(ben.get(f"{ROOT}/"))
    assert ben.post(f"{ROOT}/new/", {"name": "Mine", "scope": "course:a"}).status_code == 403
    assert Client().get(url(campaign)).status_code == 302
    assert list(Campaign.objects.all()) == [campaign]


def test_what_is_wrong_stands_at_its_field_and_nothing_is_lost(client, ann):
    """
    What was posted is shown again, with the problem where it is.
    """
    campaign = written(ann)
    page = client.get(url(campaign, "write/"))

    posted = form_of(page) | {"text-0-subject": "Hi {{ frist_name }}", "reply_to": "nobody", "part-0-start": ""}
    page = client.post(url(campaign, "write/"), posted)

    assert page.status_code == 422
    tree = html.fromstring(page.content)
    [subject] = tree.xpath("//input[@name='text-0-subject']")
    assert subject.value == "Hi {{ frist_name }}"
    assert "first_name" in tree.get_element_by_id(subject.get("aria-describedby")).text_content()
    [reply] = tree.xpath("//input[@name='reply_to']")
    assert (reply.value, reply.get("aria-invalid")) == ("nobody", "true")
    [start] = tree.xpath("//input[@name='part-0-start']")
    assert start.get("aria-invalid") == "true"
    assert "This field is required." in tree.get_element_by_id(start.get("aria-describedby")).text_content()
    at_the_top = {link.text: link.get("href") for link in tree.xpath("//*[@role='alert']//a")}
    assert at_the_top == {
        "Accounts, Begins with": "#id_part-0-start",
        "Subject": "#text-0-subject",
        "Replies go to": "#reply_to",
    }
    assert all(tree.get_element_by_id(target[1:]) is not None for target in at_the_top.values())
    campaign.refresh_from_db()
    assert campaign.version == 1


def test_what_somebody_else_saved_meanwhile_is_told_and_nothing_is_lost(client, ann):
    """
    Whoever has seen it can save over it.
    """
    campaign = written(ann)
    posted = form_of(client.get(url(campaign, "write/"))) | {"text-0-subject": "Mine"}
    editing.save(ann, campaign, version=1, name="Theirs")

    page = client.post(url(campaign, "write/"), posted)

    assert page.status_code == 409
    assert "Somebody else has changed this campaign" in text_of(page)
    again = form_of(page)
    assert again["text-0-subject"] == "Mine"
    assert client.post(url(campaign, "write/"), again).status_code == 302
    assert campaign.variants.get().subject == "Mine"


def test_what_was_done_is_told_in_words(client, ann):
    """
    What was changed, and nothing that stayed as it is.
    """
    campaign = written(ann)
    posted = form_of(client.get(url(campaign, "write/"))) | {"from_name": "Ann", "text-0-subject": "Good morning"}

    client.post(url(campaign, "write/"), posted)

    assert campaign.entries.get(action="saved").why == "from_name, variants"
    assert "Sender's name, What it says" in text_of(client.get(url(campaign)))
    assert "from_name" not in text_of(client.get(url(campaign)))
    assert "Changed · ann · Sender's name, What it says" in text_of(client.post(url(campaign, "do/pause/")))


def test_what_is_saved_unchanged_stays_counted_and_approved(client, ann, learners):
    """
    A form without a change saves nothing, however a browser ends its lines; of one with a change it is told what
    changed.
    """
    text = "Hello {{ first_name|there }}\n\nand welcome"
    campaign = written(ann, variants=[{"language": "en", "subject": "Hi", "format": "markdown", "source": text}])
    list(client.post(url(campaign, "count/")).streaming_content)
    posted = form_of(client.get(url(campaign, "write/"))) | {"text-0-source": text.replace("\n", "\r\n")}

    assert client.post(url(campaign, "write/"), posted | {"do": "check"}).url == url(campaign, "send/")
    assert "3 recipients" in text_of(client.get(url(campaign, "send/")))
    client.post(url(campaign, "write/"), posted | {"from_name": "Ann", "part-0-way": "exclude"})
    assert "Changed ann" in text_of(client.get(url(campaign)))
    assert "Sender's name, Who gets it" in text_of(client.get(url(campaign)))
    assert campaign.parts.get().is_excluded


def test_a_campaign_that_has_started_cannot_be_written_any_more(client, ann, learners):
    """
    Its form is answered with 409, as is a button whose time is over.
    """
    campaign = written(ann)
    posted = form_of(client.get(url(campaign, "write/")))
    operations.schedule(ann, campaign, version=1)
    sweep()

    assert client.get(url(campaign, "write/")).status_code == 409
    assert client.post(url(campaign, "write/"), posted).status_code == 409
    assert client.post(url(campaign, "do/start/")).status_code == 409


def test_warnings_have_to_be_ticked(client, ann, learners):
    """
    With what was posted still there.
    """
    source = '<p><a href="http://example.com/">Here</a></p>'
    campaign = written(ann, variants=[{"language": "en", "subject": "Hello", "source": source}])
    page = client.get(url(campaign, "send/"))
    posted = form_of(page, -1) | {"do": "schedule"}

    page = client.post(url(campaign, "send/"), posted)
    assert page.status_code == 422
    assert "http://example.com/ is not https" in text_of(page)
    client.post(url(campaign, "send/"), posted | {"accept": "insecure_link"})
    campaign.refresh_from_db()
    assert campaign.state == "scheduled"


def test_what_is_accepted_at_once_has_one_tick(client, ann, learners):
    """
    Two links that are not https are one kind of warning.
    """
    source = '<p><a href="http://a.example/">Here</a> and <a href="http://b.example/">there</a></p>'
    campaign = written(ann, variants=[{"language": "en", "subject": "Hello", "source": source}])

    page = html.fromstring(client.get(url(campaign, "send/")).content)

    [tick] = page.xpath("//input[@name='accept']")
    assert "http://a.example/ is" in tick.getparent().text_content()
    assert "http://b.example/ is" in tick.getparent().text_content()


def test_recipients_are_counted_on_a_page_that_grows(client, ann, learners):
    """
    It says how far it is, leads back, and the reasons of those who get nothing are there.
    """
    campaign = written(ann, parts=[{"audience": "accounts", "params": {"start": "learner"}}, NOT_LEARNER_2])
    assert "Count them" in text_of(client.get(url(campaign, "send/")))

    page = "".join(part.decode() for part in client.post(url(campaign, "count/")).streaming_content)
    assert "100 %" in page
    assert f"url={url(campaign, 'send/')}#count" in page
    shown = text_of(client.get(url(campaign, "send/")))
    assert "2 recipients" in shown
    assert "excluded by you 1" in shown


def test_what_cannot_be_counted_is_said(client, ann, learners, monkeypatch):
    """
    On the same page.
    """
    campaign = written(ann)
    monkeypatch.setattr(Accounts, "resolve", lambda *_: 7)
    page = "".join(part.decode() for part in client.post(url(campaign, "count/")).streaming_content)
    assert "a queryset or an iterable of Person" in page


def test_a_time_is_chosen_and_changed(client, ann, learners):
    """
    In a zone; while it is scheduled it can be put to another one.
    """
    campaign = written(ann)
    posted = form_of(client.get(url(campaign, "send/")), -1)
    when = {"timing": "at", "wall_time": "2095-05-05T10:00", "zone": "Europe/Berlin"}

    client.post(url(campaign, "send/"), posted | when | {"do": "schedule"})
    campaign.refresh_from_db()
    assert campaign.due_at.isoformat() == "2095-05-05T08:00:00+00:00"
    posted = form_of(client.get(url(campaign, "send/")), -1)
    client.post(url(campaign, "send/"), posted | {"wall_time": "2095-05-06T10:00"})
    campaign.refresh_from_db()
    assert campaign.due_at.isoformat() == "2095-05-06T08:00:00+00:00"
    page = client.post(url(campaign, "send/"), form_of(client.get(url(campaign, "send/")), -1) | {"wall_time": "soon"})
    assert page.status_code == 422
    [time] = html.fromstring(page.content).xpath("//input[@name='wall_time'][@aria-invalid='true']")
    assert html.fromstring(page.content).get_element_by_id(time.get("aria-describedby")).text_content()
    assert client.post(url(campaign, "cancel/"), {"why": "Not now"}).status_code == 302
    assert "Not now" in text_of(client.get(url(campaign)))


def test_a_file_of_addresses_becomes_a_part(client, ann):
    """
    Or what is wrong with it is told line by line.
    """
    campaign = written(ann, parts=[])
    posted = form_of(client.get(url(campaign, "write/"))) | {"do": "upload"}
    good = SimpleUploadedFile("friends.csv", b"address\na@example.com\nb@example.com\n")
    bad = SimpleUploadedFile("friends.csv", b"address\nnobody\n")

    assert "Line 2: “nobody” is no address." in text_of(
        client.post(url(campaign, "write/"), posted | {"addresses": bad})
    )
    page = client.post(url(campaign, "write/"), posted | {"addresses": good})
    made = AddressList.objects.get()
    assert form_of(page)["part-0-list"] == str(made.pk)
    # In the part of the page that a browser with scripts takes from it.
    assert "2 addresses are on the list." in html.fromstring(page.content).get_element_by_id("parts").text_content()
    client.post(url(campaign, "write/"), form_of(page))
    assert campaign.parts.get().params == {"list": made.pk}


def test_files_are_attached_and_taken_off(client, ann):
    """
    They are given out to be kept, whatever type they claim to be.
    """
    campaign = written(ann)
    page = client.get(url(campaign, "write/"))
    file = SimpleUploadedFile("plan.pdf", b"%PDF-1.7")
    client.post(url(campaign, "write/"), form_of(page) | {"attachments": file})
    one = campaign.attachments.get()

    response = client.get(url(campaign, f"attachments/{one.pk}/"))
    assert (response.content, response["Content-Disposition"]) == (b"%PDF-1.7", "attachment")
    page = client.get(url(campaign, "write/"))
    client.post(url(campaign, "write/"), form_of(page) | {"do": f"detach:{one.pk}"})
    assert not campaign.attachments.exists()


def test_a_preview_runs_nothing(client, ann, learners):
    """
    It comes in a frame with a policy and a sandbox of its own; whose it is can be chosen.
    """
    campaign = written(ann)
    page = html.fromstring(client.get(url(campaign, "preview/") + "?search=learner1").content)
    [person] = [link for link in page.xpath("//ul[@class='ace-people']//a") if "learner1" in link.text_content()]
    page = html.fromstring(client.get(url(campaign, "preview/") + person.get("href")).content)
    frame, in_dark = page.xpath("//iframe")

    assert frame.get("sandbox") == in_dark.get("sandbox") == ""
    response = client.get(frame.get("src"))
    assert "Hello Lee" in response.content.decode()
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "script-src" not in policy
    assert "(min-width: 0)" in client.get(in_dark.get("src")).content.decode()


def test_a_page_runs_only_what_comes_as_a_file(client, ann):
    """
    Its policy lets no script run that is written into it, and none is.
    """
    campaign = written(ann, name="</script><img src=x onerror=alert(1)>")
    for page in ("", "write/", "preview/", "send/"):
        response = client.get(url(campaign, page))
        policy = dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";"))
        assert policy["script-src"] == "'self'"
        tree = html.fromstring(response.content)
        assert tree.xpath("//script[not(@src) and not(@type='application/json')]") == []
        assert tree.xpath("//@style | //style | //img | //@onclick") == []


def test_a_template_is_kept_and_used(client, ann):
    """
    With versions.
    """
    campaign = written(ann)
    page = client.get(url(campaign, "write/"))
    client.post(url(campaign, "write/"), form_of(page) | {"do": "keep", "template_name": "Monthly"})
    page = client.get(f"{ROOT}/new/")
    version = html.fromstring(page.content).xpath("//select[@name='template']/option[@value!='']")[0]
    assert version.text == "Monthly, version 1"

    posted = form_of(page) | {"name": "May", "template": version.get("value")}
    client.post(f"{ROOT}/new/", posted)
    client.post(f"{ROOT}/new/", posted)
    [made] = Campaign.objects.exclude(pk=campaign.pk)
    assert (made.name, made.variants.get().subject) == ("May", "Hello")


def test_languages_are_added_and_taken_away(client, ann, settings):
    """
    Nothing else on the form is lost by it.
    """
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    campaign = written(ann)
    posted = form_of(client.get(url(campaign, "write/"))) | {"text-0-subject": "Changed"}
    page = client.post(url(campaign, "write/"), posted | {"do": "language", "new_language": "ar"})
    filled = form_of(page)
    assert filled["text-0-subject"] == "Changed"
    [subject] = html.fromstring(page.content).xpath(
        "//*[@id='in-ar']//fieldset[contains(@class, 'email')]//input[contains(@name, 'subject')]"
    )
    assert subject.get("dir") == "rtl"

    client.post(url(campaign, "write/"), filled | {subject.get("name"): "مرحبا"})
    assert set(campaign.variants.values_list("language", "subject")) == {("en", "Changed"), ("ar", "مرحبا")}
    page = client.post(url(campaign, "write/"), form_of(client.get(url(campaign, "write/"))) | {"do": "without:ar"})
    client.post(url(campaign, "write/"), form_of(page))
    assert campaign.variants.get().language == "en"


def test_a_language_that_the_site_lists_no_more_is_kept(client, ann, settings):
    """
    Saving the form changes nothing that nobody has changed.
    """
    campaign = written(ann)
    settings.LANGUAGES = [("ar", "Arabic"), ("de", "German")]
    client.post(url(campaign, "write/"), form_of(client.get(url(campaign, "write/"))))

    campaign.refresh_from_db()
    assert campaign.language == "en"


def test_a_test_goes_to_who_asks(client, ann, mailoutbox, use_channels, learners):
    """
    And nowhere else.
    """
    campaign = written(ann)
    page = client.post(url(campaign, "test/"), {"address": "ann@example.com"}, follow=True)
    assert "A test is on its way to you." in text_of(page)
    page = client.post(url(campaign, "test/"), {"address": "other@example.com"}, follow=True)
    assert "Tests go to your own address" in text_of(page)


def test_what_is_under_way_is_paused_resumed_and_cancelled(client, ann, learners):
    """
    The part that shows how far it is says when the page has to be made anew.
    """
    campaign = written(ann)
    operations.schedule(ann, campaign, version=1)
    sweep()
    assert "HX-Refresh" not in client.get(url(campaign, "progress/") + "?state=sending")
    assert client.get(url(campaign, "progress/") + "?state=scheduled")["HX-Refresh"] == "true"

    client.post(url(campaign, "do/pause/"))
    assert "Resume" in text_of(client.get(url(campaign)))
    client.post(url(campaign, "do/resume/"))
    assert "Being handed over now, and may arrive 0" in text_of(client.get(url(campaign, "cancel/")))
    page = client.post(url(campaign, "cancel/"), {"why": "A mistake"}, follow=True)
    assert "3 messages are stopped." in text_of(page)
    assert "0 of 3" not in text_of(page)


def test_who_joined_since_can_be_written_to(client, ann, learners):
    """
    A new draft without those who have it already; a copy is made once, however often it is asked for.
    """
    campaign = written(ann)
    operations.schedule(ann, campaign, version=1)
    sweep()
    assert "Send to those that failed" not in text_of(client.get(url(campaign)))
    response = client.post(url(campaign, "do/joined/"))
    made = Campaign.objects.exclude(pk=campaign.pk).get()
    assert response.url == url(made, "write/")
    assert list(made.parts.values_list("audience", "is_excluded")) == [("accounts", False), ("members_of", True)]

    once = {"once": uuid4().hex}
    assert (
        client.post(url(campaign, "do/duplicate/"), once).url == client.post(url(campaign, "do/duplicate/"), once).url
    )


def test_a_second_person_approves(client, ann, learners, settings):
    """
    And not the author; then it can be sent.
    """
    settings.ACE_CAMPAIGN_APPROVAL_SIZE = 2
    campaign = written(ann)
    posted = form_of(client.get(url(campaign, "send/")), -1) | {"do": "schedule"}
    page = client.post(url(campaign, "send/"), posted)
    assert "It has 3 recipients, more than 2: a second person has to approve it." in text_of(page)
    assert "Approve it" not in text_of(page) and "Send them its address" in text_of(page)
    assert client.post(url(campaign, "do/approve/"), {"version": "1"}).status_code == 403

    dean = Client()
    dean.force_login(User.objects.create_superuser("dean"))
    page = dean.post(url(campaign, "do/approve/"), form_of(dean.get(url(campaign, "send/")), -1), follow=True)
    assert "Approved dean" in text_of(page)
    assert client.post(url(campaign, "send/"), posted).url == url(campaign)
    campaign.refresh_from_db()
    assert (campaign.state, campaign.version) == ("scheduled", 1)


def test_who_cannot_be_counted_before_it_is_scheduled_is_told(client, ann, learners, settings, monkeypatch):
    """
    With what is wrong with the audience.
    """
    settings.ACE_CAMPAIGN_APPROVAL_SIZE = 2
    campaign = written(ann)
    posted = form_of(client.get(url(campaign, "send/")), -1) | {"do": "schedule"}
    monkeypatch.setattr(Accounts, "resolve", lambda *_: 7)

    page = client.post(url(campaign, "send/"), posted)

    assert page.status_code == 422
    assert "a queryset or an iterable of Person" in text_of(page)


def test_a_time_goes_by_a_date_of_the_scope(client, ann, learners):
    """
    So many days before it or after.
    """
    campaign = written(ann)
    posted = form_of(client.get(url(campaign, "send/")), -1) | {"timing": "relative", "anchor": "start"}

    client.post(url(campaign, "send/"), posted | {"offset": "2", "unit": "1440", "side": "before", "do": "schedule"})
    campaign.refresh_from_db()
    assert (campaign.state, campaign.due_at.isoformat()) == ("scheduled", "2095-08-30T09:00:00+00:00")
    again = form_of(client.get(url(campaign, "send/")), -1)
    assert [again[name] for name in ("offset", "unit", "side", "anchor")] == ["2", "1440", "before", "start"]


def test_what_a_button_does_has_a_name(client, ann):
    """
    Anything else is not there.
    """
    assert client.post(url(written(ann), "do/nothing/")).status_code == 404


def test_a_draft_is_deleted(client, ann):
    """
    By whoever has seen it as it is.
    """
    campaign = written(ann)
    assert client.post(url(campaign, "do/delete/"), {"version": "7"}).status_code == 409
    assert client.post(url(campaign, "do/delete/"), {"version": "1"}).url == f"{ROOT}/"
    assert not Campaign.objects.exists()


def test_numbers_that_are_none_are_no_error_of_the_server(client, ann):
    """
    Of more digits than any number is read of, in every form that has one.
    """
    campaign = written(ann)
    digits = "9" * 5000

    statuses = [
        client.post(url(campaign, page), {"version": digits, **more}).status_code
        for page, more in (
            ("write/", {"do": "save", "name": "Other"}),
            ("write/", {"do": f"drop:{digits}"}),
            ("write/", {"do": f"detach:{digits}"}),
            ("send/", {"timing": "relative", "anchor": "start", "offset": digits}),
            ("do/delete/", {}),
        )
    ]
    statuses.append(client.post(f"{ROOT}/new/", {"name": "New", "scope": "course:a", "template": digits}).status_code)

    assert statuses == [422, 200, 422, 409, 409, 302]


def test_a_null_character_is_no_error_of_the_server(client, ann, learners):
    """
    Wherever it is asked for or written: some databases take none.
    """
    campaign = written(ann)
    answers = [
        client.get(url(campaign, page), {name: "\0"})
        for page, name in (
            ("preview/", "search"),
            ("preview/", "reference"),
            ("preview/", "channel_type"),
            ("preview/frame/", "channel_type"),
            ("preview/frame/", "language"),
            ("preview/frame/", "reference"),
            ("recipients/", "search"),
            ("recipients/", "state"),
        )
    ]
    answers += [
        client.get(f"{ROOT}/", {"scope": "\0", "state": "\0"}),
        client.post(f"{ROOT}/new/", {"name": "New\0", "scope": "course:a"}),
        client.post(f"{ROOT}/new/", {"name": "New", "scope": "course:a\0"}),
        client.post(f"{ROOT}/new/", {"name": "New", "scope": "course:a", "once": "a\0"}),
        client.post(url(campaign, "test/"), {"channel_type": "\0", "address": "\0", "language": "\0"}),
        client.post(url(campaign, "cancel/"), {"why": "\0"}),
    ]

    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
