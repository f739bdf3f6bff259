"""
Internal: what the demo site writes about workshops by itself, scene by scene: its settings, its actions, a mail server
and a worker.

``python -m tests.journeys.automation_scenes`` plays each once and prints what came of it as JSON; `test_automation`
says what that has to be. Each scene has workshops and people of its own.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.journeys.playing import play, received, scene, text

ZONE = ZoneInfo("Europe/Berlin")


def learner(address: str, **about: Any) -> Any:
    """Return somebody with that address."""
    from courses.models import Learner

    name = address.partition("@")[0].title()
    return Learner.objects.create(email=address, name=name, **{"language": "en", "time_zone": "Europe/Berlin", **about})


def workshop(domain: str, *hosts: str, days: int = 90, is_confirmed: bool = True) -> Any:
    """Return a workshop in so many *days*, hosted by those who have mailboxes of these names at *domain*."""
    from workshops.models import Host, Workshop

    day = datetime.now(tz=ZONE).date() + timedelta(days=days)
    starts_at = datetime.combine(day, time(10), ZONE)
    made = Workshop.objects.create(
        title=f"Bread & {domain}",
        place="Bakery",
        time_zone=str(ZONE),
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=6),
        is_confirmed=is_confirmed,
    )
    for name in hosts:
        Host.objects.create(workshop=made, learner=learner(f"{name}@{domain}"))
    return made


def message(action: str, about: Any) -> Any:
    """Return the message of *action* about that object which was scheduled last."""
    from edx_ace.automation.models import ScheduledMessage

    return ScheduledMessage.objects.filter(action=action, object_key=str(about.pk)).latest("pk")


def send(one: Any) -> None:
    """Let the time of a message come, and workers do what is due."""
    from edx_ace.automation.models import ScheduledMessage
    from edx_ace.outbox.worker import Worker, sweep

    past = datetime.now(tz=UTC) - timedelta(seconds=1)
    ScheduledMessage.objects.filter(pk=one.pk).update(due_at=past)
    sweep()
    Worker(once=True).run()
    ScheduledMessage.objects.filter(pk=one.pk, state="enqueued").update(due_at=past)
    sweep()
    one.refresh_from_db()


@scene
def an_introduction_to_hosts() -> Any:
    """Two hosts of a workshop, which is confirmed only then."""
    from edx_ace.automation.models import ScheduledMessage

    domain = "introduction.example"
    about = workshop(domain, "ann", "bob", is_confirmed=False)
    before = ScheduledMessage.objects.filter(object_key=str(about.pk)).count()
    about.is_confirmed = True
    about.save()
    one = message("introduce_hosts", about)
    wait = one.scheduled_at - one.created_at
    send(one)
    [mail] = received(domain)
    return {
        "before": before,
        "minutes": round(wait.total_seconds() / 60),
        "state": one.state,
        "to": mail["To"],
        "cc": mail["Cc"],
        "subject": mail["Subject"].strip(),
        "greeting": text(mail).splitlines()[0],
    }


@scene
def a_reminder_a_month_before() -> Any:
    """And the workshop is moved."""
    about = workshop("reminder.example", "ann")
    one = message("remind_hosts", about)
    first = one.scheduled_at.astimezone(ZONE)
    moved_by = timedelta(days=3)
    about.starts_at, about.ends_at = about.starts_at + moved_by, about.ends_at + moved_by
    about.save()
    second = message("remind_hosts", about)
    moment = second.scheduled_at.astimezone(ZONE)
    about.refresh_from_db()
    send(second)
    return {
        "same": one.pk == second.pk,
        "has moved": moment > first,
        "time": moment.strftime("%H:%M"),
        "days before": (about.starts_at.astimezone(ZONE).date() - moment.date()).days,
        "subjects": [mail["Subject"] for mail in received("reminder.example")],
    }


@scene
def a_follow_up_seven_days_after() -> Any:
    """Of two workshops, one of which is deleted."""
    kept, deleted = workshop("follow-up.example", "ann"), workshop("deleted.example", "bob")
    first, second = message("follow_up", kept), message("follow_up", deleted)
    deleted.delete()
    send(first)
    send(second)
    return {
        "days after": (first.scheduled_at.astimezone(ZONE).date() - kept.ends_at.astimezone(ZONE).date()).days,
        "time": first.scheduled_at.astimezone(ZONE).strftime("%H:%M"),
        "states": [first.state, second.state],
        "code": second.code,
        "subjects": [mail["Subject"] for mail in received("follow-up.example")],
        "of the deleted": len(received("deleted.example")),
    }


@scene
def news_for_members_each_quarter() -> Any:
    """Two quarters of a membership, and then it ends."""
    from workshops.models import Membership

    workshop("coming.example", "ann")
    today = datetime.now(tz=UTC).date()
    about = Membership.objects.create(
        organisation="Friends of Bread",
        contact=learner("cleo@members.example"),
        starts_on=today - timedelta(days=10),
        ends_on=today + timedelta(days=700),
    )
    moments = []
    for _ in range(2):
        one = message("quarterly_news", about)
        moments.append(one.scheduled_at)
        send(one)
    about.ends_on = today
    about.save()
    last = message("quarterly_news", about)
    first, second = moments
    return {
        "months": (second.year - first.year) * 12 + second.month - first.month,
        "hours": [moment.strftime("%H:%M") for moment in moments],
        "subjects": [mail["Subject"] for mail in received("members.example")],
        "names workshops": "Bread & coming.example, Bakery" in text(received("members.example")[0]),
        "last": [last.state, last.code],
    }


@scene
def a_certificate_with_an_attachment() -> Any:
    """Of two who came, one stayed to the end."""
    from edx_ace.automation.models import ScheduledMessage
    from workshops.models import Attendance

    about = workshop("certificate.example", "ann", days=-1)
    stayed, left = (
        Attendance.objects.create(workshop=about, learner=learner(f"{name}@attending.example"))
        for name in ("dora", "eve")
    )
    stayed.is_complete = True
    stayed.save()
    one = message("send_certificate", stayed)
    send(one)
    [mail] = received("attending.example")
    [attached] = mail.iter_attachments()
    return {
        "to": mail["To"],
        "subject": mail["Subject"],
        "file": [attached.get_filename(), attached.get_content_type()],
        "says": attached.get_content().splitlines()[0],
        "of the other": ScheduledMessage.objects.filter(action="send_certificate", object_key=str(left.pk)).count(),
    }


if __name__ == "__main__":
    sys.path.insert(0, "test_project")
    play()
