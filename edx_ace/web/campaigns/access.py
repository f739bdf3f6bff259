"""
Internal: what the pages of campaigns have in common: who gets in, what others are answered, what a page may load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect

from edx_ace.campaigns import finding
from edx_ace.campaigns.errors import ConflictError, ForbiddenError, NotFoundError
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import Campaign
from edx_ace.campaigns.states import State
from edx_ace.web.campaigns.trail import trail
from edx_ace.web.content_policy import nonce, policy

View = Callable[..., HttpResponseBase]

#: How a badge of a state looks.
TONES: Mapping[str, str] = {
    State.DRAFT: "draft",
    State.SCHEDULED: "",
    State.SENDING: "",
    State.PAUSED: "warning",
    State.SENT: "good",
    State.CANCELLED: "warning",
    State.FAILED: "bad",
}


def campaign_page(view: View) -> View:
    """
    Let whoever is logged in use *view*, in which functions of campaigns ask the host; others are asked to log in.

    What is forbidden is answered with 403, what somebody else has changed meanwhile with 409. No cache keeps a page.
    """

    @csrf_protect
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if any(
            "\0" in value for data in (request.GET, request.POST) for _name, values in data.lists() for value in values
        ):
            # No keyboard has it, and some databases take it for an error.
            raise BadRequest("There is a NUL character in it.")
        try:
            response = view(request, *args, **kwargs)
        except ForbiddenError as error:
            response = problem(request, _("You may not do this"), str(error), 403)
        except ConflictError as error:
            response = problem(request, _("This campaign has changed"), str(error), 409)
        response.setdefault("Cache-Control", "no-store")
        response.setdefault("X-Robots-Tag", "noindex")
        response.setdefault("Content-Security-Policy", policy(request))
        return response

    return wrapper


def show(
    request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Return the page that *template* is, with what every page of campaigns knows."""
    whole = {"section": "campaigns", "nonce": nonce(request), "tones": TONES, **(context or {})}
    return render(request, f"edx_ace/web/campaigns/{template}", whole, status=status)


def problem(request: HttpRequest, title: str, text: str, status: int) -> HttpResponse:
    """Return a page that says what is wrong, with a way back to the campaign that the address names."""
    campaign = None
    if request.resolver_match is not None and "uuid" in request.resolver_match.kwargs:
        campaign = Campaign.objects.filter(uuid=request.resolver_match.kwargs["uuid"]).first()
    lines = trail(campaign, 5) if campaign is not None and status == 409 else []
    context = {"title": title, "text": text, "campaign": campaign, "trail": lines}
    return show(request, "problem.html", context, status=status)


def campaign_of(request: HttpRequest, uuid: UUID) -> Campaign:
    """
    Return the campaign with that UUID.

    Raises:
        Http404: If there is none, or the user may not see it.
    """
    try:
        return finding.campaign(request.user, uuid)
    except NotFoundError as error:
        raise Http404(str(error)) from None


def may(request: HttpRequest, action: Action, campaign: Campaign) -> bool:
    """Return whether the user may do *action* to *campaign*: what pages offer goes by it."""
    return host().may(request.user, action, campaign.scope, campaign)


def offered(request: HttpRequest, campaign: Campaign) -> dict[str, bool]:
    """Return by the name of each action whether the user may do it to *campaign*."""
    return {action.value: may(request, action, campaign) for action in Action}
