"""
Internal: endpoints that do the same with many scheduled messages.
"""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace.api.automation.base import Endpoint
from edx_ace.api.automation.serializers import ManySerializer, ManyWhenSerializer, ManyWhySerializer, StepSerializer
from edx_ace.api.base import Shape, read, show_all
from edx_ace.api.schema import Operation
from edx_ace.automation import many
from edx_ace.automation.models import ScheduledMessage


class CancelMany(Endpoint):
    """They do not go."""

    @Operation(
        "cancel_many",
        StepSerializer(many=True),
        takes=ManyWhySerializer,
        needs=["view_message", many.VERBS["cancel"]],
    )
    def post(self, request: Request) -> Response:
        """Cancel each of some messages; one for which that cannot be done keeps no other from it."""
        return _done(request, "cancel", ManyWhySerializer)


class RescheduleMany(Endpoint):
    """Another time."""

    @Operation(
        "reschedule_many",
        StepSerializer(many=True),
        takes=ManyWhenSerializer,
        needs=["view_message", many.VERBS["reschedule"]],
    )
    def post(self, request: Request) -> Response:
        """Let each of some messages go at another time; one for which that cannot be done keeps no other from it."""
        return _done(request, "reschedule", ManyWhenSerializer)


class SendManyNow(Endpoint):
    """They go at once."""

    @Operation(
        "send_many_now",
        StepSerializer(many=True),
        takes=ManySerializer,
        needs=["view_message", many.VERBS["send_now"]],
    )
    def post(self, request: Request) -> Response:
        """Let each of some messages go at once; one for which that cannot be done keeps no other from it."""
        return _done(request, "send_now", ManySerializer)


class ResendMany(Endpoint):
    """They go once more."""

    @Operation(
        "resend_many",
        StepSerializer(many=True),
        takes=ManySerializer,
        needs=["view_message", many.VERBS["resend"]],
    )
    def post(self, request: Request) -> Response:
        """Send each of some messages once more; one for which that cannot be done keeps no other from it."""
        return _done(request, "resend", ManySerializer)


def _done(request: Request, verb: str, shape: Shape) -> Response:
    given: dict[str, Any] = read(shape, request.data)
    rows = ScheduledMessage.objects.filter(uuid__in=given.pop("ids"))
    steps = many.do(verb, rows, author=request.user, **given)
    return show_all(request, StepSerializer, steps)
