"""
Internal: what the outbox keeps of a person: the messages to them, and what became of those.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import router

from edx_ace.outbox import cancel
from edx_ace.outbox.models import Attempt, Delivery, Payload
from edx_ace.outbox.privacy import Holding, KeyColumn, Person

#: Rows that are read or changed together.
CHUNK_SIZE = 500


def _export(person: Person) -> Mapping[str, Any]:
    rows = Delivery.objects.filter(person.deliveries()).select_related("payload").prefetch_related("history")
    return {"deliveries": [_delivery(row) for row in rows.order_by("pk").iterator(CHUNK_SIZE)]}


def _delivery(row: Delivery) -> dict[str, Any]:
    return {
        "message": str(row.payload_id),
        "message_type": row.payload.message_type,
        "category": row.category,
        "scope": row.scope,
        "channel": row.channel or row.channel_type,
        "person": row.recipient,
        "address": row.address,
        "state": row.state,
        "code": row.code,
        "reason": row.reason,
        "provider_id": row.provider_id,
        "created_at": row.created_at.isoformat(),
        "finished_at": row.finished_at and row.finished_at.isoformat(),
        "attempts": [
            {"at": attempt.at.isoformat(), "outcome": attempt.outcome, "code": attempt.code, "reply": attempt.reply}
            for attempt in row.history.all()
        ],
        # A message, or the reference by which its source finds it.
        "content": json.loads(row.payload.content) if row.payload.content else None,
    }


def _erase(person: Person) -> Mapping[str, int]:
    using = router.db_for_write(Delivery)
    keys = list(Delivery.objects.using(using).filter(person.deliveries()).order_by("pk").values_list("pk", flat=True))
    messages = 0
    for start in range(0, len(keys), CHUNK_SIZE):
        chunk = keys[start : start + CHUNK_SIZE]
        cancel(deliveries=chunk)
        rows = Delivery.objects.using(using).filter(pk__in=chunk)
        payloads = set(rows.values_list("payload", flat=True))
        Attempt.objects.using(using).filter(delivery__in=chunk).update(reply="")
        messages += (
            Payload.objects.using(using)
            .filter(pk__in=payloads)
            .update(content="", idempotency_key=None, fingerprint="")
        )
        rows.update(recipient=None, address=None, reason="", provider_id="")
    return {"deliveries": len(keys), "messages": messages}


HOLDING = Holding("ace_outbox", _export, _erase, [KeyColumn(Delivery, "recipient")])
