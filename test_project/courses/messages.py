"""
Internal: what the learning site writes to its learners.

Contexts hold plain values (times as ISO 8601 text) and no model instances, so that a message reads the same after it
has been stored or has travelled as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from courses.models import Course, Enrolment, Learner
from courses.scopes import scope_of
from edx_ace import Message, MessageType


class Welcome(MessageType):
    """Greets a new learner and lists their courses."""

    CATEGORY = "courses"

    def for_learner(self, learner: Learner, courses: Sequence[Course]) -> Message:
        """Return the welcome to *learner*, who takes *courses*."""
        return self.personalize(
            learner.recipient,
            learner.language,
            {
                "learner_name": learner.name,
                "time_zone": learner.time_zone,
                "courses": [
                    {
                        "title": course.title,
                        "summary": course.summary,
                        "weeks": course.weeks,
                        "url": course.get_absolute_url(),
                        "starts_at": course.starts_at.isoformat(),
                    }
                    for course in courses
                ],
            },
        )

    @classmethod
    def sample_context(cls) -> dict[str, Any]:
        """Return an example of what the templates need."""
        return {
            "learner_name": "O'Brien & Co",
            "time_zone": "Europe/Dublin",
            "courses": [
                {
                    "title": "Statistics for the Curious",
                    "summary": "Read a chart, doubt it, and say by how much.",
                    "weeks": 6,
                    "url": "/courses/statistics-for-the-curious/",
                    "starts_at": datetime(2030, 9, 2, 9, tzinfo=UTC).isoformat(),
                },
                {
                    "title": "Gärten & Böden",
                    "summary": "Ökologie vor der Haustür.",
                    "weeks": 5,
                    "url": "/courses/gaerten-und-boeden/",
                    "starts_at": datetime(2030, 9, 9, 17, 30, tzinfo=UTC).isoformat(),
                },
            ],
        }


class Deadline(MessageType):
    """Reminds a learner that an assignment is due."""

    CATEGORY = "deadlines"

    def for_enrolment(self, enrolment: Enrolment, assignment: str, due_at: datetime, now: datetime) -> Message:
        """Return the reminder that *assignment* is due at *due_at*, as of *now*."""
        learner, course = enrolment.learner, enrolment.course
        message = self.personalize(
            learner.recipient,
            learner.language,
            {
                "learner_name": learner.name,
                "time_zone": learner.time_zone,
                "course_title": course.title,
                "course_url": course.get_absolute_url(),
                "assignment": assignment,
                "due_at": due_at.isoformat(),
                "days_left": (due_at - now).days,
            },
        )
        message.options["scope"] = scope_of(course)
        return message

    @classmethod
    def sample_context(cls) -> dict[str, Any]:
        """Return an example of what the templates need."""
        return {
            "learner_name": "Zoë Lindqvist",
            "time_zone": "Europe/Stockholm",
            "course_title": "The Night Sky with Your Own Eyes",
            "course_url": "/courses/the-night-sky/",
            "assignment": "A week of moonrises",
            "due_at": datetime(2030, 10, 4, 21, 59, tzinfo=UTC).isoformat(),
            "days_left": 3,
        }


class Certificate(MessageType):
    """Congratulates a learner on a completed course."""

    CATEGORY = "certificates"

    def for_enrolment(self, enrolment: Enrolment) -> Message:
        """Return the congratulations for *enrolment*, which is completed."""
        learner, course = enrolment.learner, enrolment.course
        if enrolment.completed_at is None:
            raise ValueError(
                f"A certificate needs a completed enrolment; {enrolment} has no completed_at. Set it first."
            )
        return self.personalize(
            learner.recipient,
            learner.language,
            {
                "learner_name": learner.name,
                "time_zone": learner.time_zone,
                "course_title": course.title,
                "course_url": course.get_absolute_url(),
                "weeks": course.weeks,
                "completed_at": enrolment.completed_at.isoformat(),
            },
        )

    @classmethod
    def sample_context(cls) -> dict[str, Any]:
        """Return an example of what the templates need."""
        return {
            "learner_name": "मीरा कुलकर्णी",
            "time_zone": "Asia/Kolkata",
            "course_title": "Writing That Works",
            "course_url": "/courses/writing-that-works/",
            "weeks": 4,
            "completed_at": datetime(2030, 11, 29, 12, tzinfo=UTC).isoformat(),
        }
