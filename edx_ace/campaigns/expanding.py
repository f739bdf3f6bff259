"""
Internal: putting the members of a campaign into the outbox, in the order of their keys.

A chunk is one transaction with how far this has come, which only who holds the campaign's lease can write; the unique
keys of the outbox make one that is put there again harmless. What a campaign asks for beside that is a matter of when:
its first members go alone, a rate gives each their moment, and local times do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import chain, islice
from typing import Any

from django.db import router, transaction

from edx_ace.campaigns import timing
from edx_ace.campaigns.models import Campaign, Member, Timing
from edx_ace.campaigns.source import SOURCE, outline, uuid_of
from edx_ace.campaigns.states import State
from edx_ace.channel import ChannelType
from edx_ace.outbox import Priority, Referred, enqueue_references, rates
from edx_ace.outbox.clock import database_now

#: Members that are put into the outbox in one transaction.
CHUNK_SIZE = 2000

#: How far ahead the members of a campaign that has a rate are put into the outbox, each for their moment.
HORIZON = timedelta(minutes=1)


def expand(campaign: Campaign, should_go_on: Callable[[], bool]) -> bool:
    """
    Put members of *campaign* into the outbox and return whether all are there.

    Otherwise it has to wait: for the time of the next ones, for somebody to find that the first ones are fine, or for
    another call. A worker that has lost the campaign changes nothing.

    Args:
        campaign: As it was claimed; its members are found.

        should_go_on: Asked after each chunk.
    """
    while campaign.expanded_at is None:
        if not _put(campaign) or not should_go_on():
            break
    return campaign.expanded_at is not None


def _put(campaign: Campaign) -> bool:
    """Put the next members into the outbox; return whether more may follow at once."""
    using = router.db_for_write(Campaign)
    now = database_now(Campaign, using)
    limit = CHUNK_SIZE
    is_canary = campaign.canary > 0 and not campaign.is_canary_fine
    if is_canary:
        limit = min(limit, campaign.canary - campaign.expanded)
    pace = _pace(campaign)
    # What was not used of it in the past is lost: a campaign that was paused does not catch up.
    paced_to = max(campaign.paced_to or now, now)
    if pace:
        limit = min(limit, math.ceil((now + HORIZON - paced_to) / pace))
    if limit <= 0:
        return False
    members = _following(campaign, limit, using)
    changes: dict[str, Any] = {"expanded": campaign.expanded + len(members)}
    if members:
        changes["expanded_to"] = members[-1][0]
    if pace:
        changes["paced_to"] = paced_to + len(members) * pace
    if is_canary and changes["expanded"] == campaign.canary:
        changes["canary_at"] = now
    if len(members) < limit:
        changes["expanded_at"] = now
    with transaction.atomic(using):
        held = Campaign.objects.using(using).filter(
            pk=campaign.pk, state=State.SENDING, fence=campaign.fence, expanded_to=campaign.expanded_to
        )
        if not held.update(**changes):
            return False
        enqueue_references(
            SOURCE.name,
            outline(campaign),
            _references(campaign, members, paced_to, pace),
            priority=Priority.BULK,
            limit_to_channels=campaign.channels,
        )
    for name, value in changes.items():
        setattr(campaign, name, value)
    return True


def _following(campaign: Campaign, limit: int, using: str) -> list[tuple[Any, ...]]:
    """Return the next *limit* members; fewer: there are no more."""
    assert campaign.resolution_id is not None
    columns = ("pk", "recipient", "address", "addresses", "zone")
    parts = (
        members.filter(reason="").order_by("pk").values_list(*columns)[:limit]
        for members in Member.ranges(campaign.resolution_id, CHUNK_SIZE, using, campaign.expanded_to)
    )
    return list(islice(chain.from_iterable(parts), limit))


def _references(
    campaign: Campaign, members: Iterable[tuple[Any, ...]], paced_to: datetime, pace: timedelta | None
) -> Iterator[Referred]:
    # Many live in the same zone.
    local = cache(lambda zone: timing.local_moment(campaign, zone or None))
    for number, (key, recipient, address, others, zone) in enumerate(members):
        addresses = json.loads(others) if others else {}
        if address:
            addresses[str(ChannelType.EMAIL)] = address
        moments = [paced_to + number * pace] if pace else []
        if campaign.timing == Timing.LOCAL:
            moments.append(local(zone))
        yield Referred(key, uuid_of(campaign, key), recipient, addresses, max(moments, default=None))


def _pace(campaign: Campaign) -> timedelta | None:
    """Return how long after another each goes; None: all at once."""
    if not campaign.rate:
        return None
    return max(timedelta(seconds=rate.seconds) / rate.number for rate in rates.parse(campaign.rate))
