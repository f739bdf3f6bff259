"""
Internal: what the messages that both sides send say; needs no package.
"""

from __future__ import annotations

from typing import Any

LANGUAGE = "de"

#: Of every message.
CONTEXT: dict[str, Any] = {
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
}


def address(number: int) -> str:
    """Return the address of person *number*."""
    return f"learner{number}@example.com"


def personal_context(number: int) -> dict[str, Any]:
    """Return what the message to person *number* says beyond `CONTEXT`."""
    return {"first_name": f"Learner {number}", "lessons_done": number % 24}
