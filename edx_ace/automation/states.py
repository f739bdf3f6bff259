"""
Public: the states of a scheduled message and the arrows between them.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models
from django.utils.translation import pgettext_lazy


class State(models.TextChoices):
    """Where a scheduled message stands."""

    #: Waits for its time.
    SCHEDULED = "scheduled", pgettext_lazy("scheduled message", "scheduled")
    #: A worker has it: one of ours, which puts it into the outbox, or one outside, which sends it itself.
    CLAIMED = "claimed", pgettext_lazy("scheduled message", "being prepared")
    #: The outbox has it: what becomes of it follows its deliveries.
    ENQUEUED = "enqueued", pgettext_lazy("scheduled message", "being sent")
    #: It was handed over, to one recipient at least.
    SUCCEEDED = "succeeded", pgettext_lazy("scheduled message", "sent")
    #: It could not be sent; it is tried again at `due_at`, if that can help, or when somebody reschedules it.
    FAILED = "failed", pgettext_lazy("scheduled message", "failed")
    #: Its conditions do not hold any more, somebody stopped it, or it failed too often in a row.
    CANCELLED = "cancelled", pgettext_lazy("scheduled message", "cancelled")


#: States in which a message is still to be sent, so that its action schedules no other for the same object.
OPEN = (State.SCHEDULED, State.CLAIMED, State.ENQUEUED, State.FAILED)

#: States in which what it says, to whom and when may be changed.
EDITABLE = (State.SCHEDULED, State.FAILED)

#: Which states may follow which. From scheduled and failed to the same: another time, another content.
ARROWS: Mapping[str, frozenset[str]] = {
    State.SCHEDULED: frozenset([State.SCHEDULED, State.CLAIMED, State.CANCELLED]),
    State.CLAIMED: frozenset([State.ENQUEUED, State.SUCCEEDED, State.FAILED, State.SCHEDULED, State.CANCELLED]),
    State.ENQUEUED: frozenset([State.SUCCEEDED, State.FAILED, State.CANCELLED]),
    State.FAILED: frozenset([State.SCHEDULED, State.FAILED, State.CANCELLED]),
    State.CANCELLED: frozenset([State.SCHEDULED]),
}
