"""
Internal: what the pages of automation have in common: who gets in, what others are answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect

from edx_ace.automation import actions
from edx_ace.automation.access import PERMISSIONS, may, require
from edx_ace.automation.errors import ConflictError, ForbiddenError, NotFoundError, UnknownActionError
from edx_ace.automation.states import State
from edx_ace.web.content_policy import policy

if TYPE_CHECKING:
    from edx_ace.automation.actions import Action

View = Callable[..., HttpResponseBase]

#: How a badge of a state looks.
TONES: Mapping[str, str] = {
    State.SCHEDULED: "",
    State.CLAIMED: "",
    State.ENQUEUED: "",
    State.SUCCEEDED: "good",
    State.FAILED: "bad",
    State.CANCELLED: "warning",
}


def automation_page(*needed: str) -> Callable[[View], View]:
    """
    Return a decorator for views that whoever has all of the permissions *needed* may use; others are asked to log in.

    What is forbidden is answered with 403, what is not there with 404, what somebody else has changed meanwhile with
    409. No cache keeps a page.
    """

    def decorate(view: View) -> View:
        @csrf_protect
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            try:
                for permission in needed:
                    require(request.user, permission)
                response = view(request, *args, **kwargs)
            except ForbiddenError as error:
                response = problem(request, _("You may not do this"), str(error), 403)
            except (NotFoundError, UnknownActionError) as error:
                response = problem(request, _("There is nothing here"), str(error), 404)
            except ConflictError as error:
                response = problem(request, _("This message has changed"), str(error), 409)
            response.setdefault("Cache-Control", "no-store")
            response.setdefault("X-Robots-Tag", "noindex")
            response.setdefault("Content-Security-Policy", policy(request))
            return response

        return wrapper

    return decorate


def show(
    request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Return the page that *template* is, with what every page of automation knows."""
    allowed = {permission: may(request.user, permission) for permission in PERMISSIONS}
    whole = {"section": "automation", "tones": TONES, "may": allowed, **(context or {})}
    return render(request, f"edx_ace/web/automation/{template}", whole, status=status)


def problem(request: HttpRequest, title: str, text: str, status: int) -> HttpResponse:
    """Return a page that says what is wrong, with a way back to the message that the address names."""
    uuid = request.resolver_match.kwargs.get("uuid") if request.resolver_match is not None else None
    context = {"title": title, "text": text, "uuid": uuid if status == 409 else None}
    return show(request, "problem.html", context, status=status)


def label_of(action: str) -> str:
    """Return what staff know the action of that name by; one that is not there any more has its name."""
    found: Action | None = actions.all_actions().get(action)
    return action if found is None else str(found)


def choices() -> list[tuple[str, str]]:
    """Return the names of all actions and their labels, by label."""
    found = [(name, str(action)) for name, action in actions.all_actions().items()]
    return sorted(found, key=lambda one: one[1].casefold())
