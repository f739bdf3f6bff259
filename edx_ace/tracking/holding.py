"""
Internal: what tracking keeps of a person: what providers said of messages to them, suppressions of their address,
opens, clicks and copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import router

from edx_ace.outbox.clock import database_now
from edx_ace.outbox.privacy import Holding, KeyColumn, Person
from edx_ace.outbox.retention import before
from edx_ace.tracking import retention
from edx_ace.tracking.conf import settings
from edx_ace.tracking.models import ProviderEvent, Suppression, SuppressionChange
from edx_ace.tracking.retention import delete_all

_EXPORTED = {
    "suppressions": (Suppression, ("channel_type", "category", "reason", "address", "created_at", "expires_at")),
    "suppression_changes": (SuppressionChange, ("at", "action", "channel_type", "category", "reason", "who", "why")),
    "provider_events": (ProviderEvent, ("at", "provider", "kind", "provider_id", "channel_type", "code", "detail")),
}


def _export(person: Person) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, (model, fields) in _EXPORTED.items():
        rows = model._base_manager.filter(digest__in=person.digests).order_by("pk").values(*fields)
        found[name] = [{field: value if value is None else str(value) for field, value in row.items()} for row in rows]
    return {**found, **retention.export(person)}


def _erase(person: Person) -> Mapping[str, int]:
    using = router.db_for_write(Suppression)
    suppressions = Suppression.objects.using(using).filter(digest__in=person.digests)
    # The digest stays: nothing is to be sent there by anybody's mistake later.
    SuppressionChange.objects.using(using).filter(digest__in=person.digests).update(why="")
    events = ProviderEvent.objects.using(using).filter(digest__in=person.digests)
    return {
        "suppressions_kept_as_digest": suppressions.update(address=None),
        "provider_events": events.delete()[0],
        **retention.erase(person, using),
    }


def _purge(older_than: timedelta | None) -> Mapping[str, int]:
    using = router.db_for_write(ProviderEvent)
    now = database_now(ProviderEvent, using)
    events = ProviderEvent.objects.using(using).filter(
        received_at__lt=before(now, older_than, settings.PROVIDER_EVENTS_KEEP_DAYS)
    )
    # Whatever is asked for: it is what answers who suppressed an address, and why.
    changes = SuppressionChange.objects.using(using).filter(
        at__lt=before(now, None, settings.SUPPRESSION_CHANGES_KEEP_DAYS)
    )
    return {
        "events of providers": delete_all(events.order_by("received_at")),
        "expired suppressions": delete_all(Suppression.objects.using(using).filter(expires_at__lt=now)),
        "changes of suppressions": delete_all(changes.order_by("at")),
        **retention.purge(older_than),
    }


HOLDING = Holding(
    "ace_tracking",
    _export,
    _erase,
    [
        KeyColumn(Suppression, "digest", drops_duplicates=True),
        KeyColumn(SuppressionChange, "digest"),
        KeyColumn(ProviderEvent, "digest"),
        *retention.KEY_COLUMNS,
    ],
    _purge,
)
