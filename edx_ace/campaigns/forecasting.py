"""
Internal: who would get a campaign, and who would not and why: exact numbers before anything is sent.

A forecast finds the recipients as a start would, asks the outbox's guards about them, and forgets them; its numbers are
kept until the campaign is changed. `edx_ace.campaigns` has the public names.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
from django.core.exceptions import FieldError
from django.db import router
from django.db.models import BooleanField, Case, CharField, Q, QuerySet, UUIDField, Value, When

from edx_ace.campaigns import access, resolving
from edx_ace.campaigns.host import Action
from edx_ace.campaigns.models import Campaign, Member, Resolution
from edx_ace.outbox.clock import from_now
from edx_ace.outbox.guards import Guard, guards
from edx_ace.outbox.people import shortened

LOG = logging.getLogger(__name__)

#: Members that guards are asked about in one statement.
CHUNK_SIZE = 5000

#: The version of one that is not finished: no campaign has it.
_UNFINISHED = 0

#: After how long one that is not finished is given up.
_GIVEN_UP = timedelta(days=1)

#: Which share of the work finding the recipients is, more or less.
_FINDING = 0.8


@attrs.frozen
class Forecast:
    """
    What would become of whom.

    Attributes:
        version: Of the campaign that it is about.

        at: When it was made.

        numbers: How many people for each reason why nothing goes to them, and for ``""`` to how many something goes.

        channels: The same over each of the campaign's channel types, by its value.
    """

    version: int
    at: datetime
    numbers: Mapping[str, int]
    channels: Mapping[str, Mapping[str, int]]


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
    for share in _make(resolution):
        tell(share)
    return _of(resolution)


def shares(user: Any, campaign: Campaign) -> Iterator[float]:
    """
    Make a forecast, as `forecast` does, and yield from time to time which share is done; in the end `kept` has it.

    Raises:
        CampaignError, ForbiddenError: As `forecast` does; the second at once.
    """
    return _make(_begin(user, campaign))


def _begin(user: Any, campaign: Campaign) -> Resolution:
    access.require(user, Action.VIEW, campaign.scope, campaign)
    using = router.db_for_write(Resolution)
    campaign = Campaign.objects.using(using).get(pk=campaign.pk)
    return Resolution.objects.using(using).create(campaign=campaign, version=_UNFINISHED)


def _make(resolution: Resolution) -> Iterator[float]:
    using, campaign = router.db_for_write(Resolution), resolution.campaign
    every = Resolution.objects.using(using).filter(campaign=campaign)
    try:
        yield from _find(resolution)
        yield from _ask(resolution)
        resolution.version = campaign.version
        resolution.save()
    except BaseException:
        every.filter(pk=resolution.pk).delete()
        raise
    Member.objects.using(using).filter(resolution=resolution).delete()
    over = Q(version=_UNFINISHED, created_at__gt=from_now(-_GIVEN_UP))
    every.exclude(over).exclude(pk__in=[resolution.pk, campaign.resolution_id or resolution.pk]).delete()
    yield 1.0


def kept(campaign: Campaign) -> Forecast | None:
    """Return the last forecast of *campaign*; None: there is none since it was changed."""
    rows = campaign.resolutions.filter(version=campaign.version).exclude(channels={}).order_by("pk")
    last = rows.last()
    return None if last is None else _of(last)


def _of(resolution: Resolution) -> Forecast:
    assert resolution.done_at is not None
    return Forecast(resolution.version, resolution.done_at, resolution.numbers, resolution.channels)


def _find(resolution: Resolution) -> Iterator[float]:
    """Find the recipients."""
    expected = _expected(resolution.campaign)
    read = 0
    for _ in resolving.chunks(resolution):
        read += resolving.CHUNK_SIZE
        yield _FINDING * min(read / expected, 1)


def _expected(campaign: Campaign) -> int:
    """Return how many rows there are to read, as far as that can be told."""
    answers = [resolving.asked(campaign, part)[1] for part in campaign.parts.all()]
    return sum(found.count() for found in answers if isinstance(found, QuerySet)) or 1


def _ask(resolution: Resolution) -> Iterator[float]:
    """Set how many there are for each reason, and the same over each channel type."""
    campaign = resolution.campaign
    forbidden: dict[str, Counter[str]] = {one: Counter() for one in campaign.channels}
    by_all: Counter[str] = Counter()
    asked, found = 0, sum(resolution.numbers.values())
    for every in Member.ranges(resolution.pk, CHUNK_SIZE, router.db_for_write(Member)):
        members = every.filter(reason="")
        codes = [dict(_forbidden(members, campaign, one)) for one in campaign.channels]
        for one, coded in zip(campaign.channels, codes, strict=True):
            forbidden[one].update(coded.values())
        by_all.update(code for pk, code in codes[0].items() if all(pk in coded for coded in codes))
        asked += CHUNK_SIZE
        yield _FINDING + (1 - _FINDING) * min(asked / found, 1)
    resolution.channels = {one: _with(resolution.numbers, forbidden[one]) for one in forbidden}
    resolution.numbers = _with(resolution.numbers, by_all)


def _with(numbers: Mapping[str, int], forbidden: Counter[str]) -> dict[str, int]:
    total = Counter(numbers)
    total.update(forbidden)
    total[""] -= forbidden.total()
    return {reason: number for reason, number in total.items() if number}


def _forbidden(members: QuerySet[Member], campaign: Campaign, channel_type: str) -> QuerySet[Member, tuple[int, str]]:
    """Return the keys of those of *members* to whom nothing goes over *channel_type*, each with the guard's code."""
    # What guards read of a delivery, beside what members have.
    like_deliveries = members.annotate(
        batch=Value(campaign.uuid, UUIDField()),
        channel_type=Value(channel_type, CharField()),
        category=Value(campaign.category, CharField()),
        scope=Value(shortened(campaign.scope), CharField()),
        is_essential=Value(False, BooleanField()),
    )
    cases = [When(guard.forbids(), then=Value(guard.code)) for guard in guards() if _is_asked(guard, like_deliveries)]
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
