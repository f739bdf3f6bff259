"""
Internal: tests of previews and tests of campaigns.
"""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from pytest_django import Settings

from edx_ace import ChannelType, testing
from edx_ace.campaigns import audiences, preview
from edx_ace.campaigns.audiences import Person
from edx_ace.campaigns.errors import CampaignError, ForbiddenError, RefusedError
from edx_ace.campaigns.host import Action, Host, Keyword
from edx_ace.campaigns.models import Campaign, Variant
from edx_ace.outbox.models import Delivery
from edx_ace.preferences.models import Choice
from edx_ace.recipient import Recipient
from edx_ace.report import Outcome

pytestmark = pytest.mark.django_db


class CourseHost(Host):
    """Ann may do everything, Bo may write and not see people."""

    def may(self, user, action, scope, campaign=None):
        return user.username == "ann" or (user.username == "bo" and action in (Action.VIEW, Action.WRITE))

    def keywords(self, scope):
        return [Keyword("first_name", "First name", "Sam"), Keyword("course_name", "Course", "A course")]

    def scope_values(self, scope, language):
        return {"course_name": {"de": "Biologie"}.get(language, "Biology")}


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    settings.ACE_CAMPAIGN_HOST = f"{__name__}.CourseHost"


@pytest.fixture
def ann() -> User:
    return User.objects.create(username="ann", email="ann@example.com")


@pytest.fixture
def bo() -> User:
    return User.objects.create(username="bo", email="bo@example.com")


@pytest.fixture
def news(campaign, accounts) -> Campaign:
    """To three users, in two languages."""
    accounts(3, "user")
    made = campaign(("accounts", {"start": "user"}), state="draft", category="general", scope="course:1")
    for language, greeting in (("en", "Dear"), ("de", "Liebe")):
        html = f"<p>{greeting} {{{{ first_name }}}} of {{{{ course_name }}}}</p>"
        subject = f"{greeting} {{{{ first_name }}}}"
        Variant.objects.create(campaign=made, language=language, subject=subject, source=html, body=html)
    return made


def test_without_a_person_keywords_are_samples(bo: User, news: Campaign):
    """
    What the scope says itself is what it says.
    """
    seen = preview.preview(bo, news)

    assert (seen.language, seen.subject, seen.text.strip()) == ("en", "Dear Sam", "Dear Sam of Biology")
    assert "<p>Dear Sam of Biology</p>" in seen.html
    assert (seen.sender, seen.to) == ("sender@example.com", "sample@example.com")


def test_in_each_language(bo: User, news: Campaign):
    """
    Whatever the person's own.
    """
    seen = preview.preview(bo, news, language="de")

    assert (seen.language, seen.subject, seen.text.strip()) == ("de", "Liebe Sam", "Liebe Sam of Biologie")


def test_as_a_real_recipient(ann: User, news: Campaign, monkeypatch: pytest.MonkeyPatch):
    """
    Found by where they stand or by a search, as text whatever they are called.
    """
    User.objects.filter(username="user000001").update(first_name="<img src=x onerror=1>", email="x@example.com")
    monkeypatch.setattr(audiences.get("accounts"), "search_fields", ("email", "first_name"))

    everybody = preview.find_people(ann, news)
    [second] = preview.find_people(ann, news, start=1, limit=1)
    [found] = preview.find_people(ann, news, "X@exam")

    assert len(everybody) == 3
    assert second == found == everybody[1]
    seen = preview.preview(ann, news, reference=found.reference)
    assert "<p>Dear &lt;img src=x onerror=1&gt; of Biology</p>" in seen.html
    assert seen.subject == "Dear <img src=x onerror=1>"
    assert seen.to == "x@example.com"


def test_people_without_rows_are_found_as_well(ann: User, news: Campaign, given):
    """
    By where they stand.
    """
    given.people = [Person(Recipient(None, f"{name}@example.com"), {"first_name": name}) for name in ("Al", "Bea")]
    news.parts.update(audience="given")

    [found] = preview.find_people(ann, news, "bea")

    assert preview.preview(ann, news, reference=found.reference).subject == "Dear Bea"


@pytest.mark.parametrize("reference", ["x", "0:", "0:x", "9:1", "0:999999", ":", "0:1e9", "-1:1", "²:1"])
def test_nobody_else_can_be_asked_for(ann: User, news: Campaign, reference):
    """
    Only who belongs to one of the audiences.
    """
    with pytest.raises(CampaignError, match="Nobody of this campaign"):
        preview.preview(ann, news, reference=reference)


def test_who_belongs_to_another_audience_is_not_shown(ann: User, news: Campaign):
    """
    By their key neither.
    """
    with pytest.raises(CampaignError, match="Nobody of this campaign"):
        preview.preview(ann, news, reference=f"0:{ann.pk}")


def test_only_who_may_see_people_does(bo: User, news: Campaign):
    """
    In a preview and in a test neither.
    """
    for act in (preview.find_people, preview.preview, preview.send_test):
        fields = {} if act is preview.find_people else {"reference": "0:1"}
        with pytest.raises(ForbiddenError):
            act(bo, news, **fields)
    with pytest.raises(ForbiddenError):
        preview.preview(User.objects.create(username="cyd"), news)


def test_a_test_goes_to_who_asks(bo: User, news: Campaign):
    """
    Is marked as one, and is in no count.
    """
    report = preview.send_test(bo, news, language="de")

    assert report.outcomes[ChannelType.EMAIL] is Outcome.SENT
    [email] = mail.outbox
    assert (email.to, email.subject) == (["bo@example.com"], "[Test] Liebe Sam")
    assert not Delivery.objects.exists()
    assert [(entry.action, entry.who, entry.why) for entry in news.entries.all()] == [
        ("tested", "bo", "bo@example.com")
    ]


def test_a_test_does_not_wait_for_a_mail_server_that_is_down(bo: User, news: Campaign, monkeypatch: pytest.MonkeyPatch):
    """
    Somebody is looking at the page that sends it: it is given up after a few seconds.
    """

    def refuse(*_):
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    with testing.frozen_clock() as clock:
        began = clock.now
        report = preview.send_test(bo, news)

    assert not report
    assert (clock.now - began).total_seconds() <= 10


def test_a_test_has_the_values_of_a_recipient_and_not_their_address(ann: User, news: Campaign):
    """
    Nobody but who asks for it gets it.
    """
    [found] = preview.find_people(ann, news, limit=1)

    preview.send_test(ann, news, reference=found.reference)

    [email] = mail.outbox
    assert (email.to, email.subject) == (["ann@example.com"], "[Test] Dear User")
    assert email.cc == email.bcc == []


def test_tests_go_to_addresses_that_are_named(bo: User, news: Campaign, settings: Settings):
    """
    However they are written, and to no others.
    """
    settings.ACE_CAMPAIGN_TEST_ADDRESSES = ["team@example.com"]

    preview.send_test(bo, news, address="Team@Example.com")

    assert mail.outbox[0].to == ["team@example.com"]
    for address in ("user0@example.com", "team@example.com, user0@example.com", "x\ny@example.com", "ann@example.com"):
        with pytest.raises(RefusedError, match=r"to your own address or to one of: team@example\.com"):
            preview.send_test(bo, news, address=address)
    assert len(mail.outbox) == 1


def test_unsubscribing_from_a_test_changes_nothing(bo: User, news: Campaign, settings: Settings):
    """
    The link is there and shows its page.
    """
    settings.ACE_CONTENT_STEPS = ["unsubscribe"]
    settings.ACE_POSTAL_ADDRESS = "1 Harbour Street, Dublin"
    settings.ACE_BASE_URL = "https://example.com"

    preview.send_test(bo, news)

    link = re.fullmatch("<https://example.com(.*)>", mail.outbox[0].extra_headers["List-Unsubscribe"])
    assert link is not None
    answer = Client().post(link[1], {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert not Choice.objects.exists()


def failing(*people):
    yield from people
    raise KeyError("away")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (failing, "audience_failed"),
        (lambda: failing(Person(Recipient(None, "a@example.com"))), "audience_failed"),
        (lambda: [None], "bad_audience"),
        (lambda: ["a@example.com"], "bad_audience"),
        (lambda: (Person(one) for one in (None,)), "audience_failed"),
        # Rows that are none.
        (lambda: User.objects.values("pk"), "audience_failed"),
    ],
)
def test_an_audience_that_gives_nobody_says_so(ann: User, campaign, given, monkeypatch, answer, code):
    """
    Whatever its program does, whoever looks at its people is told that it cannot be read.
    """
    monkeypatch.setattr(given, "resolve", lambda *args: answer())
    made = campaign("given", state="draft")

    with pytest.raises(CampaignError) as caught:
        preview.find_people(ann, made)
    assert caught.value.code == code


@pytest.mark.parametrize("reference", ["0:10000", "0:9223372036854775808", f"0:{'9' * 5000}", f"{'9' * 5000}:0"])
def test_nobody_is_looked_for_without_end(ann: User, campaign, given, monkeypatch, reference):
    """
    However far away a reference says that somebody is, in an audience that never ends.
    """
    monkeypatch.setattr(given, "resolve", lambda *args: iter(lambda: Person(Recipient(None, "a@example.com")), None))
    made = campaign("given", state="draft")

    with pytest.raises(CampaignError) as caught:
        preview.preview(ann, made, reference=reference)
    assert (caught.value.code, len(str(caught.value)) < 300) == ("nobody", True)
    assert preview.find_people(ann, made, start=10**30) == []
