"""
Internal: what preferences keep of a person: what they chose, and which messages count for their frequency caps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import router

from edx_ace.outbox.privacy import Holding, KeyColumn, Person
from edx_ace.preferences.models import Choice, QuietHours, Slot


def _export(person: Person) -> Mapping[str, Any]:
    choices = Choice.objects.filter(person__in=person.keys).order_by("pk")
    hours = QuietHours.objects.filter(person__in=person.keys).order_by("pk")
    slots = Slot.objects.filter(person__in=person.keys).order_by("pk")
    return {
        "choices": [
            {
                "category": row.category,
                "channel_type": row.channel_type,
                "scope": row.scope,
                "taking": row.taking,
                "source": row.source,
                "changed_at": row.changed_at.isoformat(),
            }
            for row in choices
        ],
        "quiet_hours": [
            {"start": row.start and row.start.isoformat(), "end": row.end and row.end.isoformat()} for row in hours
        ],
        "counted_messages": [
            {"day": row.day.isoformat(), "channel_type": row.channel_type, "message": str(row.message)} for row in slots
        ],
    }


def _erase(person: Person) -> Mapping[str, int]:
    erased = {}
    for name, model in (("choices", Choice), ("quiet hours", QuietHours), ("counted messages", Slot)):
        rows = model._base_manager.using(router.db_for_write(model)).filter(person__in=person.keys)
        erased[name] = rows.delete()[0]
    return erased


# Under the latest key stands what was chosen later.
HOLDING = Holding(
    "ace_preferences",
    _export,
    _erase,
    [KeyColumn(model, "person", drops_duplicates=True) for model in (Choice, QuietHours, Slot)],
)
