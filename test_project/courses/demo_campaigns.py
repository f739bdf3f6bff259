"""
Internal: the campaigns of the demo: two that are finished, one that is being sent, and one that waits for its time.

They are written and scheduled as an instructor would.
"""

from __future__ import annotations

from time import monotonic, sleep
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from courses.demo_site import INSTRUCTOR
from courses.models import Course
from courses.scopes import scope_of
from edx_ace import campaigns
from edx_ace.campaigns.models import Campaign
from edx_ace.campaigns.preflight import preflight
from edx_ace.campaigns.running import tick
from edx_ace.campaigns.states import State

#: Who teaches signs what is sent.
FROM_NAME = "Ingrid Solheim"

_LEARNERS = {"audience": "learners"}
_STAFF = {"audience": "staff"}

_FINISHED: list[dict[str, Any]] = [
    {
        "course": "statistics-for-the-curious",
        "name": "Welcome to the first week",
        "language": "en",
        "parts": [_LEARNERS, {**_STAFF, "is_excluded": True}],
        "variants": [
            {
                "channel_type": "email",
                "language": "en",
                "subject": "{{ course_name }}: what the first week brings",
                "preheader": "A chart to doubt, and where to find us.",
                "format": "html",
                "source": (
                    "<p>Dear {{ first_name|learner }},</p>"
                    "<p>the first chapter is open. <strong>Bring one chart</strong> that you do not quite believe: "
                    "from a newspaper, a cereal box, or a report at work.</p>"
                    '<p><a href="{{ course_url }}">Open the course</a></p>'
                ),
            },
            {
                "channel_type": "email",
                "language": "ar",
                "subject": "{{ course_name }}: ماذا في الأسبوع الأول",
                "format": "html",
                "source": (
                    "<p>مرحبًا {{ first_name|بك }}،</p>"
                    "<p>الفصل الأول متاح الآن. <strong>أحضر رسمًا بيانيًا واحدًا</strong> لا تصدقه تمامًا.</p>"
                    '<p><a href="{{ course_url }}">افتح المقرر</a></p>'
                ),
            },
        ],
    },
    {
        "course": "writing-that-works",
        "name": "Harbour group: read each other's letters",
        "language": "en",
        "parts": [{"audience": "cohort", "params": {"cohort": "Harbour"}}, _STAFF],
        "variants": [
            {
                "channel_type": "email",
                "language": "en",
                "subject": "Your turn to read, {{ first_name|everybody }}",
                "format": "markdown",
                "source": (
                    "Dear {{ full_name }},\n\n"
                    "two letters of your group wait for a reader:\n\n"
                    "1. Read one aloud.\n"
                    "2. Mark where you stumbled.\n"
                    "3. Say **one** thing that works.\n\n"
                    "[Read the letters]({{ course_url }})\n"
                ),
            }
        ],
    },
]

_SENDING: dict[str, Any] = {
    "course": "gaerten-und-boeden",
    "name": "Excursion on Saturday",
    "language": "de",
    # Slow enough to be looked at.
    "rate": "6/min",
    "parts": [_LEARNERS],
    "variants": [
        {
            "channel_type": "email",
            "language": "de",
            "subject": "Samstag geht es hinaus",
            "format": "html",
            "source": (
                "<p>Hallo {{ first_name|zusammen }},</p>"
                "<p>am Samstag graben wir. Bitte bring <em>Handschuhe</em> und ein Schraubglas mit.</p>"
                '<p><a href="{{ course_url }}">Zum Kurs</a></p>'
            ),
        },
        {
            "channel_type": "email",
            "language": "en",
            "subject": "On Saturday we go outside",
            "format": "html",
            "source": (
                "<p>Hello {{ first_name|everybody }},</p>"
                "<p>on Saturday we dig. Please bring <em>gloves</em> and a jar with a lid.</p>"
                '<p><a href="{{ course_url }}">Go to the course</a></p>'
            ),
        },
    ],
}

_SCHEDULED: dict[str, Any] = {
    "course": "writing-that-works",
    "name": "Three days left",
    "language": "en",
    "timing": "relative",
    "anchor": "end",
    "offset_minutes": -3 * 24 * 60,
    "parts": [{"audience": "completion", "params": {"at_least": 20, "at_most": 90}}],
    "variants": [
        {
            "channel_type": "email",
            "language": "en",
            "subject": "{{ course_name }} ends on {{ course_end }}",
            "format": "html",
            "source": (
                "<p>Dear {{ first_name|learner }},</p>"
                "<p>you are nearly there: what is left takes about an hour.</p>"
                '<p><a href="{{ course_url }}">Finish the course</a></p>'
            ),
        }
    ],
}


def forget() -> None:
    """Forget the campaigns of an earlier run."""
    Campaign.objects.all().delete()


def write() -> tuple[list[Campaign], Campaign]:
    """Write and schedule all of them; return those that will soon be finished, and the one that is sent slowly."""
    finished = [_scheduled(**plan) for plan in _FINISHED]
    slow = _scheduled(**_SENDING)
    _scheduled(**_SCHEDULED)
    return finished, slow


def sent() -> set[UUID]:
    """Return the sends of the campaigns that are finished."""
    return set(Campaign.objects.filter(state=State.SENT).values_list("uuid", flat=True))


def run(finished: list[Campaign], give_up_seconds: float, look_seconds: float) -> bool:
    """Do what workers do for campaigns, beside those that deliver, until all of *finished* are; return whether."""
    give_up = monotonic() + give_up_seconds
    left = Campaign.objects.filter(pk__in=[campaign.pk for campaign in finished]).exclude(state=State.SENT)
    while left.exists():
        if monotonic() > give_up:
            return False
        tick()
        sleep(look_seconds)
    return True


def _scheduled(course: str, **fields: Any) -> Campaign:
    author = User.objects.get(username=INSTRUCTOR)
    scope = scope_of(Course.objects.get(slug=course))
    campaign = campaigns.create(author, scope=scope, from_name=FROM_NAME, reply_to=author.email, **fields)
    seen = [problem.code for problem in preflight(author, campaign).warnings]
    return campaigns.schedule(author, campaign, version=campaign.version, accept=seen)
