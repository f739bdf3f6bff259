"""
Public: the states of a campaign and the arrows between them.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models
from django.utils.translation import pgettext_lazy


class State(models.TextChoices):
    """Where a campaign stands."""

    #: Somebody writes it.
    DRAFT = "draft", pgettext_lazy("campaign", "draft")
    #: Waits for its time.
    SCHEDULED = "scheduled", pgettext_lazy("campaign", "scheduled")
    #: Its recipients are found and put into the outbox, which sends to them.
    SENDING = "sending", pgettext_lazy("campaign", "sending")
    #: Nothing goes until somebody resumes it.
    PAUSED = "paused", pgettext_lazy("campaign", "paused")
    #: Nothing is left to do.
    SENT = "sent", pgettext_lazy("campaign", "sent")
    #: Somebody stopped it.
    CANCELLED = "cancelled", pgettext_lazy("campaign", "cancelled")
    #: It could not begin, or go on: its reason says why.
    FAILED = "failed", pgettext_lazy("campaign", "failed")


#: States in which content, audience and schedule may be changed.
EDITABLE = (State.DRAFT, State.SCHEDULED)

#: States in which nothing is left to do.
FINISHED = (State.SENT, State.CANCELLED, State.FAILED)

#: Which states may follow which. From sending, paused and cancelled to the same: a worker goes on with what is left.
ARROWS: Mapping[str, frozenset[str]] = {
    State.DRAFT: frozenset([State.SCHEDULED]),
    State.SCHEDULED: frozenset([State.DRAFT, State.SENDING, State.CANCELLED, State.FAILED]),
    State.SENDING: frozenset([State.SENDING, State.PAUSED, State.SENT, State.CANCELLED, State.FAILED]),
    State.PAUSED: frozenset([State.PAUSED, State.SENDING, State.CANCELLED]),
    State.CANCELLED: frozenset([State.CANCELLED]),
}
