"""
Internal: tests of what is said about a campaign before it is scheduled.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from edx_ace.campaigns import content, preflight
from edx_ace.campaigns.audiences import Person
from edx_ace.campaigns.errors import ForbiddenError
from edx_ace.campaigns.host import Host, Keyword
from edx_ace.campaigns.models import Campaign, Resolution, Variant
from edx_ace.recipient import Recipient

pytestmark = pytest.mark.django_db

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


class CourseHost(Host):
    """Two keywords; one of the scope."""

    def may(self, user, action, scope, campaign=None):
        return user.username == "ann"

    def keywords(self, scope):
        return [Keyword("first_name", "First name", "Sam"), Keyword("course_name", "Course", "A course")]

    def scope_values(self, scope, language):
        return {"course_name": "Biology"}

    def needs_approval(self, campaign):
        return campaign.scope == "course:exam"


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    settings.ACE_CAMPAIGN_HOST = f"{__name__}.CourseHost"
    settings.ACE_CONTENT_STEPS = ["unsubscribe"]
    settings.ACE_POSTAL_ADDRESS = "1 Harbour Street, Dublin"
    settings.ACE_BASE_URL = "https://example.com"
    settings.ACE_ADDRESS_KEYS = ["key"]


@pytest.fixture
def news(campaign: Callable[..., Campaign], given: Any) -> Callable[..., Campaign]:
    """Return a function that makes a campaign with texts, by language."""
    given.people = [Person(Recipient(1, "a@example.com"), values={"first_name": "Al"}, language="en")]

    def make(texts: dict[str, str] | None = None, **fields: Any) -> Campaign:
        made = campaign("given", **{"state": "draft", **fields})
        for language, html in (texts or {"en": "<p>Hello</p>"}).items():
            one = Variant(campaign=made, language=language, subject="Hello", source=html)
            content.fill(one)
            one.save()
        return made

    return make


def found(campaign: Campaign) -> list[tuple[str, bool]]:
    return [(problem.code, problem.is_error) for problem in preflight.problems(campaign, NOW)]


def test_nothing_is_wrong_with_a_campaign_that_can_be_sent(news):
    """
    To be sent now.
    """
    assert preflight.problems(news(), NOW) == []


def test_only_who_may_see_it_is_told(news):
    """
    As the host says.
    """
    made = news()

    with pytest.raises(ForbiddenError):
        preflight.preflight(User(username="cyd"), made)
    assert preflight.preflight(User(username="ann"), made).problems == []


@pytest.mark.parametrize(
    ("texts", "fields", "expected"),
    [
        ({"en": ""}, {}, [("missing_body", True)]),
        ({"de": "<p>x</p>"}, {}, [("missing_text", True), ("missing_language", False)]),
        ({"en": "<p>{{ frist_name }}</p>"}, {}, [("unknown_keyword", True)]),
        ({"en": '<img src="https://gone.example/a.png">'}, {}, [("bad_picture", True)]),
        ({"en": '<a href="http://example.com/">x</a>'}, {}, [("insecure_link", False)]),
        ({"en": '<a href="javascript:x">x</a>'}, {}, [("dead_link", False)]),
        ({"en": f"<p>{'long ' * 25_000}</p>"}, {}, [("large", False)]),
        (None, {"category": "gone"}, [("bad_category", True)]),
        (None, {"channel_types": "email,sms"}, [("channel_off", True), ("missing_text", True)]),
        (None, {"timing": "at", "wall_time": "2027-02-01T10:00", "zone": "UTC"}, [("past", True)]),
        (None, {"timing": "at", "wall_time": "2027-03-28T02:30", "zone": "Europe/Berlin"}, [("no_such_time", True)]),
        (None, {"timing": "at", "wall_time": "2027-10-31T02:30", "zone": "Europe/Berlin"}, [("comes_twice", False)]),
        (None, {"timing": "at", "wall_time": "2027-03-28T10:00", "zone": "Nowhere"}, [("bad_zone", True)]),
        (None, {"timing": "local", "wall_time": "2027-03-01T10:00"}, [("passed_somewhere", False)]),
        (None, {"timing": "relative", "anchor": "end"}, [("date_gone", True)]),
        (None, {"scope": "course:exam"}, [("needs_approval", True)]),
        (None, {"scope": "course:exam", "approved_version": 1}, []),
        (None, {"scope": "course:exam", "approved_version": 1, "version": 2}, [("needs_approval", True)]),
        (None, {"reply_to": "nobody"}, [("not_rendered", True)]),
    ],
)
def test_what_is_wrong_is_said(news, texts, fields, expected):
    """
    Errors first; of warnings it is known that they can be accepted.
    """
    assert found(news(texts, **fields)) == expected


def test_who_it_goes_to_is_looked_at(news, given):
    """
    Whether there is anybody, and whether the audience can be asked.
    """
    made = news()
    given.people = []
    assert found(made) == [("nobody", True)]
    later = news(timing="at", wall_time="2027-05-01T10:00", zone="UTC")
    assert found(later) == [("nobody", False)]
    made.parts.update(audience="gone")
    assert found(made) == [("unknown_audience", True)]
    made.parts.all().delete()
    assert found(made) == [("no_audience", True)]


def test_that_all_were_left_out_when_they_were_counted_is_said(news):
    """
    As a warning: somebody may not be any more.
    """
    made = news()
    Resolution.objects.create(campaign=made, version=1, done_at=timezone.now(), numbers={"opted_out": 2})

    assert found(made) == [("nobody", False)]


def test_people_without_a_value_or_a_language_are_counted(news, given):
    """
    Those of keywords that have no fallback, and that the scope does not give; the reason says of how many.
    """
    given.people = [
        Person(Recipient(number, f"{number}@example.com"), values={"first_name": name}, language=language)
        for number, (name, language) in enumerate([("Al", "de-at"), ("", "fr"), (" ", None), ("Di", "FR")], start=1)
    ]
    text = "<p>{{ first_name }} {{ course_name }}</p>"

    problems = preflight.problems(news({"en": text, "de": text}), NOW)

    assert [(one.code, one.reason) for one in problems] == [
        ("missing_language", "2 of all 4 people read French and get it in English."),
        ("missing_value", "For 2 of all 4 people there is no “first_name”. Write {{ first_name|something else }}."),
    ]
    assert preflight.problems(news({"en": "<p>{{ first_name|you }}</p>", "de": "x", "fr": "x"}), NOW) == []


def test_of_many_people_the_first_are_looked_at(news, given, monkeypatch: pytest.MonkeyPatch):
    """
    And that is said.
    """
    monkeypatch.setattr(preflight, "SAMPLE_SIZE", 3)
    given.people = [Person(Recipient(number, f"{number}@example.com")) for number in range(1, 6)]

    [problem] = preflight.problems(news({"en": "{{ first_name }}"}), NOW)

    assert problem.reason.startswith("For 3 of the first 3 people there is no")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ACE_POSTAL_ADDRESS": None}, [("ace_preferences.E002", True)]),
        ({"ACE_BASE_URL": "http://example.com"}, [("ace_preferences.E003", True)]),
        ({"ACE_CONTENT_STEPS": ["plain_text", "unsubscribe"]}, [("ace_preferences.E001", True)]),
        ({"ACE_CONTENT_STEPS": []}, [("no_unsubscribe", False)]),
        (
            {"ACE_CONTENT_STEPS": [], "ACE_ENABLED_POLICIES": ["preference"]},
            [("ace_preferences.E001", True), ("no_unsubscribe", False)],
        ),
    ],
)
def test_what_mail_in_bulk_needs_of_the_site_is_said(news, settings: Settings, changes, expected):
    """
    As the system checks say it.
    """
    made = news()
    for name, value in changes.items():
        setattr(settings, name, value)

    assert found(made) == expected


def test_above_a_number_of_recipients_a_second_person_approves(news, settings: Settings):
    """
    As they were counted last for this very version.
    """
    settings.ACE_CAMPAIGN_APPROVAL_SIZE = 100
    made = news()
    assert found(made) == [("not_counted", True)]

    def count(number: int, **fields: Any) -> None:
        Resolution.objects.create(
            campaign=made, done_at=timezone.now(), **{"version": 1, "numbers": {"": number, "opted_out": 500}, **fields}
        )

    count(101, version=2)
    assert found(made) == [("not_counted", True)]
    count(100)
    assert found(made) == []
    count(101)
    [problem] = preflight.problems(made, NOW)
    assert problem.reason == "It has 101 recipients, more than 100: a second person has to approve it."
    assert preflight.preflight(None, made).numbers == {"": 101, "opted_out": 500}


def test_a_time_is_judged_by_the_moment(news):
    """
    That is given, else now.
    """
    tomorrow = timezone.now() + timedelta(days=1)
    made = news(timing="at", wall_time=f"{tomorrow:%Y-%m-%dT%H:%M}", zone="UTC")

    assert preflight.problems(made) == []
