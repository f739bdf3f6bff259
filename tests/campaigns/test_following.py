"""
Internal: what has come of a campaign.
"""

from __future__ import annotations

import csv
import time

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from edx_ace.campaigns import expanding, following, resolving
from edx_ace.campaigns.errors import ForbiddenError
from edx_ace.campaigns.models import Campaign
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import State
from tests.pipeline import Recorder

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch, use_channels):
    """Three members go into the outbox at a time; the channel accepts everything."""
    use_channels(mail=Recorder())
    monkeypatch.setattr(expanding, "CHUNK_SIZE", 3)


@pytest.fixture
def found(resolution, accounts):
    """A campaign to seven people and one without an address, whose recipients are found."""
    accounts(7)
    accounts(1, "silent", email="")
    one = resolution("accounts")
    assert resolving.resolve(one, lambda: True)
    return one.campaign


def put(campaign, chunks):
    """Put so many chunks into the outbox."""
    left = iter(range(chunks - 1))
    expanding.expand(campaign, lambda: next(left, None) is not None)
    campaign.refresh_from_db()


def bring(number, state, **fields):
    """Let so many deliveries that wait be in another state."""
    rows = list(Delivery.objects.filter(state=State.QUEUED).order_by("pk")[:number])
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(state=state, **fields)
    Delivery.moved(rows, State.QUEUED, state, "default")


def all_of(campaign, **asked):
    """Return what became of everybody, read two at a time."""
    outcomes, after = [], ""
    while True:
        page = following.outcomes(None, campaign, after=after, size=2, **asked)
        assert len(page.outcomes) <= 2
        outcomes += page.outcomes
        after = page.next
        if not after:
            return outcomes


def test_figures_add_up_at_every_step(found):
    """
    Whoever is not in the outbox yet waits.
    """
    assert following.progress(found).numbers == {"waiting": 7}
    put(found, 1)
    bring(2, State.SENT)
    figures = following.progress(found)
    assert (figures.numbers, figures.reasons) == ({"sent": 2, "queued": 1, "waiting": 4}, {"no_address": 1})
    assert (figures.total, figures.left, round(figures.percent)) == (7, 5, 29)

    Campaign.objects.update(state="cancelled")
    found.refresh_from_db()
    assert following.progress(found).numbers == {"sent": 2, "queued": 1, "stopped": 4}


def test_before_recipients_are_found_there_are_no_figures(resolution, accounts):
    """
    It says that they are being found.
    """
    accounts(2)
    campaign = resolution("accounts", started_at="2026-01-01T00:00Z").campaign
    campaign.refresh_from_db()

    figures = following.progress(campaign)

    assert (figures.is_resolving, figures.total, figures.percent, figures.percents) == (True, 0, 0, {})


def test_what_was_purged_is_forgotten(found):
    """
    The total stays.
    """
    put(found, 3)
    bring(7, State.SENT)
    rows = list(Delivery.objects.all())
    Delivery.objects.all().delete()
    Delivery.moved(rows, State.SENT, "", "default")

    assert following.progress(found).numbers == {"forgotten": 7}
    assert {one.state for one in all_of(found)} == {"forgotten", "skipped"}
    assert len(all_of(found, state="forgotten")) == 7


def test_the_rate_is_that_of_the_last_minute(found):
    """
    By what the sweep has seen; the time left goes by it.
    """
    put(found, 1)
    now = time.time()
    Campaign.objects.update(samples=[[now - 20, 0], [now, 10]])
    found.refresh_from_db()

    figures = following.progress(found)

    assert figures.per_second == pytest.approx(0.5)
    assert figures.seconds_left == pytest.approx(14)


def test_each_recipient_is_listed_with_what_became_of_them(found):
    """
    A page at a time, in whatever state.
    """
    put(found, 1)
    bring(1, State.FAILED, code="smtp_550", reason="no such user", finished_at="2026-01-01T00:00Z")

    listed = [(one.address, one.state, one.code) for one in all_of(found)]

    assert listed == [
        ("user0@example.com", "failed", "smtp_550"),
        ("user1@example.com", "queued", ""),
        ("user2@example.com", "queued", ""),
        ("user3@example.com", "waiting", ""),
        ("user4@example.com", "waiting", ""),
        ("user5@example.com", "waiting", ""),
        ("user6@example.com", "waiting", ""),
        ("", "skipped", "no_address"),
    ]
    with pytest.raises(ForbiddenError):
        following.outcomes(User.objects.create(username="eve"), found)


@pytest.mark.parametrize(
    ("state", "addresses"),
    [
        # The latest first.
        ("sent", ["user4@example.com", "user3@example.com", "user2@example.com", "user1@example.com"]),
        ("failed", ["user0@example.com"]),
        ("queued", ["user5@example.com"]),
        ("waiting", ["user6@example.com"]),
        ("skipped", [""]),
        ("bounced", []),
    ],
)
def test_those_in_one_state_are_listed(found, state, addresses):
    """
    The others are not read.
    """
    put(found, 2)
    for number, to_state in enumerate(["failed", "sent", "sent", "sent", "sent"]):
        bring(1, State(to_state), finished_at=f"2026-01-01T00:0{number // 2}Z")

    listed = all_of(found, state=state)

    assert [one.address for one in listed] == addresses
    assert {one.state for one in listed} <= {state}
    members = dict(found.resolution.members.values_list("pk", "address"))
    assert all((members[one.member] or "") == one.address for one in listed)


@pytest.mark.parametrize(
    ("state", "number"),
    [("", 8), ("waiting", 4), ("skipped", 1)],
)
def test_recipients_are_read_in_ranges_of_their_keys(found, state, number, monkeypatch):
    """
    A database without figures of the table would read all that remain for each page; gaps between keys do no harm.
    """
    monkeypatch.setattr(following, "RANGE_SIZE", 2)
    put(found, 1)
    found.resolution.members.filter(address="user1@example.com").update(reason="excluded")

    with CaptureQueriesContext(connection) as captured:
        listed = all_of(found, state=state)

    assert len(listed) == number - (not state)
    reads = [one["sql"] for one in captured if 'FROM "ace_campaigns_member"' in one["sql"].replace("`", '"')]
    pages = [sql for sql in reads if "LIMIT" in sql]
    assert pages
    assert all(" >= " in sql and " <= " in sql for sql in pages)


def test_nobody_is_a_recipient_before_a_campaign_has_started(campaign):
    """
    Whoever is looked for.
    """
    made = campaign("accounts", state="draft")

    assert all_of(made) == all_of(made, search="user1@example.com") == all_of(made, state="sent", search="1") == []


def test_whose_message_was_skipped_follows_whom_nothing_was_to_go_to(found):
    """
    All of them are skipped.
    """
    put(found, 2)
    bring(3, State.SKIPPED, code="opted_out", finished_at="2026-01-01T00:00Z")

    assert [one.code for one in all_of(found, state="skipped")] == ["no_address", *["opted_out"] * 3]


@pytest.mark.parametrize("state", ["", "queued"])
def test_one_is_found_by_their_address_or_id(found, state):
    """
    However the address is written, and nobody by a part of it.
    """
    put(found, 3)
    user = User.objects.get(email="user3@example.com")

    for search in (" USER3@Example.com ", str(user.pk)):
        assert [one.address for one in all_of(found, search=search, state=state)] == ["user3@example.com"]
    for search in ("user3", "user3@", "@", "other@example.com"):
        assert all_of(found, search=search, state=state) == []


def test_everything_is_exported(found, monkeypatch):
    """
    As CSV that no spreadsheet takes for formulas; it is written down who did.
    """
    monkeypatch.setattr(following, "CHUNK_SIZE", 3)
    put(found, 1)
    bring(1, State.FAILED, code="smtp_550", reason="=cmd()", finished_at="2026-01-01T00:00Z")

    rows = list(csv.DictReader(following.export(None, found)))

    assert len(rows) == 8
    assert rows[0]["reason"] == "'=cmd()"
    assert (rows[0]["address"], rows[0]["state"]) == ("user0@example.com", "failed")
    assert found.entries.get().action == "exported"


def test_engagement_is_what_tracking_has_counted(found):
    """
    Of this send; nothing yet.
    """
    assert following.engagement(found) == []
