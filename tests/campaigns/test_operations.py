"""
Internal: what somebody does with a campaign as a whole.
"""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from edx_ace import campaigns
from edx_ace.campaigns import editing, following, operations, preflight
from edx_ace.campaigns.errors import ConflictError, ForbiddenError, RefusedError
from edx_ace.campaigns.host import Host
from edx_ace.campaigns.models import Campaign, Resolution
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.worker import Worker, sweep
from tests.pipeline import Recorder

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)

TEXT = {"channel_type": "email", "language": "en", "subject": "News", "source": "<p>Hello.</p>"}


class Schools(Host):
    """Everybody may do all in the scope that is called like them."""

    dates_of = {}

    def may(self, user, action, scope, campaign=None):
        assert campaign is None or campaign.scope == scope
        return user.username.partition("-")[0] == scope

    def dates(self, scope):
        return self.dates_of


@pytest.fixture(autouse=True)
def site(settings, use_channels):
    """A site whose host is asked, and whose mail goes to a channel that accepts everything."""
    settings.ACE_CAMPAIGN_HOST = f"{__name__}.Schools"
    channel = Recorder()
    use_channels(mail=channel)
    return SimpleNamespace(channel=channel)


@pytest.fixture
def ann():
    """May do everything in the scope "a"."""
    return User.objects.create(username="a-ann", email="ann@example.com")


@pytest.fixture
def bob():
    """May do everything in the scope "a", too."""
    return User.objects.create(username="a-bob", email="bob@example.com")


@pytest.fixture
def draft(ann):
    """Return a function that makes a campaign of Ann's which goes to Ann and Bob."""

    def make(scope="a", user=ann, **fields):
        parts = [{"audience": "accounts", "params": {}}]
        return editing.create(user, scope=scope, **{"name": "News", "variants": [TEXT], "parts": parts, **fields})

    return make


@pytest.fixture(autouse=True)
def no_problems(monkeypatch):
    """Return a list with what is wrong beforehand: nothing, unless a test says so."""
    found = []
    monkeypatch.setattr(preflight, "problems", lambda campaign, now=None: list(found))
    return found


def sweep_on():
    while sweep()[1]:
        pass


def finish():
    Worker(once=True).run()
    sweep_on()


def trail(campaign):
    return list(campaign.entries.values_list("action", "from_state", "to_state", "who"))


def sent(site):
    return sorted(message.recipient.email_address for message in site.channel.delivered)


def test_the_way_of_a_campaign_is_written_down(draft, ann, bob, site):
    """
    Each step, with who took it.
    """
    campaign = draft()
    operations.schedule(ann, campaign, version=campaign.version)
    operations.unschedule(bob, campaign)
    operations.schedule(ann, campaign, version=campaign.version)
    sweep_on()
    campaign.refresh_from_db()
    operations.pause(bob, campaign, "Is it right?")
    operations.resume(ann, campaign)
    finish()

    campaign.refresh_from_db()
    assert campaign.state == "sent"
    assert sent(site) == ["ann@example.com", "bob@example.com"]
    assert trail(campaign) == [
        ("created", "", "draft", "a-ann"),
        ("scheduled", "draft", "scheduled", "a-ann"),
        ("unscheduled", "scheduled", "draft", "a-bob"),
        ("scheduled", "draft", "scheduled", "a-ann"),
        ("started", "scheduled", "sending", ""),
        ("paused", "sending", "paused", "a-bob"),
        ("resumed", "paused", "sending", "a-ann"),
        ("finished", "sending", "sent", ""),
    ]


@pytest.mark.parametrize("name", sorted({*campaigns.__all__, "schedule", "progress"}))
def test_what_somebody_does_is_found_at_the_root(name):
    """
    No module hides a function that is called like it, whatever was imported before.
    """
    assert name in campaigns.__all__
    assert callable(getattr(campaigns, name))


def test_errors_and_warnings_that_nobody_has_seen_keep_it_a_draft(draft, ann, no_problems):
    """
    Warnings are accepted by their code, errors by no means.
    """
    campaign = draft()
    Problem = preflight.Problem
    no_problems += [Problem("large", "It is large.", is_error=False), Problem("no_text", "There is no text.")]

    with pytest.raises(RefusedError, match=r"It is large\. There is no text\."):
        operations.schedule(ann, campaign, version=campaign.version)
    with pytest.raises(RefusedError, match=r"^There is no text\.$"):
        operations.schedule(ann, campaign, version=campaign.version, accept=["large", "no_text"])
    del no_problems[1]
    operations.schedule(ann, campaign, version=campaign.version, accept=["large"])

    assert campaign.state == "scheduled"


def test_a_version_that_somebody_has_not_seen_is_not_scheduled(draft, ann, bob):
    """
    Nor approved.
    """
    campaign = draft()
    seen = campaign.version
    editing.save(ann, Campaign.objects.get(), version=seen, name="Other")

    with pytest.raises(ConflictError, match="it has version 2, and you have seen 1"):
        operations.schedule(ann, campaign, version=seen)
    with pytest.raises(ConflictError, match="it has version 2, and you have seen 1"):
        operations.approve(bob, campaign, version=seen)


def test_the_same_click_twice_schedules_it_once(draft, ann):
    """
    The second is told that it is scheduled.
    """
    campaign = draft()
    again = Campaign.objects.get()
    operations.schedule(ann, campaign, version=1)

    with pytest.raises(ConflictError, match="This campaign is scheduled: only a draft can be scheduled"):
        operations.schedule(ann, again, version=1)


def test_what_has_started_cannot_be_edited_or_scheduled(draft, ann):
    """
    And a draft can be neither paused, resumed, cancelled nor followed up.
    """
    campaign = draft()
    for operate in (
        operations.pause,
        operations.resume,
        operations.cancel,
        operations.unschedule,
        operations.start_now,
    ):
        with pytest.raises(ConflictError, match="This campaign is draft"):
            operate(ann, campaign)
    with pytest.raises(ConflictError, match="it has not been sent to anybody yet"):
        operations.follow_up(ann, campaign, "failed")
    operations.schedule(ann, campaign, version=1)
    sweep_on()
    campaign.refresh_from_db()

    for operate in (
        lambda: editing.save(ann, campaign, version=1, name="Other"),
        lambda: operations.schedule(ann, campaign, version=1),
        lambda: operations.reschedule(ann, campaign, version=1, timing="now"),
        lambda: operations.approve(User(pk=99, username="a-eve"), campaign, version=1),
    ):
        with pytest.raises(ConflictError, match="This campaign is sending"):
            operate()


def test_a_campaign_is_put_to_another_time_and_stays_approved(draft, ann, bob):
    """
    Or started at once.
    """
    later = (timezone.now() + 48 * HOUR).strftime("%Y-%m-%dT%H:%M")
    campaign = draft(timing="at", wall_time=later, zone="UTC")
    operations.approve(bob, campaign, version=1)
    operations.schedule(ann, campaign, version=1)
    assert campaign.due_at.strftime("%Y-%m-%dT%H:%M") == later

    sooner = (timezone.now() + 24 * HOUR).strftime("%Y-%m-%dT%H:%M")
    moved = operations.reschedule(ann, campaign, version=1, wall_time=sooner)
    assert moved.due_at.strftime("%Y-%m-%dT%H:%M") == sooner
    assert (moved.version, moved.approved_version, moved.state) == (2, 2, "scheduled")

    started = operations.start_now(ann, moved)
    assert started.due_at <= timezone.now() + timedelta(seconds=5)


def test_editing_withdraws_approval(draft, ann, bob, settings):
    """
    It is for exactly the version that is sent.
    """
    settings.ACE_CAMPAIGN_APPROVAL_SIZE = 0
    campaign = draft()
    operations.approve(bob, campaign, version=1)
    assert not operations.needs_approval(campaign, 2)

    editing.save(ann, campaign, version=1, name="Other")

    assert operations.needs_approval(campaign, 2)


def test_whoever_has_written_some_of_it_does_not_approve_it(draft, ann, bob):
    """
    Nor does the system.
    """
    campaign = draft()
    editing.save(bob, campaign, version=1, name="Bob's")

    for user in (ann, bob, None):
        with pytest.raises(ForbiddenError):
            operations.approve(user, campaign, version=2)


@pytest.mark.parametrize(
    "operate",
    [
        lambda user, campaign: operations.schedule(user, campaign, version=1),
        operations.unschedule,
        lambda user, campaign: operations.reschedule(user, campaign, version=1, timing="now"),
        operations.start_now,
        operations.pause,
        operations.resume,
        operations.cancel,
        lambda user, campaign: operations.approve(user, campaign, version=1),
        lambda user, campaign: operations.follow_up(user, campaign, "failed"),
        lambda user, campaign: operations.follow_up(user, campaign, "joined"),
        following.outcomes,
        following.export,
    ],
)
@pytest.mark.parametrize("state", ["draft", "scheduled", "sending", "paused", "sent"])
def test_nobody_does_anything_in_the_scope_of_others(draft, ann, operate, state):
    """
    Whatever state a campaign is in, that is the first thing that is asked.
    """
    theirs = draft(scope="b", user=None)
    Campaign.objects.update(state=state)
    theirs.refresh_from_db()

    with pytest.raises(ForbiddenError):
        operate(ann, theirs)

    assert Campaign.objects.values_list("state", "version").get() == (state, 1)


@pytest.fixture
def over(draft, ann, bob):
    """A campaign that is over; it failed with Bob."""
    campaign = draft()
    operations.schedule(ann, campaign, version=1)
    finish()
    failed = Delivery.objects.get(address="bob@example.com")
    Delivery.objects.filter(pk=failed.pk).update(state="failed")
    campaign.refresh_from_db()
    return campaign


def test_a_follow_up_goes_to_those_that_failed(over, ann, site):
    """
    With the same content, once they have been chosen.
    """
    site.channel.delivered.clear()

    again = operations.follow_up(ann, over, "failed")
    operations.schedule(ann, again, version=again.version)
    finish()

    assert (again.origin, again.variants.get().subject) == (over, "News")
    assert sent(site) == ["bob@example.com"]


def test_a_follow_up_goes_to_those_who_joined_since(over, ann, site):
    """
    Not to those whom it went to, be it in vain; whoever has left is no reason to stop.
    """
    site.channel.delivered.clear()
    User.objects.create(username="a-new", email="new@example.com")
    User.objects.filter(username="a-bob").delete()

    again = operations.follow_up(ann, over, "joined")
    operations.schedule(ann, again, version=again.version)
    finish()

    assert sent(site) == ["new@example.com"]


def test_people_of_an_earlier_campaign_are_reached_in_its_scope_alone(over, ann, site):
    """
    Whoever writes its key into another one's parts reaches nobody.
    """
    site.channel.delivered.clear()
    eve = User.objects.create(username="b-eve")
    parts = [{"audience": "accounts", "params": {}}]
    theirs = editing.create(eve, scope="b", name="Theirs", variants=[TEXT], parts=parts)
    # Past the form, which refuses it.
    theirs.parts.update(audience="failed_of", params={"campaign": over.pk})
    operations.schedule(eve, theirs, version=1)
    finish()

    theirs.refresh_from_db()
    assert (theirs.state, theirs.code, sent(site)) == ("failed", "unknown_reference", [])
    assert not Resolution.objects.filter(campaign=theirs, members__isnull=False).exists()
