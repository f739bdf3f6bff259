"""
Internal: following a campaign: how far it is, what became of each recipient, and what was done to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import attrs
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import get_language_bidi
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from edx_ace import categories
from edx_ace.campaigns import following, forecasting, operations
from edx_ace.campaigns.following import FORGOTTEN, STOPPED, WAITING
from edx_ace.campaigns.host import host
from edx_ace.campaigns.models import Campaign, Variant
from edx_ace.campaigns.states import FINISHED, State
from edx_ace.outbox.states import State as DeliveryState
from edx_ace.web.campaigns.access import TONES, campaign_of, campaign_page, offered, show
from edx_ace.web.campaigns.sending import REASONS, left_out, starts
from edx_ace.web.campaigns.sheet import named
from edx_ace.web.campaigns.trail import trail
from edx_ace.web.centre import CHANNEL_LABELS
from edx_ace.web.staff.charts import Chart, chart

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

#: In which order what came of messages is shown, and how each looks.
_LOOKS: Mapping[str, str] = {
    DeliveryState.DELIVERED: "good",
    DeliveryState.SENT: "sent",
    DeliveryState.FOLDED: "sent",
    DeliveryState.HANDING: "open",
    DeliveryState.CLAIMED: "open",
    DeliveryState.QUEUED: "open",
    WAITING: "open",
    DeliveryState.SKIPPED: "quiet",
    DeliveryState.EXPIRED: "quiet",
    DeliveryState.CANCELLED: "quiet",
    STOPPED: "quiet",
    FORGOTTEN: "quiet",
    DeliveryState.UNKNOWN: "warning",
    DeliveryState.BOUNCED: "bad",
    DeliveryState.COMPLAINED: "bad",
    DeliveryState.FAILED: "bad",
}

#: What people read for what no delivery has as its state.
_LABELS: Mapping[str, _StrOrPromise] = {
    WAITING: _("waiting"),
    STOPPED: _("stopped before"),
    FORGOTTEN: _("too old to know"),
}

#: What people read for what readers did.
READERS: Mapping[str, _StrOrPromise] = {"opened": _("opened"), "clicked": _("clicked")}


@attrs.frozen
class Share:
    """How many messages came to one thing: its label, its look, its number, and its place on the bar in percent."""

    name: str
    label: _StrOrPromise
    look: str
    number: int
    start: float
    width: float


@require_safe
@campaign_page
def page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show how far it is, what it says, who it goes to, and what was done."""
    campaign = campaign_of(request, uuid)
    known = categories.all_categories().get(campaign.category)
    counted = forecasting.kept(campaign) if campaign.is_editable else None
    context = {
        **_progress(campaign),
        "campaign": campaign,
        "scope": host().label(campaign.scope),
        "may": offered(request, campaign),
        "category": campaign.category if known is None else known.label,
        "channels": [CHANNEL_LABELS[kind] for kind in CHANNEL_LABELS if str(kind) in campaign.channels],
        "parts": campaign.parts.all(),
        "counted": None if counted is None else counted.numbers.get("", 0),
        "variants": [(one, named(one.language)[0]) for one in _variants(campaign)],
        "attachments": campaign.files,
        "trail": trail(campaign, 100),
        "engagement": _engagement(campaign),
        "has_written": operations.has_written(request.user, campaign),
        "is_finished": campaign.state in FINISHED,
        "once": uuid4().hex,
    }
    return show(request, "detail.html", context)


@require_safe
@campaign_page
def progress_part(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Return the part of the page that shows how far it is; a new page, once the campaign is in another state."""
    campaign = campaign_of(request, uuid)
    context = {**_progress(campaign), "campaign": campaign, "may": offered(request, campaign), "is_part": True}
    context["is_said"] = request.GET.get("said") == str(context["said"])
    response = show(request, "progress.html", context)
    if request.GET.get("state") != campaign.state:
        response.headers["HX-Refresh"] = "true"
    return response


@require_safe
@campaign_page
def recipients(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show what became of each recipient."""
    campaign = campaign_of(request, uuid)
    asked = _asked(request)
    after = request.GET.get("after", "")
    try:
        found = following.outcomes(request.user, campaign, after=after, **asked)
    except ValueError:
        # An address that nobody's next link led to.
        found = following.outcomes(request.user, campaign, **asked)
    query = request.GET.copy()
    query.pop("after", None)
    rest = query.copy()
    rest["after"] = found.next
    context = {
        "campaign": campaign,
        "outcomes": [
            (one, _label(one.state), _LOOKS.get(one.state, ""), _reason(one.code, one.reason)) for one in found.outcomes
        ],
        "states": [(name, _label(name)) for name in _LOOKS],
        "next": rest.urlencode() if found.next else "",
        "is_first": not after,
        "query": query.urlencode(),
        **asked,
    }
    return show(request, "recipients.html", context)


@require_safe
@campaign_page
def export(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """Return what became of each recipient, for a spreadsheet."""
    campaign = campaign_of(request, uuid)
    lines = following.export(request.user, campaign, **_asked(request))
    headers = {"Content-Disposition": 'attachment; filename="recipients.csv"'}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def _asked(request: HttpRequest) -> dict[str, Any]:
    state = request.GET.get("state", "")
    return {"search": request.GET.get("search", "").strip(), "state": state if state in _LOOKS else ""}


def _progress(campaign: Campaign) -> dict[str, Any]:
    found = following.progress(campaign)
    mirrored = get_language_bidi()
    shares, start = [], 0.0
    for name, look in _LOOKS.items():
        if number := found.numbers.get(name, 0):
            width = 100 * number / found.total
            place = 100 - start - width if mirrored else start
            shares.append(Share(name, _label(name), look, number, round(place, 3), round(width, 3)))
            start += width
    left = found.seconds_left
    return {
        "progress": found,
        "starts": starts(campaign, campaign.due_at if campaign.due_at > datetime.now(UTC) else None),
        "shares": shares,
        "done": found.total - found.left,
        "reasons": left_out(found.reasons),
        "per_minute": None if found.per_second is None else 60 * found.per_second,
        "minutes_left": None if left is None else max(1, round(left / 60)),
        "tone": TONES[campaign.state],
        "is_live": _is_live(campaign),
        # What a screen reader says is new only every tenth.
        "said": int(found.percent // 10 * 10),
    }


def _variants(campaign: Campaign) -> list[Variant]:
    """Return what is written, first what most people get."""
    return sorted(
        campaign.variants.all(), key=lambda one: (one.channel_type != "email", one.language != campaign.language)
    )


def _is_live(campaign: Campaign) -> bool:
    """Return whether what is shown of it will soon be otherwise."""
    is_soon = campaign.due_at < datetime.now(UTC) + timedelta(minutes=5)
    return campaign.finished_at is None and (
        not campaign.is_editable or (campaign.state == State.SCHEDULED and is_soon)
    )


def _label(name: str) -> _StrOrPromise:
    return _LABELS[name] if name in _LABELS else DeliveryState(name).label


def _reason(code: str, reason: str) -> _StrOrPromise:
    return reason or REASONS.get(code, code)


def _engagement(campaign: Campaign) -> dict[str, Any] | None:
    """Return the chart of what was sent, opened and clicked on each day, and its table; None: nothing was."""
    rows = dict(following.engagement(campaign))
    if not rows:
        return None
    first, last = min(rows), max(rows)
    # A few days at least, as one makes no chart; and of a long time the first, in which nearly all happens.
    first, last = min(first, last - timedelta(days=6)), min(last, first + timedelta(days=59))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    series = {name: [rows.get(day, {}).get(name, 0) for day in days] for name in ("sent", "opened", "clicked")}
    lines = {name: series[name] for name in ("opened", "clicked")}
    totals = {name: sum(numbers) for name, numbers in series.items()}
    drawn: Chart = chart(days, series["sent"], lines, is_mirrored=get_language_bidi())
    table: list[tuple[date, list[int]]] = [
        (day, [series[name][place] for name in series]) for place, day in enumerate(days) if day in rows
    ]
    return {
        "chart": drawn,
        "first": days[0],
        "last": days[-1],
        "days": table,
        "totals": totals,
        "figures": [
            (DeliveryState.SENT.label, totals["sent"], None),
            *((READERS[name], totals[name], 100 * totals[name] / (totals["sent"] or 1)) for name in READERS),
        ],
    }
