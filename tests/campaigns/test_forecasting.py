"""
Internal: exact numbers of who would get a campaign, and why others would not.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q
from django.utils import timezone

from edx_ace import Recipient
from edx_ace.campaigns import editing, finding, forecasting, preflight
from edx_ace.campaigns.audiences import Person
from edx_ace.campaigns.errors import CampaignError, ForbiddenError, NotFoundError
from edx_ace.campaigns.forecasting import forecast, kept, start_forecast
from edx_ace.campaigns.models import Exclusion, Member, Resolution
from edx_ace.campaigns.resolving import resolve
from edx_ace.campaigns.running import tick
from edx_ace.outbox import guards
from edx_ace.outbox.guards import Guard
from edx_ace.preferences.models import Choice
from edx_ace.tracking import suppress

pytestmark = pytest.mark.django_db


def turn_off(person, **fields):
    """Let a person have turned the category off for email."""
    Choice.objects.create(
        **{
            "person": str(person),
            "channel_type": "email",
            "category": "general",
            "scope": "",
            "taking": "off",
            "source": "page",
            "changed_at": timezone.now(),
            **fields,
        }
    )


@pytest.fixture
def guard():
    """Return a function that registers a guard for the time of the test."""
    registered = []

    def register(*args, **fields):
        registered.append(Guard(*args, **fields))
        guards.register(registered[-1])

    yield register
    for one in registered:
        guards.unregister(one)


def test_it_says_how_many_get_it_and_why_others_do_not(campaign, accounts, listed):
    """
    By the audience, by what people chose, by what became of their address.
    """
    users = accounts(12)
    User.objects.filter(pk=users[0].pk).update(email="")
    User.objects.filter(pk=users[1].pk).update(email="no mailbox")
    User.objects.filter(pk=users[2].pk).update(is_active=False)
    listed("not", "USER3@example.com", "nobody@example.com")
    turn_off(users[4].pk)
    turn_off(users[5].pk, scope="course:7")
    turn_off(users[6].pk, scope="course:8")
    turn_off(users[7].pk, category="other")
    turn_off(users[8].pk, channel_type="push")
    suppress("User9@example.com", "hard_bounce", who="test")
    made = campaign("accounts", ("-listed", {"list": "not"}), scope="course:7")

    found = forecast(None, made)

    assert found.numbers == {
        "": 5,
        "no_address": 1,
        "bad_address": 1,
        "inactive": 1,
        "excluded": 1,
        "opted_out": 2,
        "suppressed": 1,
    }
    assert found.channels == {"email": found.numbers}


def test_a_category_that_goes_to_those_alone_who_chose_it_goes_to_nobody_else(campaign, accounts, settings):
    """
    Nor over channel types that it is not for.
    """
    settings.ACE_CATEGORIES = {"offers": {"label": "Offers", "default": False, "channels": ["email"]}}
    users = accounts(6)
    turn_off(users[0].pk, category="offers", taking="immediate")
    turn_off(users[1].pk, category="offers", taking="immediate", scope="course:7")
    turn_off(users[2].pk, category="offers", taking="immediate", scope="course:8")
    turn_off(users[3].pk, category="", scope="course:7")
    turn_off(users[4].pk, category="other")
    turn_off(users[0].pk, category="offers", taking="immediate", channel_type="push")
    made = campaign("accounts", scope="course:7", category="offers", channel_types="email,push")

    found = forecast(None, made)

    assert found.channels == {"email": {"": 2, "not_opted_in": 3, "opted_out": 1}, "push": {"not_opted_in": 6}}
    assert found.numbers == found.channels["email"]


def test_only_its_numbers_are_kept(campaign, accounts):
    """
    With no trace of who was counted.
    """
    accounts(3)
    made = campaign("accounts")
    assert kept(made) is None

    forecast(None, made)
    second = forecast(None, made)

    assert kept(made) == second
    assert (Resolution.objects.count(), Member.objects.count(), Exclusion.objects.count()) == (1, 0, 0)


@pytest.mark.parametrize(
    ("fields", "is_kept"),
    [
        ({"timing": "at", "wall_time": "2099-03-01T10:00", "zone": "UTC"}, True),
        ({"name": "Other", "rate": "100/h"}, True),
        ({"variants": [{"channel_type": "email", "language": "en", "subject": "Hi", "source": "<p>Hi.</p>"}]}, True),
        # The same as before.
        ({"parts": [{"audience": "accounts", "params": {}}]}, True),
        ({"parts": [{"audience": "accounts", "params": {}, "is_excluded": True}]}, False),
        ({"channel_types": "push"}, False),
        ({"category": "offers"}, False),
    ],
)
def test_its_numbers_are_kept_while_the_same_people_get_it(fields, is_kept, campaign, accounts, settings):
    """
    Whatever else is changed about the campaign.
    """
    settings.ACE_CATEGORIES = {"general": {"label": "General"}, "offers": {"label": "Offers"}}
    accounts(3)
    made = campaign("accounts", state="draft")
    numbers = forecast(None, made).numbers

    made = editing.save(None, made, version=1, **fields)

    found = kept(made)
    assert (found and found.numbers) == (numbers if is_kept else None)
    assert preflight.numbers_of(made) == (numbers if is_kept else None)


def test_files_do_not_change_who_gets_it(campaign, accounts):
    """
    Neither one more nor one less.
    """
    accounts(3)
    made = campaign("accounts", state="draft")
    forecast(None, made)

    attachment = editing.attach(None, made, version=1, name="plan.txt", file=b"Plan")
    editing.detach(None, made, version=2, attachment=attachment)

    assert kept(made).version == made.version == 3


def test_the_recipients_of_a_campaign_that_has_started_stay(resolution, accounts):
    """
    A forecast is another matter.
    """
    accounts(3)
    found = resolution("accounts")
    resolve(found, lambda: True)

    forecast(None, found.campaign)

    assert found.members.count() == 3


def test_over_several_channel_types_somebody_gets_it_if_one_is_left(campaign, given):
    """
    The numbers of each say more.
    """
    given.people = [Person(Recipient(number, f"{number}@example.com")) for number in range(1, 6)]
    turn_off(1)
    turn_off(1, channel_type="push")
    turn_off(2)
    turn_off(3, channel_type="push")
    suppress("4@example.com", "hard_bounce", who="test")

    found = forecast(None, campaign("given", channel_types="email,push"))

    assert found.channels == {
        "email": {"": 2, "opted_out": 2, "suppressed": 1},
        "push": {"": 3, "opted_out": 2},
    }
    assert found.numbers == {"": 4, "opted_out": 1}


def test_a_guard_that_waits_or_reads_what_only_deliveries_have_does_not_count(campaign, accounts, guard):
    """
    The one ends nothing, and of the other nobody knows yet whom it forbids.
    """
    accounts(2)
    guard("paused", "It is paused.", lambda: Q(scope="course:7"), waits=True)
    guard("slow", "Its provider is slow.", lambda: Q(provider_id="x"))
    guard("other", "It is another course.", lambda: Q(scope="course:7", recipient=str(User.objects.first().pk)))

    assert forecast(None, campaign("accounts", scope="course:7")).numbers == {"": 1, "other": 1}


def test_it_says_how_far_it_is(campaign, accounts, monkeypatch):
    """
    From 0 to 1, and never back.
    """
    monkeypatch.setattr("edx_ace.campaigns.resolving.CHUNK_SIZE", 3)
    monkeypatch.setattr(forecasting, "CHUNK_SIZE", 4)
    accounts(10)
    told = []

    found = forecast(None, campaign("accounts"), told.append)

    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 6
    assert found.numbers == {"": 10}


def work(monkeypatch, seconds):
    """Let workers go on with what there is to do, a slice after the other; return how many it took."""
    monkeypatch.setattr("edx_ace.campaigns.running.SLICE_SECONDS", seconds)
    for number in range(1, 100):
        if tick() is None:
            return number
    raise AssertionError("It does not end.")


@pytest.mark.parametrize("seconds", [0, 2])
def test_workers_make_one_in_slices(campaign, accounts, monkeypatch, seconds):
    """
    It is told how far they are, and the numbers are those of a forecast that is made at one go.
    """
    monkeypatch.setattr("edx_ace.campaigns.resolving.CHUNK_SIZE", 3)
    monkeypatch.setattr(forecasting, "CHUNK_SIZE", 4)
    users = accounts(10)
    turn_off(users[3].pk)
    made = campaign("accounts", state="draft", channel_types="email,push")
    assert start_forecast(None, made).share == 0
    assert start_forecast(None, made).at is None
    assert Resolution.objects.count() == 1

    first = finding.forecast(None, made)
    slices = work(monkeypatch, seconds)
    found = finding.forecast(None, made)

    assert (first.share, first.numbers) == (0, {})
    assert (slices > 6) is (seconds == 0)
    assert (found.share, found.version) == (1, made.version)
    at_once = forecast(None, made)
    assert (found.numbers, found.channels) == (at_once.numbers, at_once.channels)
    assert found.channels["email"] == {"": 9, "opted_out": 1}
    assert not Member.objects.exists()


def test_of_what_has_changed_nobody_counts_on(campaign, accounts, monkeypatch):
    """
    Of the campaign as it is then it has to be asked for anew.
    """
    accounts(3)
    made = campaign("accounts", state="draft")
    start_forecast(None, made)
    made.version += 1
    made.save()

    work(monkeypatch, 2)

    assert not Resolution.objects.exists()
    with pytest.raises(NotFoundError):
        finding.forecast(None, made)


def test_what_workers_could_not_count_is_told_until_it_is_asked_for_again(campaign, given, monkeypatch):
    """
    With the reason.
    """
    given.people = [None]
    made = campaign("given", state="draft")
    start_forecast(None, made)
    work(monkeypatch, 2)

    with pytest.raises(CampaignError, match="must give instances of Person"):
        finding.forecast(None, made)

    given.people = [Person(Recipient(1, "1@example.com"))]
    assert start_forecast(None, made).share == 0
    work(monkeypatch, 2)
    assert finding.forecast(None, made).numbers == {"": 1}


def test_what_a_worker_has_another_leaves_until_its_lease_is_over(campaign, accounts, monkeypatch):
    """
    Whoever was killed in the middle has lost nothing.
    """
    accounts(3)
    made = campaign("accounts", state="draft")
    start_forecast(None, made)
    Resolution.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
    work(monkeypatch, 2)
    assert finding.forecast(None, made).share == 0

    Resolution.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    work(monkeypatch, 2)

    assert finding.forecast(None, made).numbers == {"": 3}


def test_an_audience_that_fails_leaves_nothing(campaign, given):
    """
    The error says which.
    """
    given.people = [None]

    with pytest.raises(CampaignError):
        forecast(None, campaign("given"))

    assert not Resolution.objects.exists()


def test_whoever_must_not_see_the_campaign_learns_nothing(campaign):
    """
    The host says so.
    """
    for ask in (forecast, start_forecast, finding.forecast):
        with pytest.raises(ForbiddenError):
            ask(AnonymousUser(), campaign("accounts"))


def test_an_empty_audience_has_nobody(campaign):
    """
    It is known, though.
    """
    made = campaign("accounts")

    assert forecast(None, made).numbers == {}
    assert kept(made) is not None
