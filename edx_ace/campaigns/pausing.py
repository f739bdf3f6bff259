"""
Internal: what keeps deliveries of a paused campaign, and of one that is being cancelled, from being handed over.

A guard refuses their permits from the commit on that pauses the campaign, and lets them wait. As each that is due would
be got ready and refused again and again, they are put off in the background, and brought back once it is resumed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db.models import Q

from edx_ace.campaigns.models import Campaign
from edx_ace.campaigns.states import State
from edx_ace.outbox import batches
from edx_ace.outbox.guards import Guard

#: For how long deliveries are put off; if the campaign is still paused then, they are put off again.
PUT_OFF = timedelta(days=1)

#: When to look next for what has become due meanwhile.
LOOK_AGAIN = timedelta(minutes=1)


def _forbidden() -> Q:
    is_stopped = Q(state=State.PAUSED) | Q(state=State.CANCELLED, finished_at__isnull=True)
    return Q(batch__in=Campaign.objects.filter(is_stopped, finished_at__isnull=True).values("uuid"))


PAUSED = Guard("paused", "Its campaign is paused, or was cancelled.", _forbidden, waits=True)


def put_off(campaign: Campaign, may_go_on: Callable[[], bool]) -> bool:
    """Put off what is due of *campaign*, in parts; return whether everything is."""
    return batches.postpone(campaign.uuid, PUT_OFF, PAUSED.code, PAUSED.reason, may_go_on)


def bring_back(campaign: Campaign, may_go_on: Callable[[], bool]) -> bool:
    """Let what was put off of *campaign* be due, in parts; return whether everything is."""
    return batches.bring_back(campaign.uuid, PAUSED.code, may_go_on)
