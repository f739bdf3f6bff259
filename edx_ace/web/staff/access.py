"""
Internal: who may see and do what on the pages of the staff.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from edx_ace.web.pages import private

VIEW = "ace_outbox.view_delivery"
OPERATE = "ace_outbox.change_delivery"
SEE_PEOPLE = "ace_outbox.view_recipient"
SEE_COPIES = "ace_tracking.view_copy"

View = Callable[..., HttpResponse]


def staff_only(*needed: str) -> Callable[[View], View]:
    """
    Return a decorator for views that whoever has all of *needed* may use; none: whoever may see or operate deliveries.

    Who is not logged in is asked to; who may not gets the site's answer 403. No page is kept by a cache.
    """

    def decorate(view: View) -> View:
        @private
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            may_look = request.user.has_perm(VIEW) or request.user.has_perm(OPERATE)
            if not may_look or not request.user.has_perms(needed):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return wrapper

    return decorate


def may_see_people(request: HttpRequest) -> bool:
    """Return whether the user may see whom messages go to."""
    return request.user.has_perm(SEE_PEOPLE)
