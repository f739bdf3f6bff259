"""
Public: the states of a delivery and the arrows between them.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    """Where a delivery stands."""

    #: Waits for its time, or for a worker.
    QUEUED = "queued", _("queued")
    #: A worker has it for the time of a lease and prepares it; nothing has left yet.
    CLAIMED = "claimed", _("claimed")
    #: A worker has the permit and hands it over now: it may have been accepted.
    HANDING = "handing", _("being handed over")
    #: The channel accepted it.
    SENT = "sent", _("sent")
    #: It reached the recipient, as the provider says.
    DELIVERED = "delivered", _("delivered")
    #: The recipient's side returned it after it was accepted.
    BOUNCED = "bounced", _("bounced")
    #: The recipient reported it as unwanted.
    COMPLAINED = "complained", _("complained about")
    #: It will not go: the code says why.
    FAILED = "failed", _("failed")
    #: It was not to go: a policy or a guard says no, or there was nowhere to send it to.
    SKIPPED = "skipped", _("skipped")
    #: Its time was over before it could be handed over.
    EXPIRED = "expired", _("expired")
    #: Somebody stopped it.
    CANCELLED = "cancelled", _("cancelled")
    #: It became part of a digest.
    FOLDED = "folded", _("folded into a digest")
    #: Nobody knows whether it was accepted, and it asked not to be repeated.
    UNKNOWN = "unknown", _("unknown")


class Priority(models.IntegerChoices):
    """What goes first when more is due than workers can do at once."""

    #: Newsletters and other mail in great numbers.
    BULK = 0, _("bulk")
    #: What is not said otherwise.
    NORMAL = 1, _("normal")
    #: What somebody waits for: the default of essential messages (`edx_ace.message_types.is_essential`).
    ESSENTIAL = 2, _("essential")


#: States in which something is left to do.
OPEN = (State.QUEUED, State.CLAIMED, State.HANDING)

#: States of what a channel has accepted.
ACCEPTED = (State.SENT, State.DELIVERED, State.BOUNCED, State.COMPLAINED)

#: Which states may follow which. The empty text stands for "not yet in the outbox".
ARROWS: Mapping[str, frozenset[str]] = {
    "": frozenset([State.QUEUED, State.SENT, State.FAILED, State.SKIPPED, State.EXPIRED]),
    State.QUEUED: frozenset([State.CLAIMED, State.EXPIRED, State.CANCELLED, State.UNKNOWN]),
    State.CLAIMED: frozenset(
        [
            State.QUEUED,
            State.HANDING,
            State.FAILED,
            State.SKIPPED,
            State.EXPIRED,
            State.CANCELLED,
            State.FOLDED,
            State.UNKNOWN,
        ]
    ),
    State.HANDING: frozenset([State.SENT, State.QUEUED, State.FAILED, State.SKIPPED, State.CANCELLED, State.UNKNOWN]),
    State.SENT: frozenset([State.DELIVERED, State.BOUNCED, State.COMPLAINED]),
    State.DELIVERED: frozenset([State.BOUNCED, State.COMPLAINED]),
    State.FAILED: frozenset([State.QUEUED]),
    State.FOLDED: frozenset([State.CANCELLED, State.UNKNOWN]),
}
