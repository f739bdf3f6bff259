"""
Internal: who would get a campaign, and who would not and why: exact numbers before anything is sent.

A forecast finds the recipients as a start would, asks the outbox's guards about them, and forgets them; its numbers are
kept until other people would get the campaign. `edx_ace.campaigns` has the public names.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from django.core.exceptions import FieldError
from django.db import router, transaction
from django.db.models import BooleanField, Case, CharField, Max, Q, QuerySet, UUIDField, Value, When

from edx_ace.campaigns import access, resolving
from edx_ace.campaigns.errors import CampaignError
from edx_ace.campaigns.host import Action
from edx_ace.campaigns.models import Campaign, Member, Resolution
from edx_ace.outbox.clock import DatabaseNow, database_now, from_now
from edx_ace.outbox.guards import Guard, guards
from edx_ace.outbox.people import shortened

LOG = logging.getLogger(__name__)

#: Members that guards are asked about in one statement.
CHUNK_SIZE = 5000

#: The version of one that is not finished: no campaign has it.
_UNFINISHED = 0

#: After how long one that is not finished is given up.
_GIVEN_UP = timedelta(days=1)

#: For how long a worker has one without a sign of it.
_LEASE = timedelta(minutes=2)

#: Which share of the work finding the recipients is, more or less.
_FINDING = 0.8


@attrs.frozen
class Forecast:
    """
    What would become of whom.

    Attributes:
        version: Of the campaign that it is about.

        at: When it was made; None: it is being made, and there are no numbers yet.

        numbers: How many people for each reason why nothing goes to them, and for ``""`` to how many something goes.

        channels: The same over each of the campaign's channel types, by its value.

        share: How much of it is made, from 0 to 1.
    """

    version: int
    at: datetime | None
    numbers: Mapping[str, int]
    channels: Mapping[str, Mapping[str, int]]
    share: float = 1.0


def forecast(user: Any, campaign: Campaign, tell: Callable[[float], object] = lambda share: None) -> Forecast:
    """
    Return who would get *campaign*, as it is saved, if it started now.

    Args:
        user: Who asks.

        campaign: Which one.

        tell: Is told from time to time which share is done, from 0 to 1.

    Raises:
        CampaignError: If an audience cannot be read.
        ForbiddenError: If the host does not let *user* see the campaign.
    """
    resolution = _begin(user, campaign)
    for share in _made(resolution):
        tell(share)
    return _of(resolution)


def shares(user: Any, campaign: Campaign) -> Iterator[float]:
    """
    Make a forecast, as `forecast` does, and yield from time to time which share is done; in the end `kept` has it.

    Raises:
        CampaignError, ForbiddenError: As `forecast` does; the second at once.
    """
    return _made(_begin(user, campaign))


def start_forecast(user: Any, campaign: Campaign) -> Forecast:
    """
    Let workers make a forecast of *campaign*, as it is saved, unless they do, and return how far it is.

    `edx_ace.campaigns.finding.forecast` says how that goes on.

    Raises:
        ForbiddenError: If the host does not let *user* see the campaign.
    """
    access.require(user, Action.VIEW, campaign.scope, campaign)
    using = router.db_for_write(Resolution)
    with transaction.atomic(using):
        # Two that start one at once take their turns.
        now = Campaign.objects.using(using).select_for_update().get(pk=campaign.pk)
        there = _started(now)
        if there is None or "code" in there.counting:
            _of_workers(using).filter(campaign=now).delete()
            counting = {"version": now.version, "share": 0.0}
            there = Resolution.objects.using(using).create(campaign=now, version=_UNFINISHED, counting=counting)
    return _of(there)


def latest(campaign: Campaign) -> Forecast | None:
    """
    Return the forecast of *campaign* that workers make, or else the last one; None: as it is, there is none.

    Raises:
        CampaignError: If workers could not make it.
    """
    there = _started(campaign)
    if there is None:
        return kept(campaign)
    if "code" in there.counting:
        raise CampaignError(there.counting["reason"], code=there.counting["code"])
    return _of(there)


def go_on(should_go_on: Callable[[], bool]) -> bool:
    """Go on with the forecasts that workers make, one after the other; return whether something is left of them."""
    using = router.db_for_write(Resolution)
    is_free = Q(lease_until=None) | Q(lease_until__lte=DatabaseNow())
    waiting = _of_workers(using).filter(is_free).order_by("pk")
    for resolution in waiting.select_related("campaign"):
        if "code" in resolution.counting:
            continue
        until = database_now(Resolution, using) + _LEASE
        if waiting.filter(pk=resolution.pk).update(lease_until=until):
            _work(resolution, should_go_on)
            rows = _of_workers(using).filter(pk=resolution.pk, lease_until=until)
            rows.update(lease_until=None, counting=resolution.counting)
        if not should_go_on():
            return any("code" not in one.counting for one in waiting.all())
    return False


def _work(resolution: Resolution, should_go_on: Callable[[], bool]) -> None:
    if resolution.counting["version"] != resolution.campaign.version:
        # Nobody wants to know any more.
        resolution.delete()
        return
    try:
        for share, is_resumable in _make(resolution):
            resolution.counting["share"] = share
            if is_resumable and not should_go_on():
                return
    except CampaignError as error:
        resolution.counting |= {"code": error.code, "reason": str(error)}


def _started(campaign: Campaign) -> Resolution | None:
    """Return the forecast of *campaign*, as it is, that workers make, or could not make."""
    rows = _of_workers(router.db_for_write(Resolution)).filter(campaign=campaign).order_by("-pk")
    return next((one for one in rows if one.counting["version"] == campaign.version), None)


def _of_workers(using: str) -> QuerySet[Resolution]:
    young = Q(created_at__gt=from_now(-_GIVEN_UP))
    return Resolution.objects.using(using).filter(young, version=_UNFINISHED).exclude(counting={})


def _begin(user: Any, campaign: Campaign) -> Resolution:
    access.require(user, Action.VIEW, campaign.scope, campaign)
    using = router.db_for_write(Resolution)
    campaign = Campaign.objects.using(using).get(pk=campaign.pk)
    return Resolution.objects.using(using).create(campaign=campaign, version=_UNFINISHED)


def _made(resolution: Resolution) -> Iterator[float]:
    """Make the forecast at one go; if that fails, or nobody waits for it any more, nothing is left of it."""
    try:
        for share, _is_resumable in _make(resolution):
            yield share
    except BaseException:
        Resolution.objects.using(router.db_for_write(Resolution)).filter(pk=resolution.pk).delete()
        raise


def _make(resolution: Resolution) -> Iterator[tuple[float, bool]]:
    """
    Make the forecast, or go on with it by what its `counting` says.

    Yield from time to time which share is done, and whether it could be gone on with from there.
    """
    using, campaign = router.db_for_write(Resolution), resolution.campaign
    counting = resolution.counting
    yield from _find(resolution, counting)
    if resolution.done_at is None:
        # Somebody else has begun to read the same.
        return
    # It is read anew once all are found.
    resolution.counting = counting
    yield from _ask(resolution, counting)
    every = Resolution.objects.using(using).filter(campaign=campaign)
    # Unless somebody else was quicker, whose numbers these are then.
    numbers = {"version": campaign.version, "numbers": resolution.numbers, "channels": resolution.channels}
    every.filter(pk=resolution.pk, version=_UNFINISHED).update(**numbers, counting={})
    resolution.refresh_from_db()
    Member.objects.using(using).filter(resolution=resolution).delete()
    over = Q(version=_UNFINISHED, created_at__gt=from_now(-_GIVEN_UP))
    every.exclude(over).exclude(pk__in=[resolution.pk, campaign.resolution_id or resolution.pk]).delete()
    yield 1.0, True


def kept(campaign: Campaign) -> Forecast | None:
    """Return the last forecast of *campaign*; None: as it is, there is none."""
    rows = campaign.resolutions.filter(version=campaign.version).exclude(channels={}).order_by("pk")
    last = rows.last()
    return None if last is None else _of(last)


def keep(campaign: Campaign) -> None:
    """Keep what was counted of *campaign*, which has a new version, as the same people get it."""
    counted = Resolution.objects.using(router.db_for_write(Resolution)).filter(campaign=campaign)
    counted.filter(version=campaign.version - 1).update(version=campaign.version)


def _of(resolution: Resolution) -> Forecast:
    if resolution.version == _UNFINISHED:
        return Forecast(resolution.counting["version"], None, {}, {}, resolution.counting["share"])
    return Forecast(resolution.version, resolution.done_at, resolution.numbers, resolution.channels)


def _find(resolution: Resolution, counting: dict[str, Any]) -> Iterator[tuple[float, bool]]:
    """Find the recipients."""
    if resolution.done_at is not None:
        return
    if "expected" not in counting:
        counting |= {"expected": _expected(resolution.campaign), "read": 0}
    for is_resumable in resolving.chunks(resolution):
        counting["read"] += resolving.CHUNK_SIZE
        yield _FINDING * min(counting["read"] / counting["expected"], 1), is_resumable


def _expected(campaign: Campaign) -> int:
    """Return how many rows there are to read, as far as that can be told."""
    answers = [resolving.asked(campaign, part)[1] for part in campaign.parts.all()]
    return sum(found.count() for found in answers if isinstance(found, QuerySet)) or 1


def _ask(resolution: Resolution, counting: dict[str, Any]) -> Iterator[tuple[float, bool]]:
    """Set how many there are for each reason, and the same over each channel type."""
    campaign = resolution.campaign
    forbidden = {one: Counter(counting.get("channels", {}).get(one, {})) for one in campaign.channels}
    by_all = Counter(counting.get("all", {}))
    asked, found, using = counting.get("asked", 0), sum(resolution.numbers.values()), router.db_for_write(Member)
    asked_guards = [
        guard for guard in guards() if _is_asked(guard, _like_deliveries(Member.objects.all(), campaign, ""))
    ]
    for every in Member.ranges(resolution.pk, CHUNK_SIZE, using, counting.get("asked_to", 0)):
        members = every.filter(reason="")
        codes = [dict(_forbidden(_like_deliveries(members, campaign, one), asked_guards)) for one in campaign.channels]
        for one, coded in zip(campaign.channels, codes, strict=True):
            forbidden[one].update(coded.values())
        by_all.update(code for pk, code in codes[0].items() if all(pk in coded for coded in codes))
        asked += CHUNK_SIZE
        if "version" in counting:
            last = every.aggregate(last=Max("pk"))["last"]
            counting |= {"asked_to": last, "asked": asked, "all": by_all, "channels": forbidden}
        yield _FINDING + (1 - _FINDING) * min(asked / found, 1), True
    resolution.channels = {one: _with(resolution.numbers, forbidden[one]) for one in forbidden}
    resolution.numbers = _with(resolution.numbers, by_all)


def _with(numbers: Mapping[str, int], forbidden: Counter[str]) -> dict[str, int]:
    total = Counter(numbers)
    total.update(forbidden)
    total[""] -= forbidden.total()
    return {reason: number for reason, number in total.items() if number}


def _like_deliveries(members: QuerySet[Member], campaign: Campaign, channel_type: str) -> QuerySet[Member]:
    """Return *members* with what guards read of a delivery over *channel_type*, beside what members have."""
    return members.annotate(
        batch=Value(campaign.uuid, UUIDField()),
        channel_type=Value(channel_type, CharField()),
        category=Value(campaign.category, CharField()),
        scope=Value(shortened(campaign.scope), CharField()),
        is_essential=Value(False, BooleanField()),
    )


def _forbidden(like_deliveries: QuerySet[Member], asked: Sequence[Guard]) -> QuerySet[Member, tuple[int, str]]:
    """Return the keys of those to whom nothing goes, as a guard of *asked* forbids it, each with the guard's code."""
    cases = [When(guard.forbids(), then=Value(guard.code)) for guard in asked]
    coded = like_deliveries.annotate(code=Case(*cases, default=Value(""), output_field=CharField()))
    return coded.exclude(code="").values_list("pk", "code")


def _is_asked(guard: Guard, like_deliveries: QuerySet[Member]) -> bool:
    """Return whether *guard* ends deliveries, by what is known before there are any."""
    if guard.waits:
        return False
    try:
        like_deliveries.filter(guard.forbids())
    except FieldError as error:
        LOG.warning("A forecast does not know whom the guard %s forbids: %s", guard.code, error)
        return False
    return True
