"""
Internal: what becomes of the messages of the demo once they are sent: what a provider would say, what readers do.

The same people do the same every time.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import State
from edx_ace.tracking import Kind, record_event
from edx_ace.tracking.models import Engagement, EngagementKind, Figure, Link, ProviderEvent, Suppression

#: Which of the messages that were sent come back, by their place, and with which words.
_BOUNCED = {
    23: ("5.1.1", "550 5.1.1 The mailbox does not exist."),
    141: ("5.2.1", "550 5.2.1 The mailbox is closed."),
}
_COMPLAINED = 77

#: Every which message is opened by its reader, has its pictures loaded by a mail program, and a link of it followed.
_OPENED, _LOADED, _FOLLOWED = 2, 5, 6

#: How soon after the message was sent.
_SOONEST, _MACHINE = timedelta(seconds=8), timedelta(seconds=1)


def forget() -> None:
    """Forget what became of the messages of an earlier run."""
    for model in (ProviderEvent, Suppression, Engagement, Figure, Link):
        model._default_manager.all().delete()


def happen(batch: UUID) -> None:
    """Let two messages bounce and one be reported; let the others arrive, and some of them be read."""
    sent = list(Delivery.objects.filter(Delivery.in_batch(batch), state=State.SENT).order_by("pk"))
    links = list(Link.objects.filter(batch=batch).order_by("target"))
    with transaction.atomic():
        for place, delivery in enumerate(sent):
            code, detail = _BOUNCED.get(place, ("", "250 2.0.0 OK"))
            _say(delivery, Kind.HARD_BOUNCE if code else Kind.DELIVERED, code, detail)
        if len(sent) > _COMPLAINED:
            _say(sent[_COMPLAINED], Kind.COMPLAINED, "", "The recipient marked it as unwanted.")
        Engagement.objects.bulk_create(
            _engagement(delivery, link, after)
            for place, delivery in enumerate(sent)
            if place not in _BOUNCED
            for every, link, after in (
                (_LOADED, None, _MACHINE),
                (_OPENED, None, _SOONEST),
                (_FOLLOWED, links[place % len(links)] if links else None, _SOONEST * 2),
            )
            if place % every == 0 and (every != _FOLLOWED or links)
        )


def _say(delivery: Delivery, kind: Kind, code: str, detail: str) -> None:
    record_event(
        "campus-mail",
        kind,
        address=delivery.address or "",
        message=delivery.payload_id,
        event_id=f"{delivery.payload_id}-{kind}",
        code=code,
        detail=detail,
    )


def _engagement(delivery: Delivery, link: Link | None, after: timedelta) -> Engagement:
    assert delivery.finished_at is not None
    return Engagement(
        message=delivery.payload_id,
        kind=EngagementKind.OPEN if link is None else EngagementKind.CLICK,
        link=None if link is None else link.uuid,
        at=delivery.finished_at + after,
        is_machine=after == _MACHINE,
    )
