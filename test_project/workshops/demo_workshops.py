"""
Internal: the workshops of the demo site: one every week for a quarter, two that are over, and who supports them.

The same come out every time, counted from today.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import attrs
from django.db import transaction

from courses.models import Learner
from edx_ace.automation.models import ScheduledMessage
from workshops.models import Attendance, Host, Membership, Workshop


@attrs.frozen
class _Plan:
    title: str
    place: str
    time_zone: str
    #: From the Monday of this week.
    week: int
    is_confirmed: bool = True


_WORKSHOPS = [
    _Plan("Reading charts together", "Harbour Library, Cork", "Europe/Dublin", -3),
    _Plan("Sourdough for beginners", "Altes Backhaus, Fürth", "Europe/Berlin", -1),
    _Plan("An evening with the telescope", "Old Observatory, Edinburgh", "Europe/London", 2),
    _Plan("Letters that get an answer", "Town Hall, Room 3, Chicago", "America/Chicago", 3),
    _Plan("磯の観察会", "真鶴 三ツ石海岸", "Asia/Tokyo", 4),
    _Plan("Boden unter der Lupe", "Botanischer Garten, Wien", "Europe/Vienna", 5, is_confirmed=False),
    _Plan("Statistics with dice", "Makerspace, Kolkata", "Asia/Kolkata", 6),
    _Plan("ورشة رصد الهلال", "مرصد القطامية، القاهرة", "Africa/Cairo", 7),
    _Plan("Writing a grant proposal", "University Annexe, Oslo", "Europe/Oslo", 8),
    _Plan("Bread for a crowd", "Community Kitchen, Zürich", "Europe/Zurich", 9),
    _Plan("はじめてのデータ可視化", "台北 市立図書館", "Asia/Taipei", 10),
    _Plan("أول برنامج بلغة Python", "مكتبة الملك فهد، الرياض", "Asia/Riyadh", 11),
    _Plan("The sky in spring", "Hilltop Farm, Athens", "Europe/Athens", 12),
]

_MEMBERSHIPS = ["Friends of the Harbour Library", "Stiftung Brot & Boden", "星空を守る会"]

#: From one host, attendee or contact to the next, so that they are not neighbours.
_STRIDE = 17


@transaction.atomic
def load(today: datetime) -> None:
    """
    Fill the database with workshops and memberships, in place of those of yesterday and what was written about them.

    Args:
        today: Aware.
    """
    for model in (ScheduledMessage, Workshop, Membership):
        model.objects.all().delete()
    people = list(Learner.objects.filter(is_active=True).order_by("pk")[: _STRIDE * 12 : _STRIDE])
    monday = today.date() - timedelta(days=today.weekday())
    for number, plan in enumerate(_WORKSHOPS):
        starts_at = datetime.combine(
            monday + timedelta(weeks=plan.week, days=number % 5), datetime.min.time(), ZoneInfo(plan.time_zone)
        ) + timedelta(hours=10)
        workshop = Workshop.objects.create(
            title=plan.title,
            place=plan.place,
            time_zone=plan.time_zone,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=6),
            is_confirmed=plan.is_confirmed,
        )
        leader, helper, *others = (people[(number + offset) % len(people)] for offset in range(5))
        Host.objects.create(workshop=workshop, learner=leader, role=Host.Role.LEADS)
        Host.objects.create(workshop=workshop, learner=helper, role=Host.Role.HELPS)
        if starts_at < today:
            for place, one in enumerate(others):
                Attendance.objects.create(workshop=workshop, learner=one, is_complete=place != 1)
    for number, name in enumerate(_MEMBERSHIPS):
        starts_on = today.date() - timedelta(days=40 * (number + 1))
        Membership.objects.create(
            organisation=name,
            contact=people[number * 3],
            starts_on=starts_on,
            ends_on=starts_on + timedelta(days=730),
        )
