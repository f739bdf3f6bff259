"""
Internal: nobody reaches what is another scope's, by whatever endpoint.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms.models import model_to_dict

from edx_ace.campaigns import editing
from edx_ace.campaigns.address_lists import import_addresses
from edx_ace.campaigns.models import AddressList, Campaign, Entry, TemplateVersion

pytestmark = pytest.mark.django_db

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "docs" / "reference" / "openapi.yaml").read_text())

#: Every operation there is: (method, path, what the schema says of it).
OPERATIONS = [
    pytest.param(method, path, about, id=about["operationId"])
    for path, methods in SCHEMA["paths"].items()
    for method, about in methods.items()
]

#: Those that answer with what belongs to nobody, or to whoever asks.
OF_EVERYBODY = {"list_campaigns", "list_scopes", "list_categories"}

#: What a request has of the fields that the schema requires, and those that say whose it is.
GIVEN = {"version": 1, "whom": "failed", "name": "X", "scope": "a"}


@pytest.fixture
def of_a(ann, draft):
    """What Ann has in the scope "a": a campaign with an attachment, a template, and a list."""
    campaign = draft()
    attachment = editing.attach(ann, campaign, version=1, name="plan.txt", file=b"plan")
    template = editing.save_template(ann, campaign, "Terms")
    import_addresses(ann, io.BytesIO(b"address\nada@example.com\n"), "Parents", "a")
    return {"id": campaign.uuid, "attachment": attachment.pk, "template": template.pk}


def kept():
    """Return all there is."""
    rows = (*Campaign.objects.all(), *TemplateVersion.objects.all(), *AddressList.objects.all(), *Entry.objects.all())
    return [model_to_dict(row) for row in rows]


@pytest.mark.parametrize(("method", "path", "about"), OPERATIONS)
def test_another_scope_is_closed(client_of, eve, of_a, method, path, about):
    """
    Eve, who may do everything in the scope "b", is answered with 403 or 404 by each endpoint, and nothing changes.
    """
    before = kept()
    key = of_a["template" if path.startswith("/templates/") else "attachment"]
    url = "/api" + path.replace("{id}", str(of_a["id"])).replace("{key}", str(key))
    assert "{" not in url
    query = [one for one in about.get("parameters", []) if one["in"] == "query"]
    params = {one["name"]: GIVEN[one["name"]] for one in query if one["name"] in GIVEN}
    (media_type, content), *_ = about.get("requestBody", {"content": {"": {}}})["content"].items()
    name = re.sub(".*/", "", content["schema"]["$ref"]) if content else ""
    fields = SCHEMA["components"]["schemas"][name]["properties"] if name else {}
    body = {field: GIVEN[field] for field in fields if field in GIVEN}
    if "file" in fields:
        body["file"] = SimpleUploadedFile("list.csv", b"address\nbob@example.com\n")

    client = client_of(eve)
    if method in ("get", "delete"):
        answer = client.generic(method.upper(), url, QUERY_STRING="&".join(f"{k}={v}" for k, v in params.items()))
    else:
        kind = "multipart" if media_type == "multipart/form-data" else "json"
        answer = getattr(client, method)(url, body, format=kind)

    if about["operationId"] in OF_EVERYBODY:
        assert answer.status_code == 200
        assert "News" not in answer.content.decode()
    else:
        assert answer.status_code in (403, 404), answer.content
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] in ("forbidden", "not_found")
    assert kept() == before


@pytest.mark.parametrize(("method", "path", "about"), OPERATIONS)
def test_nobody_is_not_let_in(client, of_a, method, path, about):
    """
    Without a user there is nothing, whatever is asked for.
    """
    url = "/api" + path.replace("{id}", str(of_a["id"])).replace("{key}", str(of_a["attachment"]))

    answer = client.generic(method.upper(), url)

    assert answer.status_code in (401, 403)
    assert answer.json()["code"] == "not_authenticated"


def test_a_part_tells_nothing_of_another_scope(client_of, ann, eve, draft):
    """
    What is chosen is described by its name: a key of another scope is refused when it is saved.
    """
    theirs = draft(eve, "b", name="Secret campaign")
    listed = import_addresses(eve, io.BytesIO(b"address\nada@example.com\n"), "Secret list", "b").addresses
    parts = [
        {"audience": "members_of", "params": {"campaign": theirs.pk}},
        {"audience": "failed_of", "params": {"campaign": theirs.pk}},
        {"audience": "addresses_of", "params": {"list": listed.pk}},
    ]

    answer = client_of(ann).post("/api/", {"scope": "a", "parts": parts}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (422, "refused")
    assert [problem["where"] for problem in answer.json()["problems"]] == [
        "parts.0.params.campaign",
        "parts.1.params.campaign",
        "parts.2.params.list",
    ]
    assert b"Secret" not in answer.content
