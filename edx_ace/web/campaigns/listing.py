"""
Internal: the list of campaigns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import Campaign
from edx_ace.campaigns.states import State
from edx_ace.web.campaigns.access import TONES, campaign_page, may, show

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

#: Campaigns on one page.
PAGE_SIZE = 25


@attrs.frozen
class Line:
    """A campaign as the list shows it."""

    campaign: Campaign
    scope: _StrOrPromise
    tone: str
    #: How many recipients it has; None: it has not started, or they are still being found.
    recipients: int | None


@require_safe
@campaign_page
def page(request: HttpRequest) -> HttpResponse:
    """Show the campaigns of the user's scopes, the latest first."""
    scopes = {one.key: one.label for one in host().scopes(request.user)}
    state, scope = request.GET.get("state", ""), request.GET.get("scope")
    rows = Campaign.objects.filter(scope__in=[scope] if scope in scopes else list(scopes))
    if state in State.values:
        rows = rows.filter(state=state)
    found = Paginator(rows.select_related("resolution", "author").order_by("-created_at", "-pk"), PAGE_SIZE).get_page(
        request.GET.get("page")
    )
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "page": found,
        "lines": [_line(row, scopes) for row in found if may(request, Action.VIEW, row)],
        "states": State.choices,
        "scopes": scopes.items(),
        "state": state,
        "scope": scope,
        "is_filtered": state in State.values or scope in scopes,
        "may_write": any(host().may(request.user, Action.WRITE, key) for key in scopes),
        "query": query.urlencode(),
    }
    return show(request, "list.html", context)


def _line(campaign: Campaign, scopes: dict[str, _StrOrPromise]) -> Line:
    found = campaign.resolution
    recipients = None if found is None or found.done_at is None else found.numbers.get("", 0)
    return Line(campaign, scopes[campaign.scope], TONES[campaign.state], recipients)
