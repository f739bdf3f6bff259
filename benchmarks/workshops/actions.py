"""
Internal: what it writes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from edx_ace.automation import moments
from edx_ace.automation.actions import Action
from workshops.models import Workshop


class FollowUp(Action):
    """Goes to whoever has booked, a week after; refers to five objects, each of another model."""

    signal = "follow_up"
    model = Workshop
    template = {
        "en": {
            "subject": "How was {{ workshop.title }}?",
            "body": (
                "Hello {{ recipient.first_name }},\n\n"
                "a week ago you came to **{{ workshop.title }}** in {{ place.name }}, where {{ teacher.name }} taught. "
                "It was a part of _{{ course.title }}_ and ended on {{ workshop.ends_at|date }}.\n\n"
                "{% for question in ['What did you like?', 'What did you miss?', 'Who should come next?'] %}"
                "- {{ question }}\n"
                "{% endfor %}\n"
                "[Tell us](https://learning.example.com/workshops/{{ workshop.pk }}/feedback)\n"
            ),
        }
    }

    def should_exist(self, workshop: Workshop) -> bool:
        return True

    def scheduled_at(self, workshop: Workshop) -> datetime:
        return moments.after(workshop.ends_at, days=7)

    def context(self, workshop: Workshop) -> dict[str, Any]:
        return {
            "workshop": workshop,
            "place": workshop.place,
            "course": workshop.course,
            "teacher": workshop.teacher,
        }

    def recipients(self, workshop: Workshop) -> list[Any]:
        return [workshop.guest]

    def objects(self) -> QuerySet[Workshop]:
        return Workshop.objects.select_related("place", "course", "teacher", "guest")
