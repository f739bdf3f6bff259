"""
Internal: the same for many messages at once, on a page that grows while it is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from edx_ace.automation import many
from edx_ace.automation.access import require
from edx_ace.automation.errors import NotFoundError, Problem, RefusedError
from edx_ace.automation.many import Step
from edx_ace.automation.models import ScheduledMessage
from edx_ace.web.automation import sheet as sheets
from edx_ace.web.automation.access import automation_page, label_of, show
from edx_ace.web.automation.listing import rows_of

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.utils.functional import _StrOrPromise

#: What people read for what can be done.
LABELS: Mapping[str, _StrOrPromise] = {
    "cancel": _("Cancel them"),
    "reschedule": _("Put them to another time"),
    "send_now": _("Send them now"),
    "resend": _("Send them once more"),
}

#: Where a page grows.
_STEPS = "<!-- steps -->"

#: Messages that could not be done, of which the page says why.
_MAX_ERRORS = 200


@require_POST
@automation_page("view_message")
def page(request: HttpRequest) -> HttpResponseBase:
    """Ask whether it is to be done with all that were chosen, and do it."""
    verb = request.POST.get("verb", "")
    if verb not in many.VERBS:
        raise NotFoundError(str(_("That cannot be done with many messages.")))
    require(request.user, many.VERBS[verb])
    rows = _chosen(request.POST)
    number = rows.count()
    time = request.POST.get("scheduled_at", "")
    problems: list[Problem] = []
    if request.POST.get("do") == "yes":
        try:
            given: dict[str, Any] = {"why": request.POST.get("why", "").strip()}
            if verb == "reschedule":
                given["scheduled_at"] = sheets.moment(time)
        except RefusedError as error:
            problems = error.problems
        else:
            return _growing(request, verb, many.do(verb, rows, author=request.user, **given))
    context = {
        "verb": verb,
        "label": LABELS[verb],
        "number": number,
        "uuids": request.POST.getlist("uuid"),
        "all": request.POST.get("all", ""),
        "query": request.POST.get("query", ""),
        "time": time or sheets.written(timezone.now()),
        "zone": timezone.get_current_timezone_name(),
        "problems": problems,
    }
    return show(request, "many.html", context, status=422 if problems else 200)


def _chosen(data: QueryDict) -> QuerySet[ScheduledMessage]:
    """Return what was ticked, or all that the list had on all of its pages."""
    if data.get("all"):
        return rows_of(QueryDict(data.get("query", "")))
    uuids = []
    for text in data.getlist("uuid"):
        try:
            uuids.append(UUID(text))
        except ValueError:
            continue
    return ScheduledMessage.objects.filter(uuid__in=uuids)


def _growing(request: HttpRequest, verb: str, steps: Iterator[Step]) -> HttpResponseBase:
    context = {"label": LABELS[verb], "query": request.POST.get("query", "")}
    before, _mark, after = show(request, "doing.html", context).content.decode().partition(_STEPS)
    return StreamingHttpResponse(_pieces(steps, before, after))


def _pieces(steps: Iterator[Step], before: str, after: str) -> Iterator[str]:
    yield before
    errors: list[tuple[str, Step]] = []
    done = failed = 0
    told = -1
    for step in steps:
        number, total = step.number, step.total
        if step.error:
            failed += 1
            if len(errors) < _MAX_ERRORS:
                errors.append((label_of(step.message.action), step))
        else:
            done += 1
        if (percent := 100 * number // total) > told:
            told = percent
            far = {"percent": percent, "number": number, "total": total}
            yield render_to_string("edx_ace/web/automation/step.html", far)
    came = {"done": done, "failed": failed, "errors": errors}
    yield render_to_string("edx_ace/web/automation/done.html", came)
    yield after
