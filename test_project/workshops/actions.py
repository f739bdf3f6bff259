"""
Internal: what is written to those who host workshops, come to them and support them, by itself.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, TypedDict

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from courses.models import Learner
from edx_ace import Recipient
from edx_ace.automation import moments
from edx_ace.automation.actions import Action
from workshops.models import Attendance, Host, Membership, Workshop

#: In how many days a workshop has to be for there to be a point in what comes before it.
_SOON = timedelta(days=7)


class ToLearners(Action):
    """What is written to people of the site, as they have said."""

    def person(self, value: Learner) -> Recipient:
        return value.recipient

    def zone(self, value: Learner) -> str | None:
        return value.time_zone


class WorkshopContext(TypedDict):
    """What templates know of a workshop."""

    workshop: Workshop
    hosts: list[Learner]


class ToHosts(ToLearners):
    """What is written to those who host a workshop."""

    track = (Workshop, Host)
    Context = WorkshopContext

    def context(self, workshop: Workshop) -> WorkshopContext:
        return {"workshop": workshop, "hosts": list(workshop.hosts.all())}

    def recipients(self, workshop: Workshop) -> list[Learner]:
        return list(workshop.hosts.all())

    def objects(self) -> QuerySet[Workshop]:
        return Workshop.objects.prefetch_related("hosts")


class IntroduceHosts(ToHosts):
    signal = "introduce_hosts"
    label = _("Introduce hosts to each other")
    description = _("An hour after a workshop with two hosts or more is confirmed; one message to all of them.")
    to_all = True
    template = {
        "en": {
            "subject": "You will host “{{ workshop.title }}” together",
            "body": (
                "Hello {% for host in hosts %}{{ host.name }}{{ ', ' if not loop.last }}{% endfor %},\n\n"
                "you are the hosts of **{{ workshop.title }}** in {{ workshop.place }}, which begins on "
                "{{ workshop.starts_at|date }}. This message goes to all of you: answer it to say hello, and who "
                "brings what.\n"
            ),
        },
        "de": {
            "subject": "Ihr leitet zusammen „{{ workshop.title }}“",
            "body": (
                "Hallo {% for host in hosts %}{{ host.name }}{{ ', ' if not loop.last }}{% endfor %},\n\n"
                "ihr leitet **{{ workshop.title }}** in {{ workshop.place }}, am {{ workshop.starts_at|date }}. Diese "
                "Nachricht geht an euch alle: stellt euch einander vor, und klärt, wer was mitbringt.\n"
            ),
        },
    }

    def should_exist(self, workshop: Workshop) -> bool:
        is_ahead = workshop.starts_at > timezone.now() + _SOON
        return workshop.is_confirmed and is_ahead and len(workshop.hosts.all()) >= 2

    def scheduled_at(self, workshop: Workshop) -> datetime:
        return moments.now(cool_off=timedelta(hours=1))


class RemindHosts(ToHosts):
    signal = "remind_hosts"
    label = _("A month before a workshop")
    description = _("Reminds the hosts of what has to be ready.")
    template = {
        "en": {
            "subject": "{{ workshop.title }}: a month to go",
            "body": (
                "Dear {{ recipient.name }},\n\n"
                "**{{ workshop.title }}** begins on {{ workshop.starts_at|date }} in {{ workshop.place }}. By now:\n\n"
                "1. the room is booked,\n2. whoever comes knows what to bring,\n3. you know who opens the door.\n"
            ),
        }
    }

    def should_exist(self, workshop: Workshop) -> bool:
        return workshop.is_confirmed and workshop.starts_at > timezone.now() + _SOON

    def scheduled_at(self, workshop: Workshop) -> datetime:
        return moments.before(workshop.starts_at, months=1, zone=workshop.time_zone)


class FollowUp(ToHosts):
    signal = "follow_up"
    label = _("A week after a workshop")
    description = _("Thanks the hosts and asks who came.")
    template = {
        "en": {
            "subject": "How was {{ workshop.title }}?",
            "body": (
                "Dear {{ recipient.name }},\n\n"
                "thank you for hosting **{{ workshop.title }}**. Please say who stayed to the end, so that they get "
                "their certificates, and tell us what you would do differently.\n"
            ),
        }
    }

    def should_exist(self, workshop: Workshop) -> bool:
        return workshop.is_confirmed

    def scheduled_at(self, workshop: Workshop) -> datetime:
        return moments.after(workshop.ends_at, days=7, zone=workshop.time_zone)


class AttendanceContext(TypedDict):
    """What the template knows of a certificate."""

    attendance: Attendance
    workshop: Workshop


class SendCertificate(ToLearners):
    signal = "send_certificate"
    label = _("A certificate")
    description = _("Goes to whoever stayed to the end of a workshop, an hour after that is said.")
    track = (Attendance,)
    Context = AttendanceContext
    template = {
        "en": {
            "subject": "Your certificate: {{ workshop.title }}",
            "body": (
                "Dear {{ recipient.name }},\n\n"
                "you stayed to the end of **{{ workshop.title }}**: here is your certificate.\n"
            ),
        }
    }

    def should_exist(self, attendance: Attendance) -> bool:
        return attendance.is_complete

    def scheduled_at(self, attendance: Attendance) -> datetime:
        return moments.now(cool_off=timedelta(hours=1))

    def context(self, attendance: Attendance) -> AttendanceContext:
        return {"attendance": attendance, "workshop": attendance.workshop}

    def recipients(self, attendance: Attendance) -> list[Learner]:
        return [attendance.learner]

    def objects(self) -> QuerySet[Attendance]:
        return Attendance.objects.select_related("workshop", "learner")

    def attachments(self, attendance: Attendance) -> list[tuple[str, bytes]]:
        workshop = attendance.workshop
        text = f"{attendance.learner.name}\n\n{workshop.title}\n{workshop.place}, {workshop.ends_at:%d.%m.%Y}\n"
        return [("certificate.txt", text.encode())]


class MembershipContext(TypedDict):
    """What the template knows of a membership."""

    membership: Membership
    workshops: list[Workshop]


class QuarterlyNews(ToLearners):
    signal = "quarterly_news"
    label = _("News for members, each quarter")
    description = _("Tells an organisation that supports workshops which ones are coming.")
    track = (Membership,)
    Context = MembershipContext
    template = {
        "en": {
            "subject": "What {{ membership.organisation }} makes possible",
            "body": (
                "Dear {{ recipient.name }},\n\nthe next workshops that you support:\n\n"
                "{% for workshop in workshops %}"
                "- {{ workshop.starts_at|date }}: {{ workshop.title }}, {{ workshop.place }}\n"
                "{% endfor %}"
            ),
        }
    }

    def should_exist(self, membership: Membership, **params: Any) -> bool:
        return membership.ends_on > timezone.now().date()

    def rule(self, membership: Membership, **params: Any) -> moments.Rule:
        return moments.Rule("FREQ=MONTHLY;INTERVAL=3", datetime.combine(membership.starts_on, time(9)))

    def context(self, membership: Membership, **params: Any) -> MembershipContext:
        coming = Workshop.objects.filter(is_confirmed=True, starts_at__gt=timezone.now())
        return {"membership": membership, "workshops": list(coming[:5])}

    def recipients(self, membership: Membership, **params: Any) -> list[Learner]:
        return [membership.contact]

    def objects(self) -> QuerySet[Membership]:
        return Membership.objects.select_related("contact")
