"""
Internal: what the tests of the outbox share.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Delivery, Payload
from tests.pipeline import Recorder

HOUR = timedelta(hours=1)


@pytest.fixture
def channel(use_channels: Callable[..., None]) -> Recorder:
    """An email channel that accepts everything."""
    channel = Recorder()
    use_channels(mail=channel)
    return channel


@pytest.fixture
def deliveries() -> Callable[..., list[Delivery]]:
    """Return a function that puts rows into the table, queued and due unless its keyword arguments say otherwise."""

    def make(number: int = 1, due_in: timedelta = -HOUR, **fields: Any) -> list[Delivery]:
        now = database_now(Delivery, "default")
        rows = []
        for _ in range(number):
            payload = Payload.objects.create(uuid=uuid4(), content="{}", created_at=now)
            given = {"priority": 0, "on_ambiguous": "repeat", "channel_type": "email", "due_at": now + due_in, **fields}
            rows.append(Delivery.objects.create(payload=payload, created_at=now, **given))
        return rows

    return make
