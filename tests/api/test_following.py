"""
Internal: endpoints that say what has come of a campaign.
"""

from __future__ import annotations

import pytest

from edx_ace.campaigns import operations, preflight
from edx_ace.outbox.worker import Worker, sweep

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(ann, draft, pupils):
    """A campaign that was sent to three pupils."""
    campaign = draft()
    codes = [problem.code for problem in preflight.problems(campaign)]
    operations.schedule(ann, campaign, version=1, accept=codes)
    Worker(once=True).run()
    while sweep()[1]:
        pass
    return campaign


def test_recipients_are_listed_a_page_at_a_time(client_of, ann, sent):
    """
    Each has its outcome; a search finds one by address; a state finds those of it.
    """
    client, url = client_of(ann), f"/api/{sent.uuid}/recipients/"

    first = client.get(url, {"size": 2}).json()
    second = client.get(url, {"size": 2, "after": first["next"]}).json()
    found = client.get(url, {"search": "PUPIL1@example.com"}).json()
    by_state = client.get(url, {"state": "sent", "size": 2}).json()
    rest = client.get(url, {"state": "sent", "size": 2, "after": by_state["next"]}).json()

    addresses = {one["address"] for one in first["outcomes"] + second["outcomes"]}
    assert addresses == {f"pupil{index}@example.com" for index in range(3)}
    assert {one["state"] for one in first["outcomes"]} == {"sent"}
    assert second["next"] == ""
    assert [one["address"] for one in found["outcomes"]] == ["pupil1@example.com"]
    assert {one["address"] for one in by_state["outcomes"] + rest["outcomes"]} == addresses


@pytest.mark.parametrize(
    "query",
    [
        {"after": "x"},
        {"after": "9" * 30},
        {"after": "٣"},
        {"state": "sent", "after": "x"},
        {"state": "sent", "after": "2027-01-01T00:00:00,1"},
        {"state": "sent", "after": "2027-13-01T00:00:00+00:00,1"},
        {"state": "skipped", "after": "x"},
        {"state": "queued", "after": "x"},
    ],
)
def test_what_is_no_page_is_a_problem(client_of, ann, sent, query):
    """
    Whatever is asked for a page with is answered with 422 if it is of none.
    """
    answer = client_of(ann).get(f"/api/{sent.uuid}/recipients/", query)

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_page")


def test_recipients_are_exported(client_of, ann, sent):
    """
    As a file of CSV, whatever type is asked for; the audit trail says who did.
    """
    client = client_of(ann)

    answer = client.get(f"/api/{sent.uuid}/recipients.csv", {"state": "sent"}, headers={"Accept": "text/csv"})
    lines = b"".join(answer.streaming_content).decode().splitlines()
    trail = client.get(f"/api/{sent.uuid}/audit-trail/").json()

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="{sent.uuid}.csv"'
    assert len(lines) == 4
    assert [(one["action"], one["who"]) for one in trail] == [
        ("created", "a-ann"),
        ("scheduled", "a-ann"),
        ("started", ""),
        ("finished", ""),
        ("exported", "a-ann"),
    ]
    assert trail[0]["at"].endswith("Z")


def test_engagement_is_told_by_day(client_of, ann, sent):
    """
    Three were sent today.
    """
    (day,) = client_of(ann).get(f"/api/{sent.uuid}/engagement/").json()

    assert day["numbers"]["sent"] == 3


def test_a_campaign_is_followed_up(client_of, ann, sent):
    """
    The draft has the content of the first, and its own audience.
    """
    answer = client_of(ann).post(f"/api/{sent.uuid}/follow-up/", {"whom": "joined"}, format="json")

    assert answer.status_code == 201
    assert [part["audience"] for part in answer.json()["parts"]] == ["pupils", "members_of"]
    assert answer.json()["origin"] == str(sent.uuid)
