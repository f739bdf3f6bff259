"""
Internal: the list of scheduled messages, and what of it a link or a form asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import attrs
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from edx_ace.automation import examining, finding, many
from edx_ace.automation.errors import AutomationError
from edx_ace.automation.examining import Shown
from edx_ace.automation.models import ScheduledMessage
from edx_ace.automation.states import EDITABLE, OPEN, State
from edx_ace.errors import AceError
from edx_ace.web.automation.access import TONES, automation_page, choices, label_of, show

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.utils.functional import _StrOrPromise

#: States that are asked for together.
GROUPS: Mapping[str, tuple[_StrOrPromise, Sequence[State]]] = {
    "open": (_("still to go"), OPEN),
    "ended": (_("gone or cancelled"), (State.SUCCEEDED, State.CANCELLED)),
    "all": (_("all"), ()),
}

#: What is asked for by name.
_ASKED = ("state", "action", "person", "search", "about", "since", "until")


@attrs.frozen
class Line:
    """A message as lists show it."""

    message: ScheduledMessage
    label: str
    tone: str
    about: Shown | None
    #: The first of its recipients, and how many there are beside.
    first: Shown | None
    others: int

    @property
    def is_editable(self) -> bool:
        """Whether what it says may be changed."""
        return self.message.state in EDITABLE


@require_safe
@automation_page("view_message")
def page(request: HttpRequest) -> HttpResponse:
    """Show what will go out, the next first; or what was asked for."""
    wrong = ""
    try:
        rows = rows_of(request.GET)
    except AceError as error:
        rows, wrong = ScheduledMessage.objects.none(), str(error)
    asked = {name: request.GET.get(name, "").strip() for name in _ASKED}
    state = asked["state"] or "open"
    latest_first = state in ("ended", "all", State.SUCCEEDED, State.CANCELLED)
    after = request.GET.get("after", "")
    try:
        found = finding.page(rows, after=after, latest_first=latest_first)
    except AutomationError:
        # An address that nobody's next link led to.
        found = finding.page(rows, latest_first=latest_first)
    query = urlencode({name: value for name, value in asked.items() if value})
    context = {
        **asked,
        "state": state,
        "lines": lines_of(found.messages),
        "next": urlencode({"after": found.next}) if found.next else "",
        "is_first": not after,
        "query": query,
        "is_filtered": bool(query),
        "wrong": wrong,
        "groups": [(name, label) for name, (label, _states) in GROUPS.items()],
        "states": State.choices,
        "actions": choices(),
        "about_shown": _about_shown(asked["about"]),
        "verbs": list(many.VERBS),
    }
    return show(request, "list.html", context, status=422 if wrong else 200)


def rows_of(asked: QueryDict) -> QuerySet[ScheduledMessage]:
    """
    Return the messages that the parameters of a list ask for; a date stands for the whole day in the active time zone.

    Raises:
        AceError: If they ask for what cannot be.
    """
    state = asked.get("state", "") or "open"
    states = GROUPS[state][1] if state in GROUPS else [state] if state in State.values else []
    until = _midnight(asked.get("until", ""), 1)
    kind, _colon, key = asked.get("about", "").partition(":")
    return finding.messages(
        states=states,
        action=asked.get("action", ""),
        about=(kind, key) if key else None,
        person=asked.get("person", "").strip(),
        search=asked.get("search", "").strip(),
        since=_midnight(asked.get("since", "")),
        until=until,
    )


def lines_of(messages: Sequence[ScheduledMessage]) -> list[Line]:
    """Return *messages* as lists show them."""
    about = examining.shown_objects(messages)
    firsts = examining.shown([one.recipients[0] if one.recipients else None for one in messages])
    return [
        Line(
            message=one,
            label=label_of(one.action),
            tone=TONES[one.state],
            about=about.get(one.pk),
            first=first if one.recipients else None,
            others=max(len(one.recipients) - 1, 0),
        )
        for one, first in zip(messages, firsts, strict=True)
    ]


def about_of(message: ScheduledMessage) -> str:
    """Return the parameter that asks for the messages about the same object."""
    return f"{message.object_type}:{message.object_key}"


def _about_shown(about: str) -> Any:
    kind, _colon, key = about.partition(":")
    return examining.shown([{"model": kind, "pk": key}])[0] if key else None


def _midnight(text: str, days: int = 0) -> datetime | None:
    try:
        found = parse_date(text.strip())
    except ValueError:
        found = None
    # Django's years begin and end sooner than those of a calendar that somebody types.
    if found is None or not date(1900, 1, 1) <= found <= date(9000, 1, 1):
        return None
    return datetime.combine(found + timedelta(days=days), time.min, timezone.get_current_timezone())
