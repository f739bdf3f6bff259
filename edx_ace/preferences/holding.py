"""
Internal: what preferences keep of a person: what they chose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import router

from edx_ace.outbox.privacy import Holding, KeyColumn, Person
from edx_ace.preferences.models import Choice


def _export(person: Person) -> Mapping[str, Any]:
    rows = Choice.objects.filter(person__in=person.keys).order_by("pk")
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
            for row in rows
        ]
    }


def _erase(person: Person) -> Mapping[str, int]:
    rows = Choice.objects.using(router.db_for_write(Choice)).filter(person__in=person.keys)
    return {"choices": rows.delete()[0]}


# Under the latest key stands what was chosen later.
HOLDING = Holding("ace_preferences", _export, _erase, [KeyColumn(Choice, "person", drops_duplicates=True)])
