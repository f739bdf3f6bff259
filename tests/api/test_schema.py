"""
Internal: the schema of the endpoints is right, and the one in the docs is it.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import call_command

from edx_ace.api.schema import SETTINGS

KEPT = Path(__file__).parents[2] / "docs" / "reference" / "openapi.yaml"


@pytest.fixture
def schema(capsys):
    """The schema, as the command writes it; a warning would end it."""
    written = io.StringIO()
    call_command(
        "spectacular",
        urlconf="edx_ace.api.urls",
        custom_settings="edx_ace.api.schema.SETTINGS",
        validate=True,
        fail_on_warn=True,
        stdout=written,
    )
    return written.getvalue()


def test_the_schema_of_the_docs_is_that_of_the_endpoints(schema):
    """
    Whoever writes a front end reads what there is; ``make openapi`` writes it.
    """
    assert SETTINGS["TITLE"] in schema
    assert schema == KEPT.read_text()


@pytest.mark.django_db
def test_a_site_gives_the_schema(client_of, ann, client):
    """
    The schema is served to whoever is logged in, whatever the site has told drf-spectacular.
    """
    answer = client_of(ann).get("/api/schema/")

    assert answer.status_code == 200
    assert b"operationId: schedule_campaign" in answer.content
    assert client.get("/api/schema/").status_code in (401, 403)
