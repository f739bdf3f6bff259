"""
Internal: how members get into the outbox: each once, and when.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from edx_ace import ChannelType, Recipient
from edx_ace.campaigns import expanding, resolving
from edx_ace.campaigns.audiences import Person
from edx_ace.campaigns.expanding import expand
from edx_ace.campaigns.models import Campaign
from edx_ace.outbox import Priority, State, status
from edx_ace.outbox.models import Delivery, Payload
from tests.pipeline import Recorder, always, never

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_chunks(monkeypatch):
    """Three members go at a time."""
    monkeypatch.setattr(expanding, "CHUNK_SIZE", 3)


@pytest.fixture
def found(resolution):
    """Return a function that makes a campaign as `campaign` does, and finds its members."""

    def make(*parts, **fields):
        one = resolution(*parts, **fields)
        assert resolving.resolve(one, always)
        return one.campaign

    return make


def fresh(campaign):
    """Return the row as another process has it."""
    return Campaign.objects.get(pk=campaign.pk)


def recipients():
    """Return whom the outbox has messages to, in the order in which they were put there."""
    return list(Delivery.objects.order_by("pk").values_list("address", flat=True))


def test_members_go_into_the_outbox_in_order(found, accounts, small_chunks):
    """
    As references, after everything that is not in bulk.
    """
    accounts(7)
    campaign = found("accounts", scope="course:7")

    assert expand(campaign, always) is True

    assert recipients() == [f"user{number}@example.com" for number in range(7)]
    assert set(Delivery.objects.values_list("batch", "priority", "scope", "category", "is_essential")) == {
        (campaign.uuid, Priority.BULK, "course:7", "general", False)
    }
    assert set(Payload.objects.values_list("source", "message_type")) == {("ace_campaigns", "ace_campaigns.campaign")}
    now = fresh(campaign)
    assert (now.expanded, now.expanded_at is not None) == (7, True)
    assert status(batch=campaign.uuid).states == {State.QUEUED: 7}


def test_whoever_gets_nothing_is_left_out(found, accounts, listed):
    """
    The outbox does not know them.
    """
    accounts(2)
    accounts(2, "none", email="")
    listed("not", "user0@example.com")
    campaign = found("accounts", ("-listed", {"list": "not"}))

    expand(campaign, always)

    assert recipients() == ["user1@example.com"]
    assert fresh(campaign).expanded == 1


def test_an_empty_campaign_is_in_the_outbox(found):
    """
    Nobody belongs to it.
    """
    assert expand(found("accounts"), never) is True
    assert not Payload.objects.exists()


def test_each_call_goes_on_where_the_last_one_ended(found, accounts, small_chunks):
    """
    A chunk each, however short the time is.
    """
    accounts(7)
    campaign = found("accounts")

    done = [expand(fresh(campaign), never) for _ in range(3)]

    assert done == [False, False, True]
    assert len(recipients()) == 7


def test_a_chunk_that_is_put_there_again_changes_nothing(found, accounts, small_chunks):
    """
    As when it had been forgotten how far this was.
    """
    accounts(4)
    campaign = found("accounts")
    expand(campaign, never)
    Campaign.objects.update(expanded_to=0, expanded=0)

    assert expand(fresh(campaign), always) is True

    assert len(recipients()) == len(set(recipients())) == 4


@pytest.mark.parametrize("change", [{"fence": 7}, {"state": "paused"}, {"state": "cancelled"}, {"expanded_to": 10**6}])
def test_a_worker_that_has_lost_the_campaign_puts_nothing_there(change, found, accounts, small_chunks):
    """
    Another has claimed it, or somebody has stopped it.
    """
    accounts(7)
    campaign = found("accounts")
    expand(campaign, never)
    Campaign.objects.update(**change)

    assert expand(campaign, always) is False

    assert len(recipients()) == 3


@pytest.mark.django_db(transaction=True)
def test_three_that_expand_at_once_put_each_there_once(found, accounts, at_once, monkeypatch):
    """
    Even under the same fencing number.
    """
    monkeypatch.setattr(expanding, "CHUNK_SIZE", 20)
    accounts(100)
    campaign = found("accounts")

    def until_done():
        while not expand(fresh(campaign), always):
            pass

    at_once(until_done, 3)

    assert len(recipients()) == len(set(recipients())) == fresh(campaign).expanded == 100


def test_the_first_ones_go_alone(found, accounts, small_chunks):
    """
    The others wait until somebody finds that what came of them is fine.
    """
    accounts(9)
    campaign = found("accounts", canary=4)

    assert expand(campaign, always) is False
    assert expand(fresh(campaign), always) is False
    assert len(recipients()) == 4
    assert fresh(campaign).canary_at is not None

    Campaign.objects.update(is_canary_fine=True)
    assert expand(fresh(campaign), always) is True
    assert len(recipients()) == 9


def test_fewer_than_the_first_ones_are_all(found, accounts):
    """
    Nobody is left to wait.
    """
    accounts(3)
    campaign = found("accounts", canary=4)

    assert expand(campaign, always) is True
    assert fresh(campaign).canary_at is None


def test_a_rate_gives_each_its_moment(found, accounts):
    """
    Those of the next minute are in the outbox, however often it is called.
    """
    accounts(20)
    campaign = found("accounts", rate="600/h, 100000/day")

    assert expand(campaign, always) is False
    assert expand(fresh(campaign), always) is False

    moments = list(Delivery.objects.order_by("pk").values_list("due_at", flat=True))
    assert 10 <= len(moments) <= 11
    # The slower of the two: 100,000 a day are more than 600 an hour.
    assert {later - earlier for earlier, later in pairwise(moments)} == {timedelta(seconds=6)}


def test_what_a_rate_allowed_while_a_campaign_was_paused_is_lost(found, accounts):
    """
    It does not catch up.
    """
    accounts(50)
    campaign = found("accounts", rate="10/min")
    expand(campaign, always)
    Campaign.objects.update(paced_to=timezone.now() - timedelta(hours=1))

    expand(fresh(campaign), always)

    assert 20 <= len(recipients()) <= 22
    assert Delivery.objects.order_by("-pk").first().due_at > timezone.now() + timedelta(seconds=45)


def test_local_times_are_those_of_each_recipient(found, given):
    """
    A zone that nobody knows is the site's.
    """
    given.people = [
        Person(Recipient(number, f"{number}@example.com"), zone=zone)
        for number, zone in enumerate(["Europe/Berlin", "America/New_York", "Mars/Olympus", "Europe/Berlin"])
    ]
    campaign = found("given", timing="local", wall_time="2030-06-01T10:00")

    expand(campaign, always)

    assert [moment.astimezone(UTC) for moment in Delivery.objects.order_by("pk").values_list("due_at", flat=True)] == [
        datetime(2030, 6, 1, hour, tzinfo=UTC) for hour in (8, 14, 15, 8)
    ]


def test_other_channel_types_have_their_addresses(found, given, use_channels):
    """
    A delivery for each channel type of the campaign.
    """
    use_channels(mail=Recorder(), texts=Recorder(ChannelType.SMS))
    given.people = [Person(Recipient(1, "ann@example.com", addresses={"sms": "+4930123"}))]
    campaign = found("given", channel_types="email,sms")

    expand(campaign, always)

    assert sorted(Delivery.objects.values_list("channel_type", "address", "state")) == [
        ("email", "ann@example.com", "queued"),
        ("sms", "+4930123", "queued"),
    ]


def test_members_are_found_by_an_index(found, accounts, small_chunks):
    """
    However many campaigns there were.
    """
    accounts(4)
    campaign = found("accounts")
    with CaptureQueriesContext(connection) as captured:
        expand(campaign, always)

    page = next(one["sql"] for one in captured if "ace_campaigns_member" in one["sql"] and "LIMIT" in one["sql"])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Of a few rows it reads all.
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{page}")
        said = str(cursor.fetchall())
    assert "ace_campaigns_members" in said or "PRIMARY" in said or "ace_campaigns_member_pkey" in said, said


def test_members_are_read_in_ranges_of_their_keys(found, accounts, small_chunks):
    """
    A database without figures of the table would read all that remain for each few; gaps between keys do no harm.
    """
    accounts(20)
    campaign = found("accounts")
    keys = list(campaign.resolution.members.order_by("pk").values_list("pk", flat=True))
    campaign.resolution.members.filter(pk__in=[*keys[1:9], keys[12]]).delete()
    campaign.resolution.members.filter(pk__in=keys[14:18]).update(reason="inactive")

    with CaptureQueriesContext(connection) as captured:
        assert expand(campaign, always) is True

    assert recipients() == [f"user{number}@example.com" for number in (0, 9, 10, 11, 13, 18, 19)]
    reads = [one["sql"] for one in captured if one["sql"].startswith("SELECT") and "ORDER BY" in one["sql"]]
    reads = [sql for sql in reads if "ace_campaigns_member" in sql]
    assert reads
    assert all(" >= " in sql and " <= " in sql for sql in reads)
