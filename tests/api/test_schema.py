"""
Internal: the schemas of the endpoints are right, and those in the docs are they.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import call_command

DOCS = Path(__file__).parents[2] / "docs" / "reference"


def schema_of(urlconf, custom):
    """Return the schema, as the command writes it; a warning would end it."""
    written = io.StringIO()
    call_command(
        "spectacular", urlconf=urlconf, custom_settings=custom, validate=True, fail_on_warn=True, stdout=written
    )
    return written.getvalue()


@pytest.mark.parametrize(
    ("urlconf", "custom", "kept", "title"),
    [
        ("edx_ace.api.urls", "edx_ace.api.schema.SETTINGS", "openapi.yaml", "Campaigns"),
        (
            "edx_ace.api.automation.urls",
            "edx_ace.api.automation.describing.SETTINGS",
            "openapi-automation.yaml",
            "Automation",
        ),
    ],
)
def test_the_schema_of_the_docs_is_that_of_the_endpoints(urlconf, custom, kept, title):
    """
    Whoever writes a front end reads what there is; ``make openapi`` writes it.
    """
    schema = schema_of(urlconf, custom)

    assert f"title: {title}" in schema
    assert schema == (DOCS / kept).read_text()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("url", "operation"), [("/api/schema/", "schedule_campaign"), ("/api/automation/schema/", "lock_message")]
)
def test_a_site_gives_the_schema(client_of, ann, client, url, operation):
    """
    The schema is served to whoever is logged in, whatever the site has told drf-spectacular.
    """
    answer = client_of(ann).get(url)

    assert answer.status_code == 200
    assert f"operationId: {operation}\n".encode() in answer.content
    assert client.get(url).status_code in (401, 403)
