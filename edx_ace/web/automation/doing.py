"""
Internal: what is done to one scheduled message as a whole: cancelled, sent now or again, tried out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages as said
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from edx_ace.automation import controller, examining, finding
from edx_ace.automation.errors import AutomationError
from edx_ace.automation.models import ScheduledMessage
from edx_ace.automation.states import OPEN, State
from edx_ace.web.automation.access import automation_page, label_of, show


@require_http_methods(["GET", "HEAD", "POST"])
@automation_page("view_message", "cancel_message")
def cancel(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask whether it is to be cancelled, and why, and cancel it."""
    message = finding.message(uuid)
    if request.method == "POST":
        controller.cancel(message, author=request.user, why=request.POST.get("why", "").strip())
        said.success(request, _("The message is cancelled."))
        return redirect("ace_automation_web:detail", uuid=uuid)
    if message.state not in OPEN:
        return redirect("ace_automation_web:detail", uuid=uuid)
    context = {
        "message": message,
        "label": label_of(message.action),
        "about": examining.shown_objects([message]).get(message.pk),
        "is_on_its_way": message.state == State.ENQUEUED,
    }
    return show(request, "cancel.html", context)


@require_POST
@automation_page("view_message", "send_message")
def send_now(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Let it go at once."""
    return _done(request, uuid, controller.send_now, _("It goes now."))


@require_POST
@automation_page("view_message", "send_message")
def resend(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Send it once more."""
    return _done(request, uuid, controller.resend, _("It goes once more. This is what will be sent."))


@require_POST
@automation_page("view_message", "send_message")
def test(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Send a test of it to the user, and say what came of that."""
    message = finding.message(uuid)
    try:
        report = examining.send_test(message, request.user)
    except Exception as error:
        # Whatever would keep it from being sent is what whoever looks after it has to see.
        said.error(request, _("The test was not sent: %(reason)s") % {"reason": error})
    else:
        if report:
            said.success(request, _("A test is on its way to you."))
        for delivery in report.deliveries if not report else ():
            said.error(request, _("The test was not sent: %(reason)s") % {"reason": delivery.reason or delivery.code})
    return redirect("ace_automation_web:detail", uuid=uuid)


def _done(
    request: HttpRequest, uuid: UUID, do: Callable[[ScheduledMessage, Any], ScheduledMessage], text: str
) -> HttpResponse:
    try:
        made = do(finding.message(uuid), request.user)
    except AutomationError as error:
        said.error(request, str(error))
        return redirect("ace_automation_web:detail", uuid=uuid)
    said.success(request, text)
    return redirect("ace_automation_web:detail", uuid=made.uuid)
