"""Internal: the calls that the front end makes. Who may do what says the host of campaigns, here as everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from compose import translation
from courses.models import Course
from courses.scopes import scope_of
from edx_ace import campaigns
from edx_ace.campaigns.errors import ConflictError, ForbiddenError, RefusedError
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import Campaign
from edx_ace.campaigns.preflight import preflight
from edx_ace.campaigns.states import FINISHED, State

PAGE_SIZE = 10

View = Callable[..., HttpResponse]


def _call(*methods: str) -> Callable[[View], View]:
    """Return a decorator for the views that answer *methods*; it finds the course and puts errors into JSON."""

    def decorate(view: View) -> View:
        @never_cache
        @require_http_methods(methods)
        @wraps(view)
        def wrapper(request: HttpRequest, slug: str, **arguments: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return _refused("Log in first.", 401)
            try:
                return view(request, get_object_or_404(Course, slug=slug), **arguments)
            except ForbiddenError as error:
                return _refused(str(error), 403)
            except ConflictError as error:
                return _refused(str(error), 409)
            except RefusedError as error:
                return _refused(str(error), 400, [problem.code for problem in error.problems])
            except ValueError as error:
                return _refused(str(error), 400)

        return wrapper

    return decorate


@_call("POST")
def send_email(request: HttpRequest, course: Course) -> HttpResponse:
    """Send an email, or schedule it."""
    given = request.POST
    if given.get("action") != "send":
        raise ValueError(f"Expected the action 'send', given {given.get('action')!r}.")
    email = {"targets": given.get("send_to", ""), "subject": given.get("subject"), "message": given.get("message")}
    fields = translation.fields_in(email, course.language)
    when = translation.schedule_in(given.get("schedule"))
    # Nothing is left of what cannot be sent.
    with transaction.atomic():
        campaign = campaigns.create(
            request.user,
            scope=scope_of(course),
            name=fields["variants"][0]["subject"][:200],
            language=course.language,
            **fields,
            **when,
        )
        # The front end has asked whether they are sure.
        seen = [problem.code for problem in preflight(request.user, campaign).warnings]
        campaigns.schedule(request.user, campaign, version=campaign.version, accept=seen)
    return JsonResponse({"course_id": course.slug, "success": True})


@_call("GET")
def schedules(request: HttpRequest, course: Course) -> HttpResponse:
    """List what is scheduled, the next first."""
    found = _campaigns(request, course).filter(state=State.SCHEDULED).order_by("due_at", "pk")
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    results = [translation.schedule_out(campaign, course.slug) for campaign in page]
    return JsonResponse(translation.page_out(results, page.paginator.count, page.number, page.paginator.num_pages))


@_call("GET", "PATCH", "DELETE")
def one_schedule(request: HttpRequest, course: Course, pk: int) -> HttpResponse:
    """Show, change or cancel what is scheduled."""
    campaign = get_object_or_404(_campaigns(request, course), pk=pk)
    if request.method != "GET" and campaign.state != State.SCHEDULED:
        raise ConflictError(f"This is {campaign.get_state_display()}; only what is scheduled can be changed.")
    if request.method == "DELETE":
        campaigns.cancel(request.user, campaign)
        return HttpResponse(status=204)
    if request.method == "PATCH":
        given = translation.json_in(request.body)
        if not isinstance(given, dict) or not isinstance(given.get("email", {}), dict):
            raise ValueError("Expected an object with an email and a schedule.")
        fields = translation.fields_in(given["email"], campaign.language) if "email" in given else {}
        when = translation.schedule_in(given["schedule"]) if given.get("schedule") else {}
        campaign = campaigns.save(request.user, campaign, version=campaign.version, **fields, **when)
    return JsonResponse(translation.schedule_out(campaign, course.slug))


@_call("GET", "POST")
def content_history(request: HttpRequest, course: Course) -> HttpResponse:
    """List what was sent, the latest first, and to how many."""
    return JsonResponse(
        {
            "emails": [
                {
                    "email": translation.email_out(campaign, course.slug),
                    "created": translation.moment_out(campaign.created_at),
                    "number_sent": campaigns.progress(campaign).total,
                    "requester": _author(campaign),
                    "sent_to": translation.targets_out(campaign),
                }
                for campaign in _started(request, course)
            ]
        }
    )


@_call("GET", "POST")
def task_history(request: HttpRequest, course: Course) -> HttpResponse:
    """List how far what was sent is, the latest first."""
    return JsonResponse({"tasks": [_task(campaign) for campaign in _started(request, course)]})


def _task(campaign: Campaign) -> dict[str, Any]:
    if campaign.state == State.SENT:
        state = "SUCCESS"
    elif campaign.state in FINISHED:
        state = "FAILURE"
    else:
        state = "PROGRESS"
    seconds = (
        int((campaign.finished_at - campaign.started_at).total_seconds())
        if campaign.finished_at and campaign.started_at
        else None
    )
    now = campaigns.progress(campaign)
    return {
        "task_id": str(campaign.uuid),
        "task_type": "bulk_course_email",
        "task_input": json.dumps({"email_id": campaign.pk}),
        "task_state": state,
        "status": campaign.get_state_display(),
        "task_message": campaign.reason or f"{now.total - now.left}/{now.total}",
        "created": translation.moment_out(campaign.created_at),
        "duration_sec": "unknown" if seconds is None else seconds,
        "requester": _author(campaign),
    }


def _campaigns(request: HttpRequest, course: Course) -> Any:
    scope = scope_of(course)
    if not host().may(request.user, Action.VIEW, scope):
        raise ForbiddenError("You may not see what is sent in this course.")
    return Campaign.objects.filter(scope=scope).select_related("author", "resolution").prefetch_related("parts")


def _started(request: HttpRequest, course: Course) -> Any:
    return _campaigns(request, course).filter(started_at__isnull=False).order_by("-created_at", "-pk")


def _author(campaign: Campaign) -> str:
    return "" if campaign.author is None else str(campaign.author.get_username())


def _refused(why: str, status: int, codes: list[str] | None = None) -> JsonResponse:
    return JsonResponse({"success": False, "error": why, "codes": codes or []}, status=status)
