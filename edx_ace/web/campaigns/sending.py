"""
Internal: the page on which a campaign is checked and scheduled, and what is done to it as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from django.contrib import messages as said
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from edx_ace.campaigns import editing, forecasting, operations, preflight, timing
from edx_ace.campaigns.access import require
from edx_ace.campaigns.errors import CampaignError, Problem, RefusedError
from edx_ace.campaigns.following import progress
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import Campaign, Member, Timing
from edx_ace.campaigns.states import EDITABLE, State
from edx_ace.outbox.states import State as DeliveryState
from edx_ace.web.campaigns.access import TONES, campaign_of, campaign_page, offered, show
from edx_ace.web.campaigns.sheet import number_of

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

#: What people read for why nothing is sent to somebody.
REASONS: Mapping[str, _StrOrPromise] = {
    Member.EXCLUDED: gettext_lazy("excluded by you"),
    Member.INACTIVE: gettext_lazy("inactive"),
    Member.NO_ADDRESS: gettext_lazy("no address"),
    Member.BAD_ADDRESS: gettext_lazy("invalid address"),
    "opted_out": gettext_lazy("turned this category off"),
    "suppressed": gettext_lazy("suppressed address, after bounces or complaints"),
}

#: The fields of the form that says when.
_WHEN = ("timing", "wall_time", "zone", "anchor", "offset_minutes", "canary", "canary_minutes", "rate")

#: Where a page grows.
_STEPS = "<!-- steps -->"

#: Minutes in what an offset is counted in.
UNITS = {"1": gettext_lazy("minutes"), "60": gettext_lazy("hours"), "1440": gettext_lazy("days")}


@require_http_methods(["GET", "HEAD", "POST"])
@campaign_page
def page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show what there is to know before it is sent, and let it be scheduled, or put to another time."""
    campaign = campaign_of(request, uuid)
    if campaign.state not in EDITABLE:
        return redirect("ace_campaigns_web:detail", uuid=campaign.uuid)
    if request.method != "POST":
        return _shown(request, campaign)
    version = number_of(request.POST.get("version", ""))
    try:
        changed = _changed(campaign, request.POST)
        if changed and campaign.state == State.SCHEDULED:
            campaign = operations.reschedule(request.user, campaign, version=version, **changed)
            said.success(request, _("It has another time now."))
            return redirect("ace_campaigns_web:detail", uuid=campaign.uuid)
        if changed:
            campaign = editing.save(request.user, campaign, version=version, **changed)
            version = campaign.version
        if request.POST.get("do") == "schedule":
            if preflight.has_to_be_counted(campaign):
                # What is wrong with its audiences is said of it below.
                with suppress(CampaignError):
                    forecasting.forecast(request.user, campaign)
            accept = request.POST.getlist("accept")
            campaign = operations.schedule(request.user, campaign, version=version, accept=accept)
            said.success(
                request,
                _("It is on its way.") if campaign.timing == Timing.NOW else _("It is scheduled."),
            )
            return redirect("ace_campaigns_web:detail", uuid=campaign.uuid)
    except RefusedError as error:
        return _shown(request, Campaign.objects.get(pk=campaign.pk), error.problems, posted=request.POST)
    return redirect("ace_campaigns_web:send", uuid=campaign.uuid)


@require_POST
@campaign_page
def count(request: HttpRequest, uuid: UUID) -> StreamingHttpResponse:
    """Count who would get it, and who would not and why, on a page that grows meanwhile and then leads back."""
    campaign = campaign_of(request, uuid)
    shares = forecasting.shares(request.user, campaign)
    page = show(request, "counting.html", {"campaign": campaign}).content.decode()
    before, _mark, after = page.partition(_STEPS)
    return StreamingHttpResponse(_counting(campaign, shares, before, after))


def _counting(campaign: Campaign, shares: Iterator[float], before: str, after: str) -> Iterator[str]:
    yield before
    told = -1
    try:
        for share in shares:
            percent = int(100 * share)
            if percent > told:
                told = percent
                yield render_to_string("edx_ace/web/campaigns/counted.html", {"percent": percent})
    except CampaignError as error:
        yield render_to_string("edx_ace/web/campaigns/counted.html", {"error": error})
    else:
        yield render_to_string("edx_ace/web/campaigns/counted.html", {"percent": 100, "campaign": campaign})
    yield after


@require_http_methods(["GET", "HEAD", "POST"])
@campaign_page
def cancel(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask whether it is to be stopped for good, saying how many are on their way, and stop it."""
    campaign = campaign_of(request, uuid)
    require(request.user, Action.SEND, campaign.scope, campaign)
    if request.method == "POST":
        stopped = operations.cancel(request.user, campaign, request.POST.get("why", "").strip())
        text = ngettext("%(number)d message is stopped.", "%(number)d messages are stopped.", stopped.stopped)
        told = [text % {"number": stopped.stopped}] if campaign.started_at else [_("It is cancelled.")]
        if stopped.in_flight:
            text = ngettext(
                "%(number)d is being handed over and may arrive.",
                "%(number)d are being handed over and may arrive.",
                stopped.in_flight,
            )
            told.append(text % {"number": stopped.in_flight})
        said.success(request, " ".join(told))
        return redirect("ace_campaigns_web:detail", uuid=campaign.uuid)
    if campaign.state not in (State.SCHEDULED, State.SENDING, State.PAUSED):
        return redirect("ace_campaigns_web:detail", uuid=campaign.uuid)
    found = progress(campaign)
    in_flight = found.numbers.get(DeliveryState.HANDING.value, 0)
    context = {
        "campaign": campaign,
        "left": found.left - in_flight,
        "in_flight": in_flight,
        "done": found.total - found.left,
    }
    return show(request, "cancel.html", context)


def _duplicate(request: HttpRequest, campaign: Campaign) -> Campaign:
    once = request.POST.get("once") or None
    return editing.duplicate(request.user, campaign, idempotency_key=once)


def _approve(request: HttpRequest, campaign: Campaign) -> Campaign:
    return operations.approve(request.user, campaign, version=number_of(request.POST.get("version", "")))


def _pause(request: HttpRequest, campaign: Campaign) -> Campaign:
    return operations.pause(request.user, campaign, request.POST.get("why", "").strip())


def _delete(request: HttpRequest, campaign: Campaign) -> None:
    editing.delete(request.user, campaign, version=number_of(request.POST.get("version", "")))


#: What a button does, what is said then, and the page that it leads to.
_VERBS: Mapping[str, tuple[Callable[[HttpRequest, Campaign], Campaign | None], Any, str]] = {
    "pause": (_pause, gettext_lazy("It is paused."), "detail"),
    "resume": (lambda r, c: operations.resume(r.user, c), gettext_lazy("It goes on."), "detail"),
    "start": (lambda r, c: operations.start_now(r.user, c), gettext_lazy("It is on its way."), "detail"),
    "unschedule": (lambda r, c: operations.unschedule(r.user, c), gettext_lazy("It is a draft again."), "detail"),
    "approve": (_approve, gettext_lazy("It is approved."), "send"),
    "duplicate": (_duplicate, gettext_lazy("This is the copy."), "write"),
    "failed": (lambda r, c: operations.follow_up(r.user, c, "failed"), gettext_lazy("This is a new draft."), "write"),
    "joined": (lambda r, c: operations.follow_up(r.user, c, "joined"), gettext_lazy("This is a new draft."), "write"),
    "delete": (_delete, gettext_lazy("The draft is deleted."), "list"),
}


@require_POST
@campaign_page
def do(request: HttpRequest, uuid: UUID, verb: str) -> HttpResponse:
    """Do to it what a button says."""
    campaign = campaign_of(request, uuid)
    if verb not in _VERBS:
        raise Http404
    function, done, target = _VERBS[verb]
    try:
        made = function(request, campaign)
    except RefusedError as error:
        for problem in error.problems:
            said.error(request, problem.reason)
        return redirect("ace_campaigns_web:detail", uuid=campaign.uuid)
    said.success(request, done)
    if made is None:
        return redirect("ace_campaigns_web:list")
    return redirect(f"ace_campaigns_web:{target}", uuid=made.uuid)


def _changed(campaign: Campaign, data: Mapping[str, str]) -> dict[str, Any]:
    """Return what the posted form changes about when *campaign* goes, and how fast."""
    if "timing" not in data:
        return {}
    given: dict[str, Any] = {"timing": data["timing"]}
    # What the chosen way to time it does not go by stays as it is: a change would undo approval.
    if data["timing"] in (Timing.AT, Timing.LOCAL):
        given["wall_time"] = data.get("wall_time", "")[:16]
    if data["timing"] == Timing.AT:
        given["zone"] = data.get("zone", "")
    if data["timing"] == Timing.RELATIVE:
        sign = -1 if data.get("side") == "before" else 1
        unit = number_of(data.get("unit", "")) if data.get("unit") in UNITS else 1
        given |= {"anchor": data.get("anchor", ""), "offset_minutes": sign * unit * number_of(data.get("offset", ""))}
    if campaign.state != State.SCHEDULED:
        given |= {name: number_of(data.get(name, "")) for name in ("canary", "canary_minutes")}
        given["rate"] = data.get("rate", "")
    return {name: value for name, value in given.items() if value != getattr(campaign, name)}


def _shown(
    request: HttpRequest,
    campaign: Campaign,
    problems: Sequence[Problem] = (),
    *,
    posted: Mapping[str, str] | None = None,
) -> HttpResponse:
    found = preflight.preflight(request.user, campaign)
    fields = {name: getattr(campaign, name) for name in _WHEN}
    if posted is not None:
        fields |= _changed(campaign, posted)
    offset = abs(fields["offset_minutes"])
    unit = next((int(one) for one in reversed(UNITS) if offset % int(one) == 0 and offset), 60)
    own = [problem for problem in problems if problem.is_error and problem not in found.problems]
    told = [*found.errors, *own]
    dates = host().dates(campaign.scope)
    counted = forecasting.kept(campaign)
    context = {
        "campaign": campaign,
        "scope": host().label(campaign.scope),
        "may": offered(request, campaign),
        "fields": fields,
        "offset": offset // unit,
        "unit": str(unit),
        "units": UNITS.items(),
        "is_before": fields["offset_minutes"] < 0,
        "timings": [one for one in Timing if one != Timing.RELATIVE or dates],
        "dates": [(name, label, at) for name, (label, at) in dates.items()],
        "zones": sorted(available_timezones()),
        "starts": starts(campaign, _starts_at(campaign)),
        "own_problems": own,
        "wrong": {name: wrong for name in _WHEN if (wrong := [one for one in told if one.where == name])},
        "tone": TONES[campaign.state],
        "errors": found.errors,
        "warnings": found.warnings,
        "accepted": () if posted is None else request.POST.getlist("accept"),
        "needs_approval": any(one.code == preflight.NEEDS_APPROVAL for one in found.errors),
        "has_written": operations.has_written(request.user, campaign),
        "address": request.build_absolute_uri(request.path),
        "is_approved": campaign.approved_version == campaign.version,
        "counted": counted,
        "recipients": None if counted is None else counted.numbers.get("", 0),
        "left_out": [] if counted is None else left_out(counted.numbers),
        "parts": campaign.parts.all(),
    }
    return show(request, "send.html", context, status=422 if problems else 200)


def left_out(numbers: Mapping[str, int]) -> list[tuple[_StrOrPromise, int]]:
    """Return how many get nothing for each reason, of *numbers* as a forecast and progress have them."""
    return [(REASONS.get(name, name), number) for name, number in numbers.items() if name and number]


def starts(campaign: Campaign, at: datetime | None) -> Mapping[str, str] | None:
    """
    Return when it starts, in words: ``at``, which is *at*, and its ``zone``: the one that was chosen, if one was.

    With the time that it is at each recipient's, ``wall``; empty: it goes to all of them at once.
    """
    if at is None:
        return None
    zone = (
        ZoneInfo(campaign.zone) if campaign.timing == Timing.AT and campaign.zone else timezone.get_current_timezone()
    )
    wall = ""
    if campaign.timing == Timing.LOCAL:
        wall = formats.date_format(datetime.fromisoformat(campaign.wall_time), "DATETIME_FORMAT")
    return {"at": formats.date_format(at.astimezone(zone), "DATETIME_FORMAT"), "zone": str(zone), "wall": wall}


def _starts_at(campaign: Campaign) -> datetime | None:
    try:
        return None if campaign.timing == Timing.NOW else timing.starts_at(campaign, timezone.now())
    except RefusedError:
        return None
