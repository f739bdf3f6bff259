"""
Internal: campaigns on their way to a mail server, with what goes wrong on the way.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from edx_ace.campaigns import editing, following, operations
from edx_ace.campaigns.errors import ConflictError
from edx_ace.campaigns.host import Host
from edx_ace.campaigns.models import Campaign, Variant
from edx_ace.channel import smtp
from edx_ace.outbox import usage
from edx_ace.outbox.models import Circuit, Delivery
from edx_ace.outbox.worker import Worker, deliver, sweep
from edx_ace.preferences import Taking, choose
from edx_ace.testing.smtp import Answer, SmtpSink
from edx_ace.tracking import record_event
from tests.channel.mail import SMTP, use_backend
from tests.pipeline import Recorder

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


class Quiet(Host):
    """Lets everybody do everything and tells nobody."""

    def may(self, user, action, scope, campaign=None):
        return True

    def notify(self, campaign, subject, text):
        pass


@pytest.fixture(autouse=True)
def site(settings):
    """Mail goes without unsubscribe links and styles, which others test."""
    settings.ACE_CAMPAIGN_HOST = f"{__name__}.Quiet"
    settings.ACE_CATEGORIES = {"general": {}}
    settings.ACE_ENABLED_POLICIES = []
    settings.ACE_CONTENT_STEPS = []
    settings.ACE_ENABLED_CHANNELS = ["django_email"]
    settings.ACE_OUTBOX_WINDOW = 100


@pytest.fixture
def sink(settings):
    """Return a function that starts a mail server with these answers, to which mail goes."""
    started = []

    def start(**arguments):
        server = SmtpSink(**arguments)
        started.append(server)
        server.__enter__()
        use_backend(settings, SMTP, host=server.host, port=server.port)
        return server

    yield start
    smtp.forget_connections()
    for server in started:
        server.__exit__(None, None, None)


@pytest.fixture
def news(campaign, accounts):
    """Return a function that makes a campaign to so many people, which is due."""

    def make(number, **fields):
        people = accounts(number)
        made = campaign(("accounts", {"start": "user"}), **{"state": "scheduled", "author": people[0], **fields})
        Variant.objects.create(campaign=made, language="en", subject="News", source="<p>Hi</p>", body="<p>Hi</p>")
        return made

    return make


def sweep_on():
    while sweep()[1]:
        pass


def work(batches):
    """Deliver so many batches."""
    for _ in range(batches):
        deliver(lambda: False)


def finish():
    """Let a worker do all that is due, and another sweep see that nothing is left."""
    Worker(once=True).run()
    sweep_on()


def make_due():
    Delivery.objects.filter(state="queued").update(due_at=timezone.now() - HOUR)


def received(sink):
    """Return how often each address got something."""
    return Counter(message.recipients[0] for message in sink.messages)


def numbers(campaign):
    campaign.refresh_from_db()
    return dict(following.progress(campaign).numbers)


def test_paused_and_resumed_everybody_gets_it_once(news, sink):
    """
    At 100 of 300; while it is paused nothing leaves.
    """
    server = sink()
    campaign = news(300)
    sweep_on()
    work(1)
    campaign.refresh_from_db()
    operations.pause(None, campaign)
    assert len(server.messages) == 100

    finish()
    assert len(server.messages) == 100
    assert numbers(campaign) == {"sent": 100, "queued": 200}

    operations.resume(None, campaign)
    sweep_on()
    finish()
    assert received(server) == Counter({f"user{n}@example.com": 1 for n in range(300)})
    assert (numbers(campaign), campaign.state) == ({"sent": 300}, "sent")


def test_cancelled_at_2000_of_10000_it_stops_there(news, sink):
    """
    All figures add up, and nothing more leaves.
    """
    server = sink(keep=False)
    campaign = news(10_000)
    sweep_on()
    work(20)
    campaign.refresh_from_db()

    cancelled = operations.cancel(None, campaign)

    assert (cancelled.stopped, cancelled.in_flight) == (8000, 0)
    finish()
    make_due()
    finish()
    assert server.count == 2000
    assert numbers(campaign) == {"sent": 2000, "cancelled": 8000}
    assert campaign.finished_at is not None


def test_one_who_is_refused_and_one_who_has_to_wait_stop_nobody(news, sink):
    """
    Recipient 3 is refused for good, recipient 9 gets it later, the others at once.
    """
    answers = {"user3": Answer("550 5.1.1 no such user"), "user9": Answer("450 4.2.0 later", times=1)}
    server = sink(answers=answers)
    campaign = news(20)
    finish()
    assert numbers(campaign) == {"sent": 18, "failed": 1, "queued": 1}
    assert campaign.state == "sending"

    make_due()
    finish()

    assert received(server) == Counter({f"user{n}@example.com": 1 for n in range(20) if n != 3})
    assert (numbers(campaign), campaign.state) == ({"sent": 19, "failed": 1}, "sent")
    [failed] = following.outcomes(None, campaign, state="failed").outcomes
    assert (failed.address, failed.code) == ("user3@example.com", "smtp_550")


def test_who_opts_out_between_two_attempts_gets_nothing(news, sink):
    """
    The first was put off by their mail server.
    """
    server = sink(answers={"user1": Answer("450 4.2.0 later", times=1)})
    campaign = news(3)
    finish()
    waiting = Delivery.objects.get(state="queued")
    choose(waiting.recipient, "general", "email", Taking.OFF)

    make_due()
    finish()

    assert "user1@example.com" not in received(server)
    assert numbers(campaign) == {"sent": 2, "skipped": 1}
    assert following.outcomes(None, campaign, state="skipped").outcomes[0].code == "opted_out"


def test_refused_credentials_pause_it_and_nothing_fails(news, sink, settings):
    """
    With the right ones it goes on to everybody.
    """
    server = sink(extensions=("AUTH PLAIN LOGIN",), commands={"AUTH": "535 5.7.8 wrong password"})
    use_backend(settings, SMTP, host=server.host, port=server.port, username="site", password="wrong")
    campaign = news(20)
    sweep_on()
    for _ in range(4):
        work(1)
        make_due()
    sweep_on()

    assert (numbers(campaign), campaign.state, campaign.code) == ({"queued": 20}, "paused", "credentials")
    assert "smtp_535" not in campaign.reason and "535" in campaign.reason

    smtp.forget_connections()
    use_backend(settings, SMTP, host=server.host, port=server.port, username="", password="")
    operations.resume(None, campaign)
    Circuit.objects.update(probe_at=timezone.now() - HOUR)
    sweep_on()
    make_due()
    finish()
    finish()
    assert len(received(server)) == 20
    assert (numbers(campaign), campaign.state) == ({"sent": 20}, "sent")


def test_a_hard_bounce_told_twice_counts_once_and_keeps_the_next_campaign_away(news, campaign, sink):
    """
    The address is suppressed.
    """
    server = sink()
    first = news(3)
    finish()
    message = Delivery.objects.get(address="user1@example.com").payload_id
    for _ in range(2):
        record_event("relay", "hard_bounce", address="user1@example.com", message=message, code="5.1.1")
    assert numbers(first) == {"sent": 2, "bounced": 1}

    again = editing.duplicate(None, first)
    Campaign.objects.filter(pk=again.pk).update(state="scheduled")
    finish()

    assert received(server)["user1@example.com"] == 1
    assert numbers(again) == {"sent": 2, "skipped": 1}


def test_three_sweeps_that_overlap_put_everybody_into_the_outbox_once(news, sink, at_once):
    """
    And each that begins while another works finds nothing to start.
    """
    server = sink()
    campaign = news(300)

    at_once(sweep_on, 3)
    finish()
    finish()

    assert received(server) == Counter({f"user{n}@example.com": 1 for n in range(300)})
    assert campaign.entries.filter(action="started").count() == 1
    assert numbers(campaign) == {"sent": 300}


def test_two_who_submit_the_same_start_it_once(news, sink, at_once):
    """
    One is told that the other was quicker.
    """
    server = sink()
    campaign = news(5, due_at=timezone.now() + HOUR)

    def start():
        try:
            return operations.start_now(None, Campaign.objects.get())
        except ConflictError as error:
            return error

    at_once(start, 2)
    at_once(sweep_on, 2)
    finish()

    assert len(server.messages) == 5
    assert numbers(campaign) == {"sent": 5}
    with pytest.raises(ConflictError):
        editing.save(None, campaign, version=campaign.version, name="Too late")


def test_1500_recipients_wait_for_10_a_second_and_1000_a_day(news, settings, use_channels, monkeypatch):
    """
    None fails and none is tried in vain; the next day the others go.
    """
    settings.ACE_RATE_LIMITS = {"mail": "10/s, 1000/day"}
    settings.ACE_RATE_LIMITS_RESERVE = 0
    # Otherwise a worker takes one at a time, as there may be many workers.
    monkeypatch.setattr("edx_ace.outbox.rates.SHARE_AT_A_TIME", 1)
    channel = Recorder()
    use_channels(mail=channel)
    change, now, sent_at = usage.change, 1_900_000_000.0, []
    monkeypatch.setattr(usage, "change", lambda name, act: change(name, lambda used, _, sub: act(used, now, sub)))
    campaign = news(1500)
    sweep_on()

    def go_on(seconds):
        """Let a worker ask again and again."""
        nonlocal now
        until = now + seconds
        while now < until:
            before = len(channel.delivered)
            work(1)
            sent_at.extend([now] * (len(channel.delivered) - before))
            now += 0.55

    go_on(130)
    assert len(sent_at) == 1000
    assert numbers(campaign) == {"sent": 1000, "queued": 500}
    assert not Delivery.objects.filter(state="queued").exclude(attempts=0, code="").exists()
    now += 25 * 60 * 60 + 1800
    go_on(75)

    assert numbers(campaign) == {"sent": 1500}
    assert max(sent_at.count(moment) for moment in sent_at) <= 10
    assert all(later - first > 0.99 for first, later in zip(sent_at, sent_at[10:], strict=False))
    assert len({message.recipient.lms_user_id for message in channel.delivered}) == 1500
