"""
Internal: what the sweep of workers does for campaigns, from their time to their end.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from edx_ace import PolicyResult, Recipient
from edx_ace.campaigns import following, operations, resolving, running, watching
from edx_ace.campaigns.audiences import Person
from edx_ace.campaigns.errors import ConflictError
from edx_ace.campaigns.host import Host
from edx_ace.campaigns.models import Campaign, Member, Variant
from edx_ace.errors import FatalChannelDeliveryError
from edx_ace.outbox import chores
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Circuit, Delivery
from edx_ace.outbox.worker import Worker, deliver, sweep
from tests.pipeline import Recorder, Says, Scripted

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


class Told(Host):
    """Remembers what authors were told, and what nobody may do."""

    told: list[tuple[str, str]] = []
    forbidden: set[str] = set()

    def may(self, user, action, scope, campaign=None):
        return action not in self.forbidden

    def notify(self, campaign, subject, text):
        self.told.append((subject, text))


@pytest.fixture(autouse=True)
def host(settings):
    """The host that is asked."""
    settings.ACE_CAMPAIGN_HOST = f"{__name__}.Told"
    Told.told, Told.forbidden = [], set()
    return Told


@pytest.fixture
def channel(use_channels):
    """An email channel that accepts everything."""
    channel = Recorder()
    use_channels(mail=channel)
    return channel


@pytest.fixture
def due(campaign):
    """Return a function that makes a campaign as `campaign` does, with an email, whose time has come."""

    def make(*parts, **fields):
        made = campaign(*parts, **{"state": "scheduled", **fields})
        Variant.objects.create(campaign=made, language="en", subject="News", source="<p>Hi</p>", body="<p>Hi</p>")
        return made

    return make


def run():
    """Let a worker do all that can be done now."""
    Worker(once=True).run()


def sweep_on():
    """Sweep until no chore has more to do."""
    while sweep()[1]:
        pass


def trail(campaign):
    return list(campaign.entries.values_list("action", "from_state", "to_state", "who"))


def test_what_is_due_is_sent_to_everybody_and_ends(due, accounts, channel):
    """
    Its trail says when; its figures add up.
    """
    accounts(3)
    campaign = due("accounts")

    run()
    sweep()

    campaign.refresh_from_db()
    assert (campaign.state, campaign.code) == ("sent", "")
    assert campaign.started_at <= campaign.expanded_at <= campaign.finished_at
    assert {one.recipient.email_address for one in channel.delivered} == {f"user{n}@example.com" for n in range(3)}
    assert trail(campaign) == [("started", "scheduled", "sending", ""), ("finished", "sending", "sent", "")]
    assert following.progress(campaign).numbers == {"sent": 3}


def test_what_is_not_due_waits(due, accounts, channel):
    """
    And so does a draft.
    """
    accounts(1)
    due("accounts", due_at=timezone.now() + HOUR)
    due("accounts", state="draft")

    run()

    assert channel.delivered == []
    assert set(Campaign.objects.values_list("state", "started_at")) == {("draft", None), ("scheduled", None)}


def test_a_campaign_that_reaches_nobody_ends_and_says_so(due, accounts, channel):
    """
    Nobody is there, or nobody has an address.
    """
    accounts(2, "silent", email="")
    campaigns = [due(("accounts", {"start": "nobody"})), due("accounts")]

    run()

    for campaign in campaigns:
        campaign.refresh_from_db()
        assert (campaign.state, campaign.code) == ("sent", "nobody")
    assert following.progress(campaigns[1]).reasons == {"no_address": 2}


def test_who_leaves_before_it_starts_is_not_sent_to_and_who_joins_is(due, accounts, channel):
    """
    Recipients are those of the moment at which it starts.
    """
    leaves, _stays = accounts(2)
    campaign = due(("accounts", {"start": "user"}), due_at=timezone.now() + HOUR)
    User.objects.filter(pk=leaves.pk).update(username="gone")
    [joins] = accounts(1, "user-new")

    Campaign.objects.filter(pk=campaign.pk).update(due_at=timezone.now() - HOUR)
    run()

    assert {one.recipient.email_address for one in channel.delivered} == {"user1@example.com", joins.email}


@pytest.mark.parametrize("forbidden", ["write", "send"])
def test_whether_it_may_be_sent_is_asked_again_when_it_starts(due, accounts, channel, host, forbidden):
    """
    Nothing is sent, and the author is told why.
    """
    [ann] = accounts(1)
    campaign = due("accounts", author=ann, scheduled_by=ann)
    host.forbidden.add(forbidden)

    sweep_on()

    campaign.refresh_from_db()
    assert (campaign.state, campaign.code, channel.delivered) == ("failed", "forbidden", [])
    assert f"{ann} may not do this any more" in campaign.reason
    assert not Delivery.objects.exists()


def test_nobody_is_left_who_is_responsible(due, accounts, channel):
    """
    Whoever wrote it has no account any more.
    """
    accounts(1)
    campaign = due("accounts")
    campaign.entries.create(action="created", who="ann")

    sweep_on()

    campaign.refresh_from_db()
    assert (campaign.state, campaign.code) == ("failed", "nobody_responsible")


def test_an_audience_that_is_not_offered_any_more_keeps_it_from_starting(due, accounts, monkeypatch):
    """
    As is one that is not there.
    """
    accounts(1)
    campaign = due("accounts")
    unknown = due("acounts")
    monkeypatch.setattr("tests.campaigns.conftest.Accounts.is_offered", lambda *args: False, raising=False)
    monkeypatch.setattr("edx_ace.campaigns.audiences.Audience.is_offered", lambda *args: False)

    sweep_on()

    states = dict(Campaign.objects.values_list("pk", "code"))
    assert states == {campaign.pk: "audience_not_offered", unknown.pk: "unknown_audience"}


def test_a_campaign_that_fails_stops_no_other(due, accounts, given, channel, monkeypatch):
    """
    It is tried again, later and later; at last it pauses and says why.
    """
    accounts(1)
    broken = due("accounts", name="broken")
    fine = due("accounts", name="fine")
    send = running._send

    def fail(campaign, own):
        if campaign.name == "broken":
            raise ValueError("no")
        return send(campaign, own)

    monkeypatch.setattr(running, "_send", fail)
    run()
    assert Campaign.objects.get(pk=fine.pk).expanded == 1
    for _ in range(running.MAX_CLAIMS):
        Campaign.objects.filter(pk=broken.pk).update(due_at=timezone.now() - HOUR)
        sweep()

    broken.refresh_from_db()
    assert broken.state == "paused"
    assert "ValueError" in broken.reason


def test_a_pause_holds_from_its_commit_on_and_ends_with_resume(due, accounts, channel):
    """
    What waits is put off, and brought back; nobody gets it twice, and nobody is left out.
    """
    accounts(5)
    campaign = due("accounts")
    sweep_on()
    campaign.refresh_from_db()

    operations.pause(None, campaign, "Wait.")
    run()
    assert (channel.delivered, campaign.state, campaign.reason) == ([], "paused", "Wait.")
    assert set(Delivery.objects.values_list("state", "code")) == {("queued", "paused")}
    assert Delivery.objects.first().due_at > timezone.now() + HOUR

    operations.resume(None, campaign)
    sweep_on()
    run()
    sweep()
    assert sorted(one.recipient.email_address for one in channel.delivered) == [
        f"user{n}@example.com" for n in range(5)
    ]
    campaign.refresh_from_db()
    assert (campaign.state, campaign.is_put_off, campaign.code) == ("sent", False, "")


def test_a_pause_refuses_what_is_ready_to_be_handed_over(due, accounts, channel, use_policies):
    """
    The permit comes after it.
    """
    accounts(2)
    campaign = due("accounts")
    sweep_on()
    campaign.refresh_from_db()

    def stop(message):
        if Campaign.objects.filter(state="sending").exists():
            operations.pause(None, Campaign.objects.get())
        return PolicyResult(deny=frozenset())

    use_policies(Says(stop))
    run()

    assert channel.delivered == []
    assert set(Delivery.objects.values_list("state", "code", "attempts")) == {("queued", "paused", 0)}


def test_who_is_late_is_told_both_states(due, accounts):
    """
    Of two who pause it, one does.
    """
    accounts(1)
    campaign = due("accounts")
    sweep_on()
    one, other = Campaign.objects.get(), Campaign.objects.get()
    operations.pause(None, one)

    with pytest.raises(ConflictError, match="was sending when you looked, and is paused by now"):
        operations.pause(None, other)
    with pytest.raises(ConflictError, match="This campaign is paused: only what is being sent can be paused"):
        operations.pause(None, one)
    assert [entry[0] for entry in trail(campaign)] == ["started", "paused"]


def test_a_cancelled_campaign_stops_and_its_figures_add_up(due, accounts, channel, settings):
    """
    What is not in the outbox yet never gets there.
    """
    accounts(9)
    settings.ACE_OUTBOX_BATCH = 3
    campaign = due("accounts", rate="6/min")
    sweep_on()
    deliver(lambda: False)
    campaign.refresh_from_db()

    cancelled = operations.cancel(None, campaign, "A mistake.")
    sweep_on()

    campaign.refresh_from_db()
    figures = following.progress(campaign)
    assert (campaign.state, campaign.reason, campaign.finished_at is not None) == ("cancelled", "A mistake.", True)
    sent = len(channel.delivered)
    assert cancelled == (operations.outbox.Cancelled(campaign.expanded - sent, 0))
    assert figures.numbers == {
        "sent": sent, "cancelled": campaign.expanded - sent, "stopped": 9 - campaign.expanded
    }  # fmt: skip
    assert (figures.total, figures.left) == (9, 0)


def test_a_scheduled_campaign_is_cancelled_at_once(due, channel):
    """
    There is nothing to wait for.
    """
    campaign = due("accounts")

    operations.cancel(None, campaign)

    assert (campaign.state, campaign.finished_at is not None) == ("cancelled", True)


def test_the_first_recipients_go_and_the_others_follow_when_that_went_well(due, accounts, channel):
    """
    After the time that was given.
    """
    accounts(5)
    campaign = due("accounts", canary=2, canary_minutes=30)
    run()
    sweep_on()
    assert len(channel.delivered) == 2

    campaign.refresh_from_db()
    Campaign.objects.filter(pk=campaign.pk).update(canary_at=campaign.canary_at - HOUR)
    sweep_on()
    run()

    assert len(channel.delivered) == 5
    assert "released" in [entry[0] for entry in trail(campaign)]


def test_the_others_do_not_follow_when_the_first_bounce(due, accounts, channel, host):
    """
    It is paused, and its author told; resumed, it goes on as they have decided.
    """
    [ann, *_others] = accounts(5)
    campaign = due("accounts", canary=2, canary_minutes=0, author=ann)
    run()
    bounced = Delivery.objects.filter(state="sent").first()
    Delivery.objects.filter(pk=bounced.pk).update(state="bounced")
    Delivery.moved([bounced], "sent", "bounced", "default")
    sweep_on()

    campaign.refresh_from_db()
    assert (campaign.state, campaign.code) == ("paused", "bounced")
    assert campaign.reason == "1 of 2 messages (50.0%) of what was sent bounced; the limit is 5.0%."
    assert len(channel.delivered) == 2

    operations.resume(None, campaign)
    sweep_on()
    run()
    assert len(channel.delivered) == 5


def test_too_large_a_share_pauses_it_once_there_is_enough(due, accounts, use_channels, settings):
    """
    And what is left waits; after it is resumed only what comes then counts.
    """
    settings.ACE_CAMPAIGN_LIMITS = {"failed": 0.5, "of": 3}
    settings.ACE_OUTBOX_BATCH = 4
    channel = Scripted(*[FatalChannelDeliveryError("550 no such user", code="smtp_550")] * 3)
    use_channels(mail=channel)
    accounts(10)
    campaign = due("accounts")

    sweep_on()
    deliver(lambda: False)
    sweep_on()
    campaign.refresh_from_db()
    assert (campaign.state, campaign.code) == ("paused", "failed")

    operations.resume(None, campaign)
    sweep_on()
    run()
    campaign.refresh_from_db()
    assert following.progress(campaign).numbers == {"failed": 3, "sent": 7}


def test_many_failures_in_a_row_pause_it(due, accounts, use_channels, settings):
    """
    Even where the share of all that was sent is small.
    """
    settings.ACE_CAMPAIGN_LIMITS = {"in_a_row": 3}
    settings.ACE_OUTBOX_BATCH = 6
    error = FatalChannelDeliveryError("550 no", code="smtp_550")
    use_channels(mail=Scripted(None, None, None, error, error, error))
    accounts(10)
    campaign = due("accounts")

    sweep_on()
    deliver(lambda: False)
    sweep_on()

    campaign.refresh_from_db()
    assert (campaign.state, campaign.code) == ("paused", "errors")
    assert following.progress(campaign).numbers == {"sent": 3, "failed": 3, "queued": 4}


def test_refused_credentials_pause_it_and_nothing_fails(due, accounts, channel):
    """
    When it is resumed it goes on, as long as the channel does not refuse them again.
    """
    accounts(3)
    campaign = due("accounts")
    sweep_on()
    now = database_now(Campaign, "default")
    circuit = Circuit.objects.create(
        channel="mail", opened_at=now, probe_at=now + timedelta(seconds=1), pause=timedelta(seconds=1),
        code="smtp_535", reason="535 wrong password",
    )  # fmt: skip
    sweep_on()
    campaign.refresh_from_db()
    assert (campaign.state, campaign.code) == ("paused", "credentials")
    assert following.progress(campaign).numbers == {"queued": 3}

    operations.resume(None, campaign)
    sweep_on()
    assert Campaign.objects.get().state == "sending"

    failed = database_now(Campaign, "default")
    Circuit.objects.filter(pk=circuit.pk).update(probe_at=failed + timedelta(seconds=1))
    sweep_on()
    assert Campaign.objects.get().state == "paused"


def test_above_a_number_it_waits_for_a_second_person(due, accounts, channel, settings):
    """
    However many there were when it was scheduled.
    """
    settings.ACE_CAMPAIGN_APPROVAL_SIZE = 2
    people = accounts(3)
    campaign = due("accounts", author=people[0], scheduled_by=people[0])
    sweep_on()
    campaign.refresh_from_db()
    assert (campaign.state, campaign.code) == ("paused", "needs_approval")
    with pytest.raises(operations.RefusedError, match="A second person has to approve it"):
        operations.resume(people[0], campaign)
    with pytest.raises(operations.ForbiddenError, match="Somebody who has not written it"):
        operations.approve(people[0], campaign, version=campaign.version)

    operations.approve(people[1], campaign, version=campaign.version)
    operations.resume(people[0], campaign)
    run()

    assert len(channel.delivered) == 3


def test_a_worker_that_died_is_replaced(due, accounts, channel):
    """
    Its lease runs out, and another goes on where it was; whoever has lost it changes nothing.
    """
    accounts(3)
    campaign = due("accounts")
    [lost] = running._start_due()
    sweep_on()
    assert not Member.objects.exists()

    Campaign.objects.update(lease_until=timezone.now() - HOUR)
    sweep_on()

    campaign.refresh_from_db()
    assert campaign.expanded == 3
    assert not running._hold(lost, name="changed")
    assert [entry[0] for entry in trail(campaign)] == ["started"]


def test_a_large_campaign_is_done_in_slices(due, accounts, channel, monkeypatch):
    """
    Each says that there is more to do.
    """
    monkeypatch.setattr(running, "SLICE_SECONDS", 0)
    accounts(3)
    campaign = due("accounts")

    said = [running.tick() for _ in range(4)]

    assert said[0] == chores.AGAIN
    campaign.refresh_from_db()
    assert campaign.expanded == 3


def test_what_goes_by_a_date_moves_with_it(due, accounts, channel, host, monkeypatch):
    """
    Until that is gone: then it says so when its time has come.
    """
    accounts(1)
    date = timezone.now() + 5 * HOUR
    monkeypatch.setattr(host, "dates", lambda self, scope: {"exam": ("Exam", date)})
    campaign = due("accounts", timing="relative", anchor="exam", offset_minutes=-60, due_at=date)

    sweep_on()
    campaign.refresh_from_db()
    assert campaign.due_at == date - HOUR
    assert trail(campaign) == [("moved", "", "", "")]

    monkeypatch.setattr(host, "dates", lambda self, scope: {})
    Campaign.objects.update(due_at=timezone.now() - HOUR)
    sweep_on()
    campaign.refresh_from_db()
    assert campaign.state == "failed"


@pytest.mark.django_db(transaction=True)
def test_several_sweeps_at_once_start_it_once(due, accounts, channel, at_once):
    """
    And put everybody into the outbox once.
    """
    accounts(20)
    campaign = due("accounts")

    at_once(sweep_on, 3)
    sweep_on()

    assert [entry[0] for entry in trail(campaign)] == ["started"]
    assert Delivery.objects.count() == Member.objects.count() == 20
    run()
    assert len(channel.delivered) == 20


def test_trouble_is_none_while_all_is_well(due):
    """
    Of nothing nothing is a share.
    """
    assert watching.trouble(due("accounts"), {}) is None


@pytest.fixture
def endless(given, monkeypatch):
    """An audience of two people that never ends, read one at a time; what `meanwhile` holds is called before each."""
    monkeypatch.setattr(resolving, "CHUNK_SIZE", 1)
    meanwhile = []

    def people():
        for number in range(100):
            for do in meanwhile:
                do(number)
            yield Person(Recipient(None, f"user{number % 2}@example.com"))

    monkeypatch.setattr(given, "resolve", lambda *args: people())
    return meanwhile


@pytest.mark.parametrize("do", [operations.pause, operations.cancel])
def test_an_audience_that_never_ends_is_read_no_more_once_its_campaign_is_stopped(due, endless, do):
    """
    It cannot be gone on with from where it was, but nobody wants the rest of it.
    """
    campaign = due("given")
    read = []
    endless.append(read.append)
    endless.append(lambda number: do(None, Campaign.objects.get(pk=campaign.pk)) if number == 5 else None)

    sweep()

    assert max(read) == 5
    assert Campaign.objects.get(pk=campaign.pk).resolution.done_at is None


def test_an_audience_that_takes_longer_than_a_lease_stays_with_its_worker(due, endless, monkeypatch):
    """
    Another one would begin from its first person, and so would the next.
    """
    monkeypatch.setattr(running, "SLICE_SECONDS", 0)
    campaign = due("given")
    row = Campaign.objects.filter(pk=campaign.pk)
    seen = []

    def look(number):
        seen.append(row.get().lease_until)
        row.update(lease_until=timezone.now() - HOUR)
        if number == 5:
            operations.cancel(None, row.get())

    endless.append(look)

    sweep()

    assert all(until > timezone.now() for until in seen[1:])
