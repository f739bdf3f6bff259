"""
Internal: the endpoint that gives the OpenAPI schema of automation's endpoints.
"""

from __future__ import annotations

from typing import Any

from edx_ace.api import describing, schema

#: What drf-spectacular is told in place of the site's settings.
SETTINGS: dict[str, Any] = {
    **schema.SETTINGS,
    "TITLE": "Automation",
    "DESCRIPTION": "Messages that schedule, update and cancel themselves: see, steer and send them from outside.",
}


class SchemaEndpoint(describing.SchemaEndpoint):
    """What endpoints there are."""

    urlconf = "edx_ace.api.automation.urls"
    custom_settings = SETTINGS
