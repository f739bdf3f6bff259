"""
Internal: what the messages of actions say: the list of templates, their editor with a preview, their versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages as said
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from edx_ace.automation import actions, examining, templates
from edx_ace.automation.actions import Action
from edx_ace.automation.errors import AutomationError, ConflictError, NotFoundError, Problem, RefusedError
from edx_ace.automation.templates import Content
from edx_ace.web.automation.access import automation_page, show
from edx_ace.web.automation.sheet import Sheet, named
from edx_ace.web.content_policy import policy


@require_safe
@automation_page("change_template")
def page(request: HttpRequest) -> HttpResponse:
    """Show every action, whether it is on, and which version of its template is the newest."""
    context = {"summaries": templates.summaries(), "are_all_off": templates.are_all_off()}
    return show(request, "templates.html", context)


@require_POST
@automation_page("change_template")
def switch(request: HttpRequest) -> HttpResponse:
    """Switch an action, or all at once, on or off; or let its template schedule messages or not."""
    name, is_on = request.POST.get("action", ""), request.POST.get("on") == "1"
    action = actions.get(name) if name else None
    target = redirect("ace_automation_web:templates")
    if request.POST.get("what") == "active" and action is not None:
        templates.set_active(action, is_on)
        target = redirect("ace_automation_web:write", action=action.signal)
        on, off = _("The template of “%(action)s” is active."), _("The template of “%(action)s” is not active.")
    else:
        templates.switch(action, is_on, who=request.user)
        on, off = _("“%(action)s” is on."), _("“%(action)s” is off: it schedules nothing.")
        if action is None:
            on, off = _("Actions are on."), _("All actions are off: they schedule nothing.")
    said.success(request, (on if is_on else off) % {"action": action})
    return target


@require_http_methods(["GET", "HEAD", "POST"])
@automation_page("change_template")
def write(request: HttpRequest, action: str) -> HttpResponse:
    """Show the template in a form, change what the form offers, show what it would say, or save it."""
    found = actions.get(action)
    newest = templates.current(found)
    number = 0 if newest is None else newest.number
    if found.message_type is not None:
        return show(request, "files.html", {"action": found, "message_type": found.message_type})
    if request.method != "POST":
        return _shown(request, found, Sheet.of(None if newest is None else Content.from_json(newest.content)), number)
    sheet, seen = Sheet.posted(request.POST), _number(request.POST.get("version", ""))
    verb, _colon, about = request.POST.get("do", "save").partition(":")
    if verb != "save":
        sheet = sheet.changed(verb, about or request.POST.get("new_language", ""))
        return _shown(request, found, sheet, seen, is_changed=True)
    try:
        saved = templates.save(found, sheet.content(), who=request.user, version=seen)
    except RefusedError as error:
        return _shown(request, found, sheet, seen, error.problems, is_changed=True)
    except AutomationError as error:
        return _shown(request, found, sheet, seen, [Problem(error.code, str(error))], is_changed=True)
    except ConflictError as error:
        # What was written is not lost: whoever has seen what is there now may save over it.
        return _shown(request, found, sheet, number, conflict=str(error), is_changed=True)
    said.success(request, _("This is version %(number)d.") % {"number": saved.number})
    return redirect("ace_automation_web:write", action=found.signal)


@require_POST
@automation_page("change_template")
def preview(request: HttpRequest, action: str) -> HttpResponse:
    """Return the part of the editor that shows what it would say."""
    found = actions.get(action)
    response = show(request, "preview.html", _seen(request.POST, found, Sheet.posted(request.POST), is_part=True))
    response.headers["Content-Security-Policy"] = policy(request, has_message=True)
    return response


@require_safe
@automation_page("change_template")
def versions(request: HttpRequest, action: str) -> HttpResponse:
    """Show all versions, and what one of them says."""
    found = actions.get(action)
    rows = templates.versions(found)
    asked = _number(request.GET.get("number", "")) or (rows[0].number if rows else 0)
    chosen = next((one for one in rows if one.number == asked), None)
    if chosen is None and asked:
        raise NotFoundError(_("There is no version %(number)d.") % {"number": asked})
    context = {
        "action": found,
        "versions": rows,
        "chosen": chosen,
        "sheet": None if chosen is None else Sheet.of(Content.from_json(chosen.content)),
        "is_newest": chosen is not None and chosen == rows[0],
    }
    return show(request, "versions.html", context)


@require_POST
@automation_page("change_template")
def roll_back(request: HttpRequest, action: str) -> HttpResponse:
    """Let what an older version says be the newest."""
    found = actions.get(action)
    try:
        made = templates.roll_back(found, _number(request.POST.get("number", "")), who=request.user)
    except AutomationError as error:
        said.error(request, str(error))
    else:
        said.success(request, _("This is version %(number)d.") % {"number": made.number})
    return redirect("ace_automation_web:versions", action=found.signal)


def _shown(
    request: HttpRequest,
    action: Action,
    sheet: Sheet,
    version: int,
    problems: Sequence[Problem] = (),
    *,
    conflict: str = "",
    is_changed: bool = False,
) -> HttpResponse:
    context = {
        **_seen(request.POST, action, sheet, is_part=False),
        "sheet": sheet.with_problems(problems),
        "version": version,
        "problems": problems,
        "conflict": conflict,
        "is_changed": is_changed,
        "variables": templates.offered(action),
        "is_on": templates.is_on(action),
        "is_active": templates.is_active(action),
    }
    response = show(request, "write.html", context, status=409 if conflict else 422 if problems else 200)
    response.headers["Content-Security-Policy"] = policy(request, has_message=True)
    return response


def _seen(data: Mapping[str, str], action: Action, sheet: Sheet, *, is_part: bool) -> dict[str, Any]:
    """Return what *sheet* would say about the object that was chosen, and what is wrong with it."""
    context: dict[str, Any] = {"action": action, "search": data.get("search", "").strip(), "is_part": is_part}
    context |= {"languages": [(text.language, text.name) for text in sheet.texts], "language": data.get("as", "")}
    try:
        objects = examining.find_objects(action, context["search"])
    except AutomationError as error:
        return context | {"wrong": str(error)}
    chosen = next((one for one in objects if str(one.pk) == data.get("object", "")), next(iter(objects), None))
    context |= {"objects": objects, "chosen": chosen}
    try:
        content = sheet.content()
        found = templates.problems(action, content, chosen)
    except AutomationError as error:
        found = [Problem(error.code, str(error))]
    if found or chosen is None:
        return context | {"found": [(_place(one), one) for one in found]}
    return context | {"seen": examining.preview_template(action, content, chosen, context["language"] or None)}


def _place(problem: Problem) -> str:
    """Return where a problem is, as people call it."""
    language, _dot, field = problem.where.rpartition(".")
    return named(language)[0] if field in ("subject", "body") and language else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
