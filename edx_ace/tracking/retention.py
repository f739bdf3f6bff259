"""
Internal: what of opens, clicks, copies and links is a person's, and how long it is kept; a part of what tracking keeps
of people (`edx_ace.tracking.holding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import router
from django.db.models import Q, QuerySet

from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.privacy import KeyColumn, Person
from edx_ace.outbox.retention import before
from edx_ace.tracking import copies
from edx_ace.tracking.conf import settings
from edx_ace.tracking.models import Copy, Engagement, Figure, Link

#: Rows that one transaction deletes.
CHUNK_SIZE = 500

KEY_COLUMNS = (KeyColumn(Engagement, "person"), KeyColumn(Copy, "person"))


def export(person: Person) -> Mapping[str, Any]:
    """Return the opens, the clicks and the copies of messages to *person*."""
    messages = Delivery.objects.filter(person.deliveries()).values("payload")
    events = list(Engagement.objects.filter(Q(message__in=messages) | Q(person__in=person.keys)).order_by("pk"))
    targets = dict(Link.objects.filter(pk__in={event.link for event in events}).values_list("pk", "target"))
    return {
        "opens_and_clicks": [
            {
                "at": str(event.at),
                "kind": event.kind,
                "target": targets.get(event.link) if event.link else None,
                "by_machine": event.is_machine,
            }
            for event in events
        ],
        "copies": [
            {"message": str(copy.message), "channel_type": copy.channel_type, "content": copies.fields_of(copy)}
            for copy in _copies(person).order_by("pk")
        ],
    }


def erase(person: Person, using: str) -> Mapping[str, int]:
    """Delete the copies of messages to *person*; opens and clicks are nobody's from then on."""
    return {
        "copies": _copies(person).using(using).delete()[0],
        "opens_and_clicks": Engagement.objects.using(using).filter(person__in=person.keys).update(person=None),
    }


def purge(older_than: timedelta | None) -> Mapping[str, int]:
    """
    Delete copies as their category says, and what is older than ACE_TRACKING_KEEP_DAYS: opens, clicks, links and the
    figures of single sends. Figures by day stay.
    """
    using = router.db_for_write(Engagement)
    now, days = database_now(Engagement, using), settings.TRACKING_KEEP_DAYS
    end = before(now, older_than, days)
    # Whatever is asked for: mails that are out there lead to them.
    links = Link.objects.using(using).filter(created_at__lt=before(now, None, days))
    return {
        "copies": delete_all(Copy.objects.using(using).filter(expires_at__lte=now).order_by("expires_at")),
        "opens and clicks": delete_all(Engagement.objects.using(using).filter(at__lt=end).order_by("at")),
        "links": delete_all(links.order_by("created_at")),
        "figures of sends": delete_all(
            Figure.objects.using(using).filter(batch__isnull=False, is_sum=True, day__lt=end.date()).order_by("day")
        ),
    }


def delete_all(rows: QuerySet[Any]) -> int:
    """Delete *rows*, a few hundred in a transaction, and return how many these were."""
    number = 0
    while chunk := list(rows.values_list("pk", flat=True)[:CHUNK_SIZE]):
        number += rows.model._base_manager.using(rows.db).filter(pk__in=chunk).delete()[0]
    return number


def _copies(person: Person) -> QuerySet[Copy]:
    theirs = Q(person__in=person.keys)
    if person.is_address:
        for channel_type, address in person.addresses:
            theirs |= Q(address=address, channel_type=channel_type)
    return Copy.objects.filter(theirs)
