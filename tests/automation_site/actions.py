"""
Internal: what the host of the tests of automation writes by itself; each action stands for one way to say it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

from edx_ace.automation import moments
from edx_ace.automation.actions import Action
from tests.automation_site.models import Host, Task, Workshop


class FollowUp(Action):
    """A week after a workshop, to whoever taught it."""

    class Context(TypedDict):
        workshop: Workshop

    signal = "follow_up"
    label = "A week after a workshop"
    track = [Workshop, Task]
    template = {"en": {"subject": "{{ workshop.title }}", "body": "How was it in {{ workshop.location }}?"}}

    def should_exist(self, workshop: Workshop) -> bool:
        return workshop.is_public

    def scheduled_at(self, workshop: Workshop) -> datetime:
        return moments.after(workshop.ends_at, days=7)

    def context(self, workshop: Workshop) -> Context:
        return {"workshop": workshop}

    def recipients(self, workshop: Workshop) -> list[Host]:
        return [task.host for task in workshop.tasks.all()]

    def objects(self) -> Any:
        return Workshop.objects.prefetch_related("tasks__host")
