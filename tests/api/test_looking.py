"""
Internal: endpoints that show a campaign before it is sent.
"""

from __future__ import annotations

import pytest

from edx_ace.campaigns.running import tick

pytestmark = pytest.mark.django_db


def test_a_preview_is_what_somebody_gets(client_of, ann, draft, pupils):
    """
    People are found, and it is shown with their values.
    """
    client, campaign = client_of(ann), draft()

    (found,) = client.get(f"/api/{campaign.uuid}/people/", {"search": "pupil1"}).json()
    seen = client.get(f"/api/{campaign.uuid}/preview/", {"reference": found["reference"]}).json()

    assert (found["address"], found["values"]) == ("pupil1@example.com", {"first_name": "Pupil 1"})
    assert seen["subject"] == "News"
    assert "Hello Pupil 1." in seen["html"] and "Hello Pupil 1." in seen["text"]


def test_nobody_is_a_problem(client_of, ann, draft, pupils):
    """
    A reference of nobody is answered with 422.
    """
    answer = client_of(ann).get(f"/api/{draft().uuid}/preview/", {"reference": "0:0"})

    assert (answer.status_code, answer.json()["code"]) == (422, "nobody")


def test_a_test_goes_to_whoever_asks(client_of, ann, draft, site):
    """
    Its report says what came of it; it goes to no other address.
    """
    client, campaign = client_of(ann), draft()

    sent = client.post(f"/api/{campaign.uuid}/test/", {}, format="json")
    refused = client.post(f"/api/{campaign.uuid}/test/", {"address": "x@example.com"}, format="json")

    assert [(one["channel_type"], one["outcome"]) for one in sent.json()["deliveries"]] == [("email", "sent")]
    assert [one.recipient.email_address for one in site.delivered] == ["ann@example.com"]
    assert [one["code"] for one in refused.json()["problems"]] == ["bad_test_address"]


def test_recipients_are_counted_before(client_of, ann, draft, pupils):
    """
    There is a forecast once workers have made it, until others would get it; the preflight has its numbers.
    """
    client, campaign = client_of(ann), draft()

    none = client.get(f"/api/{campaign.uuid}/forecast/")
    started = client.post(f"/api/{campaign.uuid}/forecast/")
    waiting = client.get(f"/api/{campaign.uuid}/forecast/")
    tick()
    made = client.get(f"/api/{campaign.uuid}/forecast/")
    preflight = client.get(f"/api/{campaign.uuid}/preflight/").json()
    client.patch(f"/api/{campaign.uuid}/", {"version": 1, "channel_types": ["push"]}, format="json")
    gone = client.get(f"/api/{campaign.uuid}/forecast/")

    assert (none.status_code, gone.status_code) == (404, 404)
    assert made.json()["numbers"] == {"": 3}
    assert made.json()["channels"] == {"email": {"": 3}}
    assert made.json()["share"] == 1
    assert started.status_code == 202
    assert started.json() == waiting.json() == {"version": 1, "share": 0, "at": None, "numbers": {}, "channels": {}}
    assert preflight["numbers"] == {"": 3}
    assert all(not problem["is_error"] for problem in preflight["problems"])


def test_what_cannot_be_counted_is_a_problem(client_of, ann, draft):
    """
    An audience that cannot be read is answered with its reason.
    """
    campaign = draft()
    campaign.parts.update(audience="gone")

    started = client_of(ann).post(f"/api/{campaign.uuid}/forecast/")
    tick()
    answer = client_of(ann).get(f"/api/{campaign.uuid}/forecast/")

    assert (started.status_code, answer.status_code) == (202, 422)
    assert "gone" in answer.json()["detail"]
