"""
Internal: endpoints that find scheduled messages.
"""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace.api.automation.base import Endpoint
from edx_ace.api.automation.serializers import (
    ActionQuerySerializer,
    ActionSerializer,
    CalendarQuerySerializer,
    DaySerializer,
    MessagePageQuerySerializer,
    MessagePageSerializer,
    ObjectQuerySerializer,
    ObjectSerializer,
    SimulationSerializer,
)
from edx_ace.api.base import read, show, show_all
from edx_ace.api.schema import Operation
from edx_ace.automation import actions, examining, finding


class Messages(Endpoint):
    """All scheduled messages."""

    @Operation("list_messages", MessagePageSerializer, query=MessagePageQuerySerializer, needs=["view_message"])
    def get(self, request: Request) -> Response:
        """List scheduled messages in the order of their time, a page at a time."""
        query = read(MessagePageQuerySerializer, request.query_params)
        paging = {name: query.pop(name) for name in ("after", "size", "latest_first") if name in query}
        found = finding.page(finding.messages(**query), **paging)
        return show(request, MessagePageSerializer, found, about=examining.shown_objects(found.messages))


class Calendar(Endpoint):
    """What goes out on which day."""

    @Operation("get_calendar", DaySerializer(many=True), query=CalendarQuerySerializer, needs=["view_message"])
    def get(self, request: Request) -> Response:
        """Return how many messages are scheduled for each day, by action and state."""
        query = read(CalendarQuerySerializer, request.query_params)
        first, last = query.pop("first"), query.pop("last")
        days = [
            {
                "day": one.day,
                "number": one.number,
                "numbers": [
                    {"action": action, "state": state, "number": number}
                    for (action, state), number in sorted(one.numbers.items())
                ],
            }
            for one in finding.calendar(finding.messages(**query), first, last)
        ]
        return show_all(request, DaySerializer, days)


class Actions(Endpoint):
    """Actions."""

    @Operation("list_actions", ActionSerializer(many=True), needs=["view_message"])
    def get(self, request: Request) -> Response:
        """List the kinds of messages that there are."""
        return show_all(request, ActionSerializer, actions.all_actions().values())


class Objects(Endpoint):
    """Objects of an action."""

    @Operation("find_objects", ObjectSerializer(many=True), query=ObjectQuerySerializer, needs=["view_message"])
    def get(self, request: Request, action: str) -> Response:
        """Find objects to try an action or its template with, the latest first."""
        query = read(ObjectQuerySerializer, request.query_params)
        found = examining.find_objects(actions.get(action), **query)
        return show_all(request, ObjectSerializer, [{"key": str(one.pk), "label": str(one)} for one in found])


class Simulation(Endpoint):
    """What an action would do."""

    @Operation("simulate", SimulationSerializer, query=ActionQuerySerializer, needs=["view_message"])
    def get(self, request: Request) -> Response:
        """Return what an action would do because of an object, and why; nothing is done."""
        query = read(ActionQuerySerializer, request.query_params)
        action = actions.get(query["action"])
        obj = examining.object_of(action, query["object"])
        return show(request, SimulationSerializer, examining.simulate(action, obj))
