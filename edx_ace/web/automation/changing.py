"""
Internal: changing one scheduled message by hand: what it says, when it goes, and its files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages as said
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from edx_ace.automation import controller, examining, finding
from edx_ace.automation.errors import AutomationError, ConflictError, Problem, RefusedError
from edx_ace.automation.models import ScheduledMessage
from edx_ace.automation.states import EDITABLE, State
from edx_ace.automation.templates import Content
from edx_ace.web.automation import sheet as sheets
from edx_ace.web.automation.access import automation_page, label_of, show
from edx_ace.web.automation.sheet import Sheet


@require_http_methods(["GET", "HEAD", "POST"])
@automation_page("view_message", "change_message")
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show what it says and when it goes in a form, change what the form offers, or save it."""
    message = finding.message(uuid)
    if message.state not in EDITABLE:
        raise ConflictError(
            _("This message is %(state)s by now: it cannot be changed any more.")
            % {"state": message.get_state_display()}
        )
    sheet = Sheet.of(Content.from_json(message.content)) if message.content else None
    if request.method != "POST":
        return _shown(request, message, sheet)
    if sheet is not None:
        sheet = Sheet.posted(request.POST)
    verb, _colon, about = request.POST.get("do", "save").partition(":")
    if verb != "save":
        changed = sheet and sheet.changed(verb, about or request.POST.get("new_language", ""))
        return _shown(request, message, changed, is_changed=True)
    # As whoever changes it has seen it.
    now_at, message.fence = message.fence, _number(request.POST.get("seen", ""))
    time = request.POST.get("scheduled_at", "")
    try:
        given: dict[str, Any] = {}
        if time != sheets.written(message.scheduled_at):
            given["scheduled_at"] = sheets.moment(time)
        if sheet is not None and (content := sheet.content()).to_json() != message.content:
            given["content"] = content
        controller.edit(message, author=request.user, **given)
    except RefusedError as error:
        return _shown(request, message, sheet, error.problems, time=time)
    except AutomationError as error:
        return _shown(request, message, sheet, [Problem(error.code, str(error), _FIELD.get(error.code, ""))], time=time)
    except ConflictError as error:
        if finding.message(uuid).state not in EDITABLE or message.fence == now_at:
            raise
        # What was written is not lost: whoever has seen what is there now may save over it.
        message.fence = now_at
        return _shown(request, message, sheet, time=time, conflict=str(error))
    said.success(request, _("Your changes are saved."))
    return redirect("ace_automation_web:detail", uuid=uuid)


@require_http_methods(["GET", "HEAD", "POST"])
@automation_page("view_message", "change_message")
def reschedule(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask when it is to go instead, and put it to that time; one that failed or was cancelled begins anew."""
    message = finding.message(uuid)
    text = request.POST.get("scheduled_at", "")
    problems: list[Problem] = []
    if request.method == "POST":
        try:
            why = request.POST.get("why", "").strip()
            controller.reschedule(message, sheets.moment(text), author=request.user, why=why)
        except RefusedError as error:
            problems = error.problems
        except AutomationError as error:
            problems = [Problem(error.code, str(error), "scheduled_at")]
        else:
            said.success(request, _("The message has another time now."))
            return redirect("ace_automation_web:detail", uuid=uuid)
    elif message.state not in (*EDITABLE, State.CANCELLED):
        return redirect("ace_automation_web:detail", uuid=uuid)
    context = {
        "message": message,
        "label": label_of(message.action),
        "about": examining.shown_objects([message]).get(message.pk),
        "time": text or sheets.written(max(message.scheduled_at, timezone.now())),
        "zone": timezone.get_current_timezone_name(),
        "problems": problems,
        "begins_anew": message.state != State.SCHEDULED,
    }
    return show(request, "reschedule.html", context, status=422 if problems else 200)


@require_POST
@automation_page("view_message", "change_message")
def attach(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Attach files to it."""
    message = finding.message(uuid)
    files = request.FILES.getlist("files")
    if not files:
        said.error(request, _("Choose a file."))
    for file in files:
        try:
            controller.add_attachment(message, file.name or "", file.read(), author=request.user)
        except AutomationError as error:
            for text in [one.reason for one in error.problems] if isinstance(error, RefusedError) else [str(error)]:
                said.error(request, text)
        else:
            said.success(request, _("“%(name)s” is attached.") % {"name": file.name})
    return redirect("ace_automation_web:detail", uuid=uuid)


@require_POST
@automation_page("view_message", "change_message")
def detach(request: HttpRequest, uuid: UUID, key: int) -> HttpResponse:
    """Take a file off it."""
    controller.remove_attachment(finding.message(uuid), key, author=request.user)
    said.success(request, _("The file is taken off."))
    return redirect("ace_automation_web:detail", uuid=uuid)


#: At which field is shown what was wrong, by the error's code.
_FIELD = {"past": "scheduled_at"}


def _shown(
    request: HttpRequest,
    message: ScheduledMessage,
    sheet: Sheet | None,
    problems: Sequence[Problem] = (),
    *,
    time: str | None = None,
    conflict: str = "",
    is_changed: bool = False,
) -> HttpResponse:
    if time is None and request.method == "POST":
        time = request.POST.get("scheduled_at", "")
    context = {
        "message": message,
        "label": label_of(message.action),
        "about": examining.shown_objects([message]).get(message.pk),
        "sheet": None if sheet is None else sheet.with_problems(problems),
        "problems": problems,
        "time_problems": [one for one in problems if one.where == "scheduled_at"],
        "time": sheets.written(message.scheduled_at) if time is None else time,
        "zone": timezone.get_current_timezone_name(),
        "recipients": examining.shown(message.recipients[:100]),
        "more_recipients": max(len(message.recipients) - 100, 0),
        "variables": examining.shown_context(message),
        "conflict": conflict,
        "is_changed": is_changed,
    }
    return show(request, "edit.html", context, status=409 if conflict else 422 if problems else 200)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else -1
