"""
Internal: deleting what tracking keeps of single messages once its time is over; a chore of the sweep.

Copies go when their category says, opens, clicks, links and the figures of single sends after ACE_TRACKING_KEEP_DAYS.
Figures by day stay. Each call deletes a few rows of each table, the oldest first, so that workers wait for none of it.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import router

from edx_ace.outbox.clock import DatabaseNow, database_now
from edx_ace.tracking.conf import settings
from edx_ace.tracking.models import Copy, Engagement, Figure, Link

#: Rows of a table that one call deletes at most.
CHUNK_SIZE = 500


def purge() -> int:
    """Delete some of what is too old and return how many rows these were."""
    using = router.db_for_write(Engagement)
    before = database_now(Engagement, using) - timedelta(days=settings.TRACKING_KEEP_DAYS)
    expired = Copy.objects.using(using).filter(expires_at__lte=DatabaseNow()).order_by("expires_at")
    number: int = (
        Copy.objects.using(using).filter(pk__in=list(expired.values_list("pk", flat=True)[:CHUNK_SIZE])).delete()[0]
    )
    # In the order in which they were written: the first that is too young ends it.
    events = Engagement.objects.using(using)
    at_of = events.order_by("pk").values_list("pk", "at")[:CHUNK_SIZE]
    number += events.filter(pk__in=[key for key, at in at_of if at < before]).delete()[0]
    links = Link.objects.using(using)
    old = links.filter(created_at__lt=before).order_by("created_at").values_list("pk", flat=True)
    number += links.filter(pk__in=list(old[:CHUNK_SIZE])).delete()[0]
    figures = Figure.objects.using(using)
    of_sends = figures.filter(batch__isnull=False, is_sum=True, day__lt=before.date()).order_by("day")
    number += figures.filter(pk__in=list(of_sends.values_list("pk", flat=True)[:CHUNK_SIZE])).delete()[0]
    return number
