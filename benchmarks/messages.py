"""
Internal: the messages that both sides send; uses nothing that the released edx-ace lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from edx_ace.message import Message, MessageType
from edx_ace.recipient import Recipient


class WeeklySummary(MessageType):
    """What happened in a course, with ten variables and a list of five lessons."""

    APP_LABEL = "learning"


def messages(count: int) -> Iterator[Message]:
    """Yield *count* messages of one type to as many people, made as a site makes them."""
    message_type = WeeklySummary(
        context={
            "site_name": "learning.example.com",
            "postal_address": "Learning, 1 Example Street, 12345 Exampletown",
            "settings_url": "https://learning.example.com/account/settings",
            "course_name": "An Introduction to Statistics",
            "course_url": "https://learning.example.com/courses/statistics-101/home",
            "teacher": "Your teachers",
            "lessons_total": 24,
            "deadline": "30. November 2026",
            "lessons": [
                {
                    "title": f"Lesson {number}: distributions, samples & estimates",
                    "url": f"https://learning.example.com/courses/statistics-101/lessons/{number}",
                    "summary": "How likely is it that what we saw was chance? We look at samples of growing size and "
                    "at what they tell about the whole, with two exercises and a short test at the end.",
                    "due": f"{number + 20}. November",
                }
                for number in range(1, 6)
            ],
        },
        expiration_time=datetime(2100, 1, 1, tzinfo=UTC),
    )
    for number in range(count):
        yield message_type.personalize(
            Recipient(number, f"learner{number}@example.com"),
            "de",
            {"first_name": f"Learner {number}", "lessons_done": number % 24},
        )
