"""
Internal: what that site writes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from edx_ace.automation.actions import Action
from tests.automation_site.models import Host, Workshop


class Invitation(Action):
    """To all who teach, from a mail server that the site cannot reach."""

    signal = "invitation"
    model = Workshop
    external = True
    template = {
        "en": {
            "subject": "{{ workshop.title }}",
            "body": "Dear {{ recipient.name }}, come to {{ workshop.location }}.",
        },
        "de": {"subject": "{{ workshop.title }}", "body": "{{ recipient.name }}, komm nach {{ workshop.location }}."},
    }

    def should_exist(self, workshop: Workshop) -> bool:
        return workshop.is_public

    def scheduled_at(self, workshop: Workshop) -> datetime:
        return workshop.starts_at

    def context(self, workshop: Workshop) -> dict[str, Any]:
        return {"workshop": workshop}

    def recipients(self, workshop: Workshop) -> list[Host]:
        return [task.host for task in workshop.tasks.order_by("host__name")]
