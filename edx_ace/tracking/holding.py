"""
Internal: what tracking keeps of a person, and for how long: what providers said of messages to them, suppressions of
their address, opens, clicks and copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import router
from django.db.models import Q, QuerySet

from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.privacy import Holding, KeyColumn, Person
from edx_ace.outbox.retention import before
from edx_ace.tracking import copies
from edx_ace.tracking.conf import settings
from edx_ace.tracking.models import Copy, Engagement, Figure, Link, ProviderEvent, Suppression, SuppressionChange

#: Rows that one transaction deletes.
CHUNK_SIZE = 500

_OF_ADDRESSES = {
    "suppressions": (Suppression, ("channel_type", "category", "reason", "address", "created_at", "expires_at")),
    "suppression_changes": (SuppressionChange, ("at", "action", "channel_type", "category", "reason", "who", "why")),
    "provider_events": (ProviderEvent, ("at", "provider", "kind", "provider_id", "channel_type", "code", "detail")),
}


def _export(person: Person) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, (model, fields) in _OF_ADDRESSES.items():
        rows = model._base_manager.filter(digest__in=person.digests).order_by("pk").values(*fields)
        found[name] = [{field: value if value is None else str(value) for field, value in row.items()} for row in rows]
    messages = Delivery.objects.filter(person.deliveries()).values("payload")
    events = list(Engagement.objects.filter(Q(message__in=messages) | Q(person__in=person.keys)).order_by("pk"))
    targets = dict(Link.objects.filter(pk__in={event.link for event in events}).values_list("pk", "target"))
    found["opens_and_clicks"] = [
        {
            "at": str(event.at),
            "kind": event.kind,
            "target": targets.get(event.link) if event.link else None,
            "by_machine": event.is_machine,
        }
        for event in events
    ]
    found["copies"] = [
        {"message": str(copy.message), "channel_type": copy.channel_type, "content": copies.fields_of(copy)}
        for copy in Copy.objects.filter(_copies(person)).order_by("pk")
    ]
    return found


def _erase(person: Person) -> Mapping[str, int]:
    using = router.db_for_write(Suppression)
    suppressions = Suppression.objects.using(using).filter(digest__in=person.digests)
    # The digest stays: nothing is to be sent there by anybody's mistake later.
    SuppressionChange.objects.using(using).filter(digest__in=person.digests).update(why="")
    events = ProviderEvent.objects.using(using).filter(digest__in=person.digests)
    return {
        "suppressions_kept_as_digest": suppressions.update(address=None),
        "provider_events": events.delete()[0],
        "copies": Copy.objects.using(using).filter(_copies(person)).delete()[0],
        # They are nobody's from then on.
        "opens_and_clicks": Engagement.objects.using(using).filter(person__in=person.keys).update(person=None),
    }


def _purge(older_than: timedelta | None) -> Mapping[str, int]:
    """Delete what its settings or, of copies, its category do not let this app keep; figures by day stay."""
    using = router.db_for_write(ProviderEvent)
    now = database_now(ProviderEvent, using)
    events = ProviderEvent.objects.using(using).filter(
        received_at__lt=before(now, older_than, settings.PROVIDER_EVENTS_KEEP_DAYS)
    )
    # Whatever is asked for: it is what answers who suppressed an address, and why.
    changes = SuppressionChange.objects.using(using).filter(
        at__lt=before(now, None, settings.SUPPRESSION_CHANGES_KEEP_DAYS)
    )
    end = before(now, older_than, settings.TRACKING_KEEP_DAYS)
    # Whatever is asked for: mails that are out there lead to them.
    links = Link.objects.using(using).filter(created_at__lt=before(now, None, settings.TRACKING_KEEP_DAYS))
    figures = Figure.objects.using(using).filter(batch__isnull=False, is_sum=True, day__lt=end.date())
    return {
        "events of providers": _delete(events.order_by("received_at")),
        "expired suppressions": _delete(Suppression.objects.using(using).filter(expires_at__lt=now)),
        "changes of suppressions": _delete(changes.order_by("at")),
        "copies": _delete(Copy.objects.using(using).filter(expires_at__lte=now).order_by("expires_at")),
        "opens and clicks": _delete(Engagement.objects.using(using).filter(at__lt=end).order_by("at")),
        "links": _delete(links.order_by("created_at")),
        "figures of sends": _delete(figures.order_by("day")),
    }


def _copies(person: Person) -> Q:
    return Q(person__in=person.keys) | person.at_their_address()


def _delete(rows: QuerySet[Any]) -> int:
    """Delete *rows*, a few hundred in a transaction, and return how many these were."""
    number = 0
    while chunk := list(rows.values_list("pk", flat=True)[:CHUNK_SIZE]):
        number += rows.model._base_manager.using(rows.db).filter(pk__in=chunk).delete()[0]
    return number


HOLDING = Holding(
    "ace_tracking",
    _export,
    _erase,
    [
        KeyColumn(Suppression, "digest", drops_duplicates=True),
        KeyColumn(SuppressionChange, "digest"),
        KeyColumn(ProviderEvent, "digest"),
        KeyColumn(Engagement, "person"),
        KeyColumn(Copy, "person"),
    ],
    _purge,
)
