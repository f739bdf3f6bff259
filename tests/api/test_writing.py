"""
Internal: endpoints that write campaigns.
"""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from edx_ace.campaigns.models import Campaign
from tests.api.conftest import TEXT

pytestmark = pytest.mark.django_db

PARTS = [{"audience": "pupils", "params": {"start": "pupil"}}]


def test_what_is_created_can_be_read(client_of, ann):
    """
    A campaign that is posted is a draft with all its fields, and is read as it was answered.
    """
    client = client_of(ann)

    made = client.post(
        "/api/", {"scope": "a", "name": "Terms", "variants": [TEXT], "parts": PARTS, "canary": 5}, format="json"
    )
    read = client.get(f"/api/{made.data['id']}/")

    assert made.status_code == 201
    assert read.json() == made.json()
    assert read.json()["state"] == "draft"
    assert (read.json()["name"], read.json()["canary"], read.json()["scope_label"]) == ("Terms", 5, "A")
    assert read.json()["variants"][0]["body"] == "<p>Hello {{ first_name|you }}.</p>"
    assert read.json()["parts"] == [
        {
            "audience": "pupils",
            "params": {"start": "pupil", "year": ""},
            "is_excluded": False,
            "description": "Pupils: pupil",
        }
    ]
    assert read.json()["channel_types"] == ["email"]
    assert set(read.json()["actions"]) == {"view", "write", "send", "approve", "see_people"}


def test_the_same_key_makes_one(client_of, ann):
    """
    A call that is repeated under its Idempotency-Key answers with what it made at first.
    """
    client = client_of(ann)

    one, other = (
        client.post("/api/", {"scope": "a", "name": "Terms"}, format="json", headers={"Idempotency-Key": "k"})
        for _ in range(2)
    )

    assert one.data["id"] == other.data["id"]
    assert Campaign.objects.count() == 1


def test_all_that_is_wrong_is_told_and_nothing_kept(client_of, ann):
    """
    What cannot be written is answered with 422 and a problem for each fault, with its place.
    """
    variant = {**TEXT, "source": "<p>{{ frist_name }}</p>"}

    answer = client_of(ann).post("/api/", {"scope": "a", "category": "none", "variants": [variant]}, format="json")

    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (422, "refused", "about:blank")
    places = {problem["where"]: problem["code"] for problem in body["problems"]}
    assert places == {"category": "unknown_category", "variants.email.en.source": "unknown_keyword"}
    assert not Campaign.objects.exists()


@pytest.mark.parametrize(
    ("given", "where", "code"),
    [
        # Not of its type.
        ({"canary": "many"}, "canary", "invalid"),
        ({"variants": {}}, "variants", "not_a_list"),
        ({"variants": [{"channel_type": "email"}]}, "variants.0.language", "required"),
        ({"channel_types": ["pigeon"]}, "channel_types.0", "invalid_choice"),
        # Not there.
        ({"naem": "Terms"}, "naem", "unknown_field"),
        ({"parts": [{"audience": "pupils", "exclude": True}]}, "parts.0.exclude", "unknown_field"),
    ],
)
def test_what_is_of_another_shape_is_told_by_place(client_of, ann, given, where, code):
    """
    A body that is not of the shape of the schema is answered with 400, and the place in it.
    """
    answer = client_of(ann).post("/api/", {"scope": "a", **given}, format="json")

    assert answer.status_code == 400
    found = {problem["where"]: problem["code"] for problem in answer.json()["problems"]}
    assert found[where] == code


def test_what_is_no_json_is_a_problem(client_of, ann):
    """
    A body that cannot be parsed is answered with 400.
    """
    answer = client_of(ann).post("/api/", "{", content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


def test_who_is_not_logged_in_gets_nothing(client):
    """
    Without a user there are no campaigns.
    """
    answer = client.get("/api/")

    assert answer.status_code in (401, 403)
    assert answer.json()["code"] == "not_authenticated"


def test_only_what_changes_is_given(client_of, ann, draft):
    """
    A change leaves everything else as it is, and counts the version up.
    """
    campaign = draft()

    answer = client_of(ann).patch(f"/api/{campaign.uuid}/", {"version": 1, "name": "Changed"}, format="json")

    assert answer.status_code == 200
    assert (answer.json()["version"], answer.json()["name"]) == (2, "Changed")
    assert [one["subject"] for one in answer.json()["variants"]] == ["News"]


def test_what_was_read_can_be_given_back(client_of, ann, draft):
    """
    Variants and parts are accepted as they are answered.
    """
    client, campaign = client_of(ann), draft()
    read = client.get(f"/api/{campaign.uuid}/").json()

    answer = client.patch(
        f"/api/{campaign.uuid}/", {name: read[name] for name in ("version", "variants", "parts")}, format="json"
    )

    assert answer.status_code == 200
    assert answer.json()["variants"] == read["variants"]


def test_an_old_version_is_a_conflict(client_of, ann, bob, draft):
    """
    Of two who change the same version one is told with 409.
    """
    campaign = draft()
    client_of(ann).patch(f"/api/{campaign.uuid}/", {"version": 1, "name": "Ann's"}, format="json")

    answer = client_of(bob).patch(f"/api/{campaign.uuid}/", {"version": 1, "name": "Bob's"}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert Campaign.objects.get().name == "Ann's"


def test_a_draft_can_be_deleted(client_of, ann, draft):
    """
    Deleting takes the version that was seen.
    """
    client, campaign = client_of(ann), draft()

    too_early = client.delete(f"/api/{campaign.uuid}/")
    deleted = client.delete(f"/api/{campaign.uuid}/?version=1")

    assert too_early.status_code == 400
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert not Campaign.objects.exists()


def test_what_there_is_not_is_not_found(client_of, ann):
    """
    An id of nothing is answered with 404.
    """
    answer = client_of(ann).get(f"/api/{uuid4()}/")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_pages_follow_one_another(client_of, ann, draft, eve):
    """
    A list has the campaigns of the user's scopes, the latest first, a page at a time.
    """
    for name in ["one", "two", "three"]:
        draft(name=name)
    draft(eve, "b", name="another's")
    client = client_of(ann)

    first = client.get("/api/", {"size": 2}).json()
    second = client.get("/api/", {"size": 2, "after": first["next"]}).json()

    assert [one["name"] for one in first["campaigns"]] == ["three", "two"]
    assert [one["name"] for one in second["campaigns"]] == ["one"]
    assert second["next"] == ""
    assert client.get("/api/", {"scope": "b"}).json()["campaigns"] == []
    assert client.get("/api/", {"state": "sent"}).json()["campaigns"] == []
    assert client.get("/api/", {"after": "x"}).status_code == 422


def test_a_copy_takes_what_is_given(client_of, ann, draft):
    """
    A copy has what is written in the original, but for the fields that are given.
    """
    campaign = draft()

    answer = client_of(ann).post(f"/api/{campaign.uuid}/duplicate/", {"name": "Again"}, format="json")

    assert answer.status_code == 201
    assert (answer.json()["name"], answer.json()["origin"]) == ("Again", str(campaign.uuid))
    assert answer.json()["variants"][0]["subject"] == "News"


def test_a_file_is_attached_read_and_taken_off(client_of, ann, draft):
    """
    Each gives the campaign its next version, and answers with it.
    """
    client, url = client_of(ann), f"/api/{draft().uuid}/attachments/"
    plan = SimpleUploadedFile("plan “A”.txt", b"plan")

    attached = client.post(url, {"version": 1, "file": plan}, format="multipart")
    (attachment,) = attached.json()["attachments"]
    file = client.get(f"{url}{attachment['id']}/", headers={"Accept": "text/plain"})
    off = client.delete(f"{url}{attachment['id']}/?version=2")

    assert (attached.status_code, attached.json()["version"]) == (201, 2)
    assert (attachment["name"], attachment["size"], attachment["content_type"]) == ("plan “A”.txt", 4, "text/plain")
    assert (file.content, file["Content-Type"], file["X-Content-Type-Options"]) == (b"plan", "text/plain", "nosniff")
    assert file["Content-Disposition"].startswith("attachment;")
    assert (off.json()["version"], off.json()["attachments"]) == (3, [])


def test_files_are_told_without_being_read(client_of, ann, draft):
    """
    What is in them may be megabytes.
    """
    client, url = client_of(ann), f"/api/{draft().uuid}/"
    client.post(f"{url}attachments/", {"version": 1, "file": SimpleUploadedFile("a.txt", b"A")}, format="multipart")

    with CaptureQueriesContext(connection) as captured:
        answer = client.get(url)

    assert [one["name"] for one in answer.json()["attachments"]] == ["a.txt"]
    reads = [one["sql"] for one in captured if "ace_campaigns_attachment" in one["sql"]]
    assert len(reads) == 1
    assert not re.search(r"\bcontent\b", reads[0])


def test_a_file_of_another_type_is_refused(client_of, ann, draft):
    """
    What cannot be attached is told.
    """
    program = SimpleUploadedFile("run.exe", b"MZ")

    answer = client_of(ann).post(
        f"/api/{draft().uuid}/attachments/", {"version": 1, "file": program}, format="multipart"
    )

    assert answer.status_code == 422
    assert answer.json()["problems"][0]["is_error"]


def test_a_campaign_is_written_from_a_template(client_of, ann, draft):
    """
    What is kept of one is written into another.
    """
    client = client_of(ann)

    kept = client.post(f"/api/{draft().uuid}/template/", {"name": "Terms"}, format="json")
    (listed,) = client.get("/api/templates/", {"scope": "a"}).json()
    made = client.post(f"/api/templates/{listed['id']}/campaigns/", {"scope": "a"}, format="json")

    assert (kept.status_code, kept.json()["number"]) == (201, 1)
    assert listed == kept.json()
    assert listed["variants"] == [{**TEXT, "preheader": "", "format": "html", "url": ""}]
    assert (made.status_code, made.json()["name"]) == (201, "Terms")
    assert made.json()["variants"][0]["source"] == TEXT["source"]


def test_a_list_of_addresses_is_brought(client_of, ann):
    """
    Its rows are counted, double ones told; if a line is wrong, that is told and nothing kept.
    """
    client = client_of(ann)

    def bring(name, text):
        file = SimpleUploadedFile("list.csv", text)
        return client.post("/api/address-lists/", {"name": name, "scope": "a", "file": file}, format="multipart")

    good = bring("Parents", b"address\nada@example.com\nADA@example.com\n")
    bad = bring("Others", b"address\nada\n")
    lists = client.get("/api/address-lists/", {"scope": "a"}).json()

    assert (good.status_code, good.json()["number"]) == (201, 1)
    assert [(one["code"], one["line"]) for one in good.json()["duplicates"]] == [("duplicate", 3)]
    assert [(one["code"], one["line"]) for one in bad.json()["problems"]] == [("bad_address", 2)]
    assert [one["name"] for one in lists] == ["Parents"]


@pytest.mark.parametrize("given", [{"canary": -1}, {"canary": 10**30}, {"offset_minutes": 10**30}])
def test_a_number_that_cannot_be_kept_is_refused(client_of, ann, given):
    """
    Whatever the database can keep.
    """
    answer = client_of(ann).post("/api/", {"scope": "a", **given}, format="json")

    assert answer.status_code == 422
    assert [one["where"] for one in answer.json()["problems"]] == list(given)


def test_a_version_that_there_cannot_be_is_a_conflict(client_of, ann, draft):
    """
    However large it is.
    """
    answer = client_of(ann).patch(f"/api/{draft().uuid}/", {"version": 10**30, "name": "New"}, format="json")

    assert answer.status_code == 409


def test_whatever_makes_something_heeds_the_key(client_of, ann, draft):
    """
    A file, a list, a template, a test and a follow-up are made once under their Idempotency-Key.
    """
    client, campaign = client_of(ann), draft()
    own, headers = f"/api/{campaign.uuid}", {"Idempotency-Key": "k"}

    def twice(address, data, kind="json"):
        found = []
        for _ in range(2):
            for file in data.values():
                if isinstance(file, SimpleUploadedFile):
                    file.seek(0)
            found.append(client.post(address, data, format=kind, headers=headers))
        assert found[0].status_code in (200, 201), found[0].data
        assert found[0].json() == found[1].json()
        return found[0].json()

    file = SimpleUploadedFile("plan.txt", b"plan")
    addresses = SimpleUploadedFile("list.csv", b"address\nada@example.com\nada@example.com\n")
    assert len(twice(f"{own}/attachments/", {"version": 1, "file": file}, "multipart")["attachments"]) == 1
    assert twice("/api/address-lists/", {"scope": "a", "name": "L", "file": addresses}, "multipart")["number"] == 1
    assert twice(f"{own}/template/", {"name": "Terms"})["number"] == 1
    assert twice(f"{own}/test/", {})["deliveries"][0]["outcome"] == "sent"
    Campaign.objects.update(state="sent")
    twice(f"{own}/follow-up/", {"whom": "failed"})
    assert Campaign.objects.count() == 2


@pytest.mark.parametrize(
    "body",
    [
        '{"name": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"\\ud800": 1}',
        '{"scope": "a", "channel_types": ["\\ud800"]}',
        '{"scope": "a", "parts": [{"audience": "pupils", "params": {"start": "\\ud800"}}]}',
    ],
)
def test_json_that_cannot_be_kept_is_refused(client_of, ann, body):
    """
    Nested too deeply, or with half of a character, wherever it stands: no answer could be encoded.
    """
    answer = client_of(ann).post("/api/", body, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert not Campaign.objects.exists()
