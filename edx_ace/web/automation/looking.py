"""
Internal: one scheduled message: what it says and to whom, what it refers to, what was done to it and what came of it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from edx_ace.automation import attachments, examining, finding
from edx_ace.automation.errors import NotFoundError
from edx_ace.automation.models import ScheduledMessage
from edx_ace.automation.states import EDITABLE, OPEN, State
from edx_ace.outbox.states import State as DeliveryState
from edx_ace.web.automation.access import TONES, automation_page, label_of, show
from edx_ace.web.automation.listing import about_of
from edx_ace.web.content_policy import FRAME_POLICY

#: Letters on one page.
PAGE_SIZE = 10

#: Lines of the log that are shown.
_ENTRIES = 200

#: What people read for what was done.
_DID = {
    "schedule": pgettext_lazy("message", "Scheduled"),
    "reschedule": gettext_lazy("Put to another time"),
    "update": gettext_lazy("Brought up to date"),
    "edit": gettext_lazy("Changed by hand"),
    "cancel": pgettext_lazy("message", "Cancelled"),
    "lock": gettext_lazy("Taken by a worker"),
    "enqueue": gettext_lazy("Put into the outbox"),
    "succeed": pgettext_lazy("message", "Sent"),
    "fail": pgettext_lazy("message", "Failed"),
    "try_again": gettext_lazy("Tried again"),
    "take_over": gettext_lazy("Taken from a worker that was lost"),
    "add_attachment": gettext_lazy("File attached"),
    "remove_attachment": gettext_lazy("File taken off"),
    "send_now": gettext_lazy("Told to go at once"),
    "resend": gettext_lazy("Sent once more"),
    "send_test": gettext_lazy("Test sent"),
}

#: How what came of a delivery looks.
_LOOKS = {
    DeliveryState.DELIVERED: "good",
    DeliveryState.SENT: "good",
    DeliveryState.FOLDED: "good",
    DeliveryState.UNKNOWN: "warning",
    DeliveryState.SKIPPED: "warning",
    DeliveryState.EXPIRED: "warning",
    DeliveryState.CANCELLED: "warning",
    DeliveryState.BOUNCED: "bad",
    DeliveryState.COMPLAINED: "bad",
    DeliveryState.FAILED: "bad",
}


@require_safe
@automation_page("view_message")
def page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show it as it was sent, or as it would be sent now, to each recipient, with all that is known of it."""
    message = finding.message(uuid)
    start = _number(request.GET.get("start", ""))
    is_sent = finding.was_sent(message)
    letters = _sent(message, start) if is_sent else _as_now(message, start)
    total = finding.letters(message).count() if is_sent else 1 if message.is_to_all else len(message.recipients)
    context = {
        "message": message,
        "label": label_of(message.action),
        "tone": TONES[message.state],
        "about": examining.shown_objects([message]).get(message.pk),
        "about_query": about_of(message),
        "context": examining.shown_context(message),
        "recipients": examining.shown(message.recipients[:100]),
        "more_recipients": max(len(message.recipients) - 100, 0),
        "letters": letters,
        "is_sent": is_sent,
        "total": total,
        "previous": max(start - PAGE_SIZE, 0) if start else None,
        "next": start + PAGE_SIZE if start + PAGE_SIZE < total else None,
        "entries": [(_DID.get(one.did, one.did), one) for one in message.entries.order_by("-at", "-pk")[:_ENTRIES]],
        "files": message.attachments.order_by("pk"),
        "is_editable": message.state in EDITABLE,
        "is_open": message.state in OPEN,
        "can_go": message.state in (*EDITABLE, State.CANCELLED),
        "is_ended": message.state == State.SUCCEEDED,
    }
    return show(request, "detail.html", context)


@require_safe
@xframe_options_sameorigin
@automation_page("view_message")
def frame(request: HttpRequest, uuid: UUID, place: int) -> HttpResponse:
    """Return the HTML of one letter, in which nothing runs."""
    message = finding.message(uuid)
    if finding.was_sent(message):
        found = finding.letters(message)[place : place + 1]
        html = found[0].body_html if found else ""
    else:
        seen = examining.preview(message, 1, place)
        html = seen[0].html if seen else ""
    if not html:
        raise NotFoundError(_("There is no such letter."))
    return HttpResponse(html, headers={"Content-Security-Policy": FRAME_POLICY})


@require_safe
@automation_page("view_message")
def attachment(request: HttpRequest, uuid: UUID, key: int) -> HttpResponse:
    """Return an attachment, to be kept and not to be shown: it may be of any type."""
    name, content, _content_type = attachments.read(finding.attachment(finding.message(uuid), key))
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "attachment",
    }
    return HttpResponse(content, content_type="application/octet-stream", headers=headers)


def _sent(message: ScheduledMessage, start: int) -> list[dict[str, Any]]:
    rows = list(finding.letters(message)[start : start + PAGE_SIZE])
    deliveries = finding.deliveries(rows)
    names = examining.shown([_first(row.recipient) for row in rows])
    return [
        {
            "place": place,
            "to": row.address or name.text,
            "language": row.language,
            "subject": row.subject,
            "text": row.body_text,
            "has_html": bool(row.body_html),
            "error": row.error,
            "uuid": row.uuid,
            "deliveries": [(one, _LOOKS.get(DeliveryState(one.state), "")) for one in deliveries.get(row.uuid, [])],
        }
        for place, (row, name) in enumerate(zip(rows, names, strict=True), start)
    ]


def _as_now(message: ScheduledMessage, start: int) -> list[dict[str, Any]]:
    return [
        {
            "place": place,
            "to": one.to,
            "cc": one.cc,
            "bcc": one.bcc,
            "reply_to": one.reply_to,
            "sender": one.sender,
            "language": one.language,
            "subject": one.subject,
            "text": one.text,
            "has_html": bool(one.html),
            "error": one.error,
        }
        for place, one in enumerate(examining.preview(message, PAGE_SIZE, start), start)
    ]


def _first(recipient: Any) -> Any:
    return next(iter(recipient), None) if isinstance(recipient, list) else recipient


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
