"""
Internal: what a campaign looks like to one of its recipients, and tests of it.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages as said
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from edx_ace.campaigns import preview
from edx_ace.campaigns.conf import settings
from edx_ace.campaigns.errors import CampaignError, ConflictError, ForbiddenError
from edx_ace.campaigns.host import Action, host
from edx_ace.channel import ChannelType
from edx_ace.web.campaigns.access import TONES, campaign_of, campaign_page, may, offered, show
from edx_ace.web.campaigns.sheet import named
from edx_ace.web.centre import CHANNEL_LABELS
from edx_ace.web.content_policy import FRAME_POLICY

#: How styles ask for what a reader prefers.
_PREFERS = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.I)

#: What says whose message it is, in addresses and forms.
_ABOUT = ("reference", "language", "channel_type")


@require_safe
@campaign_page
def page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show the message of somebody, in a frame and as text, and who else there is."""
    campaign = campaign_of(request, uuid)
    about = _about(request.GET)
    variants = list(campaign.variants.order_by("pk"))
    seen, wrong, people = None, "", []
    search = request.GET.get("search", "").strip()
    if variants:
        try:
            seen = preview.preview(request.user, campaign, **about)
        except (ForbiddenError, ConflictError):
            raise
        except Exception as error:
            # Whatever would keep it from being sent is what whoever writes it has to see.
            wrong = str(error)
    may_see_people = may(request, Action.SEE_PEOPLE, campaign)
    if may_see_people:
        try:
            people = preview.find_people(request.user, campaign, search, limit=12)
        except CampaignError as error:
            wrong = wrong or str(error)
    kinds = list(dict.fromkeys(one.channel_type for one in variants))
    context = {
        "campaign": campaign,
        "scope": host().label(campaign.scope),
        "tone": TONES[campaign.state],
        "may": offered(request, campaign),
        "seen": seen,
        "wrong": wrong,
        "about": about,
        "query": _query(about),
        "people": [
            (one, _query({**about, "reference": one.reference}), one.person.language and named(one.person.language)[0])
            for one in people
        ],
        "nobody": _query({**about, "reference": ""}),
        "schemes": ("light", "dark"),
        "search": search,
        "may_see_people": may_see_people,
        "languages": [(code, named(code)[0]) for code in dict.fromkeys(one.language for one in variants)],
        "channel_types": [(kind, CHANNEL_LABELS[ChannelType(kind)]) for kind in kinds],
        "addresses": [one for one in dict.fromkeys([_own(request), *settings.CAMPAIGN_TEST_ADDRESSES]) if one],
    }
    return show(request, "preview.html", context)


@require_safe
@xframe_options_sameorigin
@campaign_page
def frame(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Return the HTML of the message, in which nothing runs; in light or dark colours if ``scheme`` asks for them."""
    campaign = campaign_of(request, uuid)
    try:
        html = preview.preview(request.user, campaign, **_about(request.GET)).html
    except CampaignError as error:
        return HttpResponse(str(error), status=404, content_type="text/plain; charset=utf-8")
    scheme = request.GET.get("scheme", "")
    if scheme in ("light", "dark"):
        # Browsers differ in whether a frame goes by the page or by the system: say what is asked about outright.
        html = _PREFERS.sub(lambda match: f"({'min' if match[1] == scheme else 'max'}-width: 0)", html)
    return HttpResponse(html, headers={"Content-Security-Policy": FRAME_POLICY})


@require_POST
@campaign_page
def test(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Send a test of it, and say what came of that."""
    campaign = campaign_of(request, uuid)
    about = _about(request.POST)
    try:
        report = preview.send_test(request.user, campaign, address=request.POST.get("address", ""), **about)
    except CampaignError as error:
        said.error(request, str(error))
    else:
        for delivery in report.deliveries:
            if report:
                said.success(request, _("A test is on its way to you."))
            else:
                said.error(
                    request, _("The test was not sent: %(reason)s") % {"reason": delivery.reason or delivery.code}
                )
    return redirect(f"{reverse('ace_campaigns_web:preview', args=[campaign.uuid])}?{_query(about)}")


def _about(data: Any) -> dict[str, Any]:
    given = {name: data.get(name, "") for name in _ABOUT}
    return {**given, "language": given["language"] or None, "channel_type": given["channel_type"] or "email"}


def _query(about: dict[str, Any]) -> str:
    return urlencode({name: value for name, value in about.items() if value})


def _own(request: HttpRequest) -> str:
    return getattr(request.user, "email", "")
