"""
Internal: the calendar: what goes out, and what went, day by day.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

import attrs
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import get_format
from django.views.decorators.http import require_safe

from edx_ace.automation import finding
from edx_ace.automation.finding import Day
from edx_ace.automation.states import State
from edx_ace.web.automation.access import TONES, automation_page, choices, label_of, show

#: Groups on one day that are shown; the others are a number.
_SHOWN = 4


@attrs.frozen
class Group:
    """How many messages of an action are in a state on one day, and the list of them."""

    label: str
    state: str
    tone: str
    number: int
    query: str


@attrs.frozen
class Square:
    """One day as the calendar shows it."""

    day: date
    number: int
    groups: list[Group]
    #: How many messages the groups do not show.
    rest: int
    query: str
    is_in_month: bool
    is_today: bool


@require_safe
@automation_page("view_message")
def page(request: HttpRequest) -> HttpResponse:
    """Show a month."""
    today = timezone.localdate()
    month = _month(request.GET.get("month", ""), today)
    action = request.GET.get("action", "")
    last = month.replace(day=calendar.monthrange(month.year, month.month)[1])
    first_weekday = (int(get_format("FIRST_DAY_OF_WEEK")) - 1) % 7
    begin = month - timedelta(days=(month.weekday() - first_weekday) % 7)
    end = last + timedelta(days=(first_weekday - 1 - last.weekday()) % 7)
    days = finding.calendar(finding.messages(action=action), begin, end)
    squares = [_square(one, month, today, action) for one in days]
    context = {
        "month": month,
        "previous": _query(month - timedelta(days=1), action),
        "next": _query(last + timedelta(days=1), action),
        "now": _query(today, action),
        "squares": squares,
        "weekdays": [one.day for one in squares[:7]],
        "number": sum(one.number for one in squares if one.is_in_month),
        "action": action,
        "actions": choices(),
    }
    return show(request, "calendar.html", context)


def _square(one: Day, month: date, today: date, action: str) -> Square:
    on_that_day = {"since": one.day.isoformat(), "until": one.day.isoformat()}
    found = sorted(_groups(one, on_that_day), key=lambda group: (-group.number, group.label))
    # One more takes no more room than saying that there is one more.
    kept = found if len(found) <= _SHOWN else found[: _SHOWN - 1]
    return Square(
        day=one.day,
        number=one.number,
        groups=kept,
        rest=one.number - sum(group.number for group in kept),
        query=urlencode({"state": "all", **({"action": action} if action else {}), **on_that_day}),
        is_in_month=(one.day.year, one.day.month) == (month.year, month.month),
        is_today=one.day == today,
    )


def _groups(one: Day, on_that_day: dict[str, str]) -> Iterator[Group]:
    for (action, state), number in one.numbers.items():
        query = urlencode({"state": state, "action": action, **on_that_day})
        yield Group(label_of(action), str(State(state).label), TONES[state], number, query)


def _month(text: str, today: date) -> date:
    year, _dash, month = text.partition("-")
    if year.isdecimal() and month.isdecimal() and 1900 <= int(year) <= 8999 and 1 <= int(month) <= 12:
        return date(int(year), int(month), 1)
    return today.replace(day=1)


def _query(day: date, action: str) -> str:
    asked: dict[str, Any] = {"month": f"{day:%Y-%m}"}
    return urlencode({**asked, "action": action} if action else asked)
