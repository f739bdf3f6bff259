"""
Internal: endpoints for workers outside, which have no access to the database: what is due, and the arrows of each.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace import automation
from edx_ace.api import base
from edx_ace.api.automation.base import WorkEndpoint
from edx_ace.api.automation.messages import as_file
from edx_ace.api.automation.serializers import (
    DueQuerySerializer,
    FailureSerializer,
    FencedWhySerializer,
    FenceSerializer,
    JobSerializer,
    MessageSummarySerializer,
    RenderedSerializer,
)
from edx_ace.api.base import read, show, show_all
from edx_ace.api.problems import told
from edx_ace.api.schema import FILE, Operation
from edx_ace.automation import examining, finding, workers
from edx_ace.automation.errors import AutomationError

_NEEDS = ["work_message"]


class Due(WorkEndpoint):
    """What is due."""

    @Operation("list_due", MessageSummarySerializer(many=True), query=DueQuerySerializer, needs=_NEEDS)
    def get(self, request: Request) -> Response:
        """List what may be locked now, the longest due first."""
        query = read(DueQuerySerializer, request.query_params)
        found = finding.due_for_workers(query["size"])
        return show_all(request, MessageSummarySerializer, found, about=examining.shown_objects(found))


class Lock(WorkEndpoint):
    """It is yours."""

    @Operation("lock_message", JobSerializer, needs=_NEEDS)
    def post(self, request: Request, id: UUID) -> Response:
        """
        Take a message that is due, for ten minutes, with all that is needed to send it.

        409: another worker has it, or it is not due any more. 422: something of it is gone; it has failed.
        """
        message = workers.message(id)
        try:
            job = workers.take(message, request.user)
        except AutomationError as error:
            # That it has failed stays, whatever the site does with transactions.
            said = told(error)
            assert said is not None
            return said
        return show(request, JobSerializer, job)


class WorkLetters(WorkEndpoint):
    """What our workers would send."""

    @Operation("render_message", RenderedSerializer(many=True), query=FenceSerializer, needs=_NEEDS)
    def get(self, request: Request, id: UUID) -> Response:
        """Return the letters of a message that you have, rendered as they would be sent here."""
        query = read(FenceSerializer, request.query_params)
        return show_all(request, RenderedSerializer, workers.letters(workers.message(id), **query))


class WorkAttachment(WorkEndpoint, base.FileEndpoint):
    """A file of a message."""

    @Operation("get_work_attachment", FILE, query=FenceSerializer, media_type="application/octet-stream", needs=_NEEDS)
    def get(self, request: Request, id: UUID, key: int) -> Any:
        """Return a file of a message that you have."""
        query = read(FenceSerializer, request.query_params)
        return as_file(*workers.attachment(workers.message(id), key, **query))


class Succeed(WorkEndpoint):
    """It was sent."""

    @Operation("succeed_message", MessageSummarySerializer, takes=FenceSerializer, needs=_NEEDS)
    def post(self, request: Request, id: UUID) -> Response:
        """Say that a message that you have was sent."""
        given = read(FenceSerializer, request.data)
        return show(
            request, MessageSummarySerializer, automation.succeed(workers.message(id), author=request.user, **given)
        )


class Fail(WorkEndpoint):
    """It could not be sent."""

    @Operation("fail_message", MessageSummarySerializer, takes=FailureSerializer, needs=_NEEDS)
    def post(self, request: Request, id: UUID) -> Response:
        """Say that a message that you have could not be sent, and why; it is due again later."""
        given = read(FailureSerializer, request.data)
        return show(
            request, MessageSummarySerializer, automation.fail(workers.message(id), author=request.user, **given)
        )


class WorkCancel(WorkEndpoint):
    """It is not to go."""

    @Operation("cancel_work", MessageSummarySerializer, takes=FencedWhySerializer, needs=_NEEDS)
    def post(self, request: Request, id: UUID) -> Response:
        """Say that a message that you have is not to go."""
        given = read(FencedWhySerializer, request.data)
        done = automation.cancel(workers.message(id), author=request.user, **given)
        return show(request, MessageSummarySerializer, done)
