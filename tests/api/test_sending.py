"""
Internal: endpoints for what is done with a campaign as a whole.
"""

from __future__ import annotations

import pytest

from edx_ace.campaigns.models import Campaign
from edx_ace.outbox.worker import deliver, sweep

pytestmark = pytest.mark.django_db


@pytest.fixture
def go(client_of, ann, draft):
    """Return a function that does something with a campaign as Ann and returns the answer."""
    campaign, client = draft(), client_of(ann)

    def do(what, **given):
        return client.post(f"/api/{campaign.uuid}/{what}/", given, format="json")

    return do


@pytest.fixture
def accepted(go):
    """The codes of the warnings that a draft has."""
    return [problem["code"] for problem in go("schedule", version=1).json()["problems"]]


def test_warnings_have_to_be_accepted(go, pupils):
    """
    Scheduling is answered with 422 and the warnings, until these are accepted by their codes.
    """
    refused = go("schedule", version=1)
    codes = [problem["code"] for problem in refused.json()["problems"]]
    scheduled = go("schedule", version=1, accept=codes)

    assert refused.status_code == 422
    assert codes and not any(problem["is_error"] for problem in refused.json()["problems"])
    assert (scheduled.status_code, scheduled.json()["state"]) == (200, "scheduled")


def test_a_campaign_is_paused_resumed_and_followed(go, pupils, accepted, client_of, ann, site):
    """
    What is sent can be paused and resumed; progress adds up to all recipients.
    """
    go("schedule", version=1, accept=accepted)
    sweep()
    paused = go("pause", why="Wait for the room")
    resumed = go("resume")
    sweep()
    deliver(lambda: False)
    sweep()
    progress = client_of(ann).get(f"/api/{Campaign.objects.get().uuid}/progress/").json()

    assert (paused.json()["state"], paused.json()["reason"]) == ("paused", "Wait for the room")
    assert resumed.json()["state"] == "sending"
    assert len(site.delivered) == 3
    assert progress["numbers"] == {"sent": 3}
    assert (progress["total"], progress["left"], progress["percent"]) == (3, 0, 100.0)


def test_what_is_scheduled_can_be_put_off_and_taken_back(go, pupils, accepted):
    """
    What is scheduled gets another time, becomes a draft, or ends.
    """
    go("schedule", version=1, accept=accepted)
    moved = go("reschedule", version=1, timing="at", wall_time="2099-01-01T10:00", zone="UTC")
    draft = go("unschedule")
    again = go("schedule", version=2, accept=accepted)
    started = go("start")
    ended = go("cancel")

    assert (moved.json()["due_at"], moved.json()["version"]) == ("2099-01-01T10:00:00Z", 2)
    assert draft.json()["state"] == "draft"
    assert again.json()["state"] == "scheduled"
    assert started.json()["timing"] == "now"
    assert ended.json() == {"stopped": 0, "in_flight": 0}
    assert Campaign.objects.get().state == "cancelled"


def test_what_cannot_be_done_in_a_state_is_a_conflict(go):
    """
    A draft cannot be paused: 409, with a sentence.
    """
    answer = go("pause")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "only what is being sent can be paused" in answer.json()["detail"]


def test_the_author_cannot_approve(go, client_of, bob):
    """
    Approval is somebody else's: 403 for the author, and the approver is named.
    """
    own = go("approve", version=1)
    other = client_of(bob).post(f"/api/{Campaign.objects.get().uuid}/approve/", {"version": 1}, format="json")

    assert (own.status_code, own.json()["code"]) == (403, "forbidden")
    assert (other.json()["approved_version"], other.json()["approved_by"]) == (1, "a-bob")
