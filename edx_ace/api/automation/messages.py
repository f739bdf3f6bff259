"""
Internal: endpoints that show one scheduled message, and do something with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import attrs
from django.http import HttpResponse
from django.utils.http import content_disposition_header
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace import automation
from edx_ace.api.automation.base import Endpoint, FileEndpoint, UploadEndpoint
from edx_ace.api.automation.serializers import (
    ChangedMessageSerializer,
    EntrySerializer,
    LetterPageSerializer,
    LetterQuerySerializer,
    MessageSerializer,
    NewAttachmentSerializer,
    WhenSerializer,
)
from edx_ace.api.base import read, show, show_all
from edx_ace.api.schema import FILE, Operation
from edx_ace.api.shapes import ReportSerializer, WhySerializer
from edx_ace.automation import attachments, composing, examining, finding
from edx_ace.automation.composing import DATABASE_ERRORS
from edx_ace.automation.errors import AutomationError
from edx_ace.automation.models import Letter, ScheduledMessage
from edx_ace.automation.templates import Content
from edx_ace.errors import AceError
from edx_ace.report import code_of


class Message(Endpoint):
    """One scheduled message."""

    @Operation("get_message", MessageSerializer, needs=["view_message"])
    def get(self, request: Request, id: UUID) -> Response:
        """Return a scheduled message: when it goes, what it refers to, what is written, and its files."""
        return show(request, MessageSerializer, finding.message(id))

    @Operation(
        "edit_message", MessageSerializer, takes=ChangedMessageSerializer, needs=["view_message", "change_message"]
    )
    def patch(self, request: Request, id: UUID) -> Response:
        """Change by hand what a message says, to whom it goes, or when; it is rendered on trial."""
        message = finding.message(id)
        given = read(ChangedMessageSerializer, request.data)
        # As whoever changes it has seen it.
        message.fence = given.pop("version")
        if "content" in given:
            given["content"] = Content.from_json(given["content"])
        _refuse_others(message, given.get("recipients", ()))
        return show(request, MessageSerializer, automation.edit(message, author=request.user, **given))


class Letters(Endpoint):
    """What a message says."""

    @Operation("list_letters", LetterPageSerializer, query=LetterQuerySerializer, needs=["view_message"])
    def get(self, request: Request, id: UUID) -> Response:
        """Return what went to each recipient, with its deliveries; of what has not gone, what would go now."""
        message = finding.message(id)
        query = read(LetterQuerySerializer, request.query_params)
        is_sent = finding.was_sent(message)
        start, size = query["start"], query["size"]
        if is_sent:
            found = list(_sent(list(finding.letters(message)[start : start + size])))
        else:
            found = [{**attrs.asdict(one), "deliveries": []} for one in examining.preview(message, size, start)]
        return show(request, LetterPageSerializer, {"is_sent": is_sent, "letters": found})


class Log(Endpoint):
    """What happened to a message."""

    @Operation("get_log", EntrySerializer(many=True), needs=["view_message"])
    def get(self, request: Request, id: UUID) -> Response:
        """Return what was done with a message, by whom, when and why, the first first."""
        return show_all(request, EntrySerializer, finding.message(id).entries.all())


class Reschedule(Endpoint):
    """Another time."""

    @Operation("reschedule_message", MessageSerializer, takes=WhenSerializer, needs=["view_message", "change_message"])
    def post(self, request: Request, id: UUID) -> Response:
        """Let a message go at another time; one that failed or was cancelled begins anew."""
        given = read(WhenSerializer, request.data)
        return show(
            request, MessageSerializer, automation.reschedule(finding.message(id), author=request.user, **given)
        )


class Cancel(Endpoint):
    """It does not go."""

    @Operation("cancel_message", MessageSerializer, takes=WhySerializer, needs=["view_message", "cancel_message"])
    def post(self, request: Request, id: UUID) -> Response:
        """Cancel a message; what of it waits in the outbox does not go either."""
        given = read(WhySerializer, request.data)
        return show(request, MessageSerializer, automation.cancel(finding.message(id), author=request.user, **given))


class SendNow(Endpoint):
    """It goes at once."""

    @Operation("send_now", MessageSerializer, needs=["view_message", "send_message"])
    def post(self, request: Request, id: UUID) -> Response:
        """Let a message go at once; one that failed or was cancelled begins anew."""
        return show(request, MessageSerializer, automation.send_now(finding.message(id), request.user))


class Resend(Endpoint):
    """It goes once more."""

    @Operation("resend", MessageSerializer, needs=["view_message", "send_message"])
    def post(self, request: Request, id: UUID) -> Response:
        """Send a message once more, and return what will be sent: of what was sent, a message of its own."""
        return show(request, MessageSerializer, automation.resend(finding.message(id), request.user))


class Test(Endpoint):
    """Tests of a message."""

    @Operation("send_test", ReportSerializer, needs=["view_message", "send_message"])
    def post(self, request: Request, id: UUID) -> Response:
        """Send yourself what the first recipient would get now, and say what came of it."""
        message = finding.message(id)
        try:
            report = automation.send_test(message, request.user)
        except (AceError, *DATABASE_ERRORS):
            raise
        except Exception as error:
            # What would keep it from being sent, too: whoever looks after it has to see that.
            raise AutomationError(composing.described(error), code=code_of(error)) from error
        return show(request, ReportSerializer, report)


class Attachments(UploadEndpoint):
    """Files that go with a message."""

    @Operation(
        "add_attachment",
        MessageSerializer,
        takes={"multipart/form-data": NewAttachmentSerializer},
        status=201,
        needs=["view_message", "change_message"],
    )
    def post(self, request: Request, id: UUID) -> Response:
        """Attach a file, and return the message, which has another version then."""
        message = finding.message(id)
        file = read(NewAttachmentSerializer, request.data)["file"]
        changed = automation.add_attachment(message, file.name, file.read(), author=request.user)
        return show(request, MessageSerializer, changed, status=201)


class Attachment(FileEndpoint):
    """One file."""

    @Operation("get_attachment", FILE, media_type="application/octet-stream", needs=["view_message"])
    def get(self, request: Request, id: UUID, key: int) -> Any:
        """Return the file, of whatever type it is."""
        return as_file(*attachments.read(finding.attachment(finding.message(id), key)))

    @Operation("remove_attachment", MessageSerializer, needs=["view_message", "change_message"])
    def delete(self, request: Request, id: UUID, key: int) -> Response:
        """Take a file off, and return the message, which has another version then."""
        message = finding.message(id)
        found = finding.attachment(message, key)
        return show(request, MessageSerializer, automation.remove_attachment(message, found.pk, author=request.user))


def as_file(name: str, content: bytes, content_type: str) -> HttpResponse:
    """Return a file that is to be kept and not shown, whatever its type."""
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _refuse_others(message: ScheduledMessage, recipients: Sequence[Any]) -> None:
    """
    Do nothing if *recipients* are mailboxes, or references that *message* has.

    Whoever may change a message could read any object of the site by it otherwise.
    """
    wrong = {
        str(number): [serializers.ErrorDetail("Give a mailbox, or a reference that the message has.", "bad_recipient")]
        for number, one in enumerate(recipients)
        if not isinstance(one, str) and one not in message.recipients
    }
    if wrong:
        raise serializers.ValidationError({"recipients": wrong})


def _sent(rows: Sequence[Letter]) -> Iterator[dict[str, Any]]:
    deliveries = finding.deliveries(rows)
    for row in rows:
        yield {
            **dict.fromkeys(("cc", "bcc", "reply_to"), ()),
            "to": row.address or "",
            "sender": "",
            "language": row.language,
            "subject": row.subject,
            "html": row.body_html,
            "text": row.body_text,
            "error": row.error,
            "deliveries": deliveries.get(row.uuid, []),
        }
