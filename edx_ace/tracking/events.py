"""
Public: what providers say about messages after they took them. `edx_ace.tracking` has `record_event`.

An event is kept once, however often it comes, and in whatever order. It touches a delivery only when both the
provider's id and the recipient are its own, and moves it only along the arrows of `edx_ace.outbox.states`, so that a
status which is better informed stays. One that comes before the worker has committed what it sent waits, for an hour at
most, and is applied by the sweep.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from django.db import router, transaction
from django.db.models import Case, Max, OuterRef, QuerySet, Subquery, When

from edx_ace import categories
from edx_ace.channel import ChannelType
from edx_ace.channel.base import channel_type_of
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox import leases
from edx_ace.outbox.clock import DatabaseNow, database_now, from_now
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.people import address_key, canonical, keyed_digest, person_keys_of_address
from edx_ace.outbox.redaction import redacted, redacted_code
from edx_ace.outbox.states import ARROWS, OPEN, State
from edx_ace.signals import unsubscribed_at_provider
from edx_ace.text import is_sendable, shown
from edx_ace.tracking import figures
from edx_ace.tracking.conf import settings
from edx_ace.tracking.errors import BadEventError
from edx_ace.tracking.models import Kind, ProviderEvent, Reason
from edx_ace.tracking.suppression import suppress

LOG = logging.getLogger(__name__)

#: How long an event waits for its delivery: many times as long as a worker may take to record what it sent.
LONGEST_WAIT = timedelta(hours=1)

#: Before this nothing has happened.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

#: Waiting events that are looked at together.
CHUNK_SIZE = 500

#: Longest name of a provider, and longest of its ids, in characters: what the columns hold.
MAX_PROVIDER_LENGTH = 40
MAX_ID_LENGTH = 255

_STATE_OF = {
    Kind.DELIVERED: State.DELIVERED,
    Kind.SOFT_BOUNCE: State.BOUNCED,
    Kind.HARD_BOUNCE: State.BOUNCED,
    Kind.REJECTED: State.BOUNCED,
    Kind.COMPLAINED: State.COMPLAINED,
}

_SUPPRESSED_AT_ONCE = {
    Kind.HARD_BOUNCE: Reason.HARD_BOUNCE,
    Kind.COMPLAINED: Reason.COMPLAINT,
    Kind.UNSUBSCRIBED: Reason.UNSUBSCRIBED,
}


class Recorded(Enum):
    """What became of an event."""

    #: It is kept, and belongs to a delivery.
    APPLIED = "applied"
    #: It is kept; its delivery may yet come to where it can be applied.
    WAITING = "waiting"
    #: It was there already.
    KNOWN = "known"
    #: There is no such message to that address, and nobody vouches for the event: it is not kept.
    UNMATCHED = "unmatched"


def record_event(
    provider: str,
    kind: Kind | str,
    *,
    address: str,
    provider_id: str = "",
    message: UUID | None = None,
    event_id: str = "",
    channel_type: ChannelType | str = ChannelType.EMAIL,
    at: datetime | None = None,
    code: str = "",
    detail: str = "",
) -> Recorded:
    """
    Keep what a provider says about a message, move its delivery on, and suppress the address where that is called for.

    Call it only with what is authenticated: a hard bounce suppresses the address also when it is of no delivery here.
    Everything is one transaction, or a part of the caller's.

    Args:
        provider: Its name.

        kind: What it says.

        address: Whom the message went to.

        provider_id: The provider's id for the message, as the channel returned it.

        message: Instead of that, the message's uuid, as its Message-ID has it. It proves little, so that nothing is
            kept unless there is such a message to that address.

        event_id: The provider's id for the event; without one, the same kind at the same moment, or if that is not
            given either, the same kind, is the same event.

        channel_type: Over which it went.

        at: When it happened (aware); None: now.

        code: Short, such as ``"5.1.1"``.

        detail: The provider's words.

    Raises:
        BadEventError: If that is no event.
    """
    name = _text(provider, "provider", MAX_PROVIDER_LENGTH)
    what, kind_of_channel = _kind(kind), channel_type_of(channel_type, BadEventError)
    reference = _text(provider_id, "provider_id", MAX_ID_LENGTH) if message is None else ""
    if not is_sendable(event_id):
        raise BadEventError(f"event_id must be text that can be encoded, given {shown(event_id)}.")
    at = _moment(at)
    try:
        own, key = canonical(kind_of_channel, address), address_key(kind_of_channel, address)
        digest = person_keys_of_address(kind_of_channel, address)[0]
    except (InvalidMessageError, IndexError, TypeError):
        raise BadEventError("Expected the address that the message went to, given none that can be one.") from None
    fields: dict[str, Any] = {
        "provider": name,
        "kind": what,
        "provider_id": reference,
        "channel_type": str(kind_of_channel),
        "digest": digest,
        "code": redacted_code(code),
        "detail": redacted(detail),
        "at": at or DatabaseNow(),
        "received_at": DatabaseNow(),
    }
    same = [name, what.value, reference or str(message), own, event_id or (at.isoformat() if at else "")]
    using = router.db_for_write(ProviderEvent)
    with transaction.atomic(using):
        deliveries = Delivery.objects.using(using).filter(address=key, channel_type=str(kind_of_channel))
        chosen = deliveries.filter(payload=message) if message else deliveries.filter(provider_id=reference)
        # Before the event is written: whoever locks both does so in this order.
        locked = chosen.order_by("-pk").select_for_update()
        delivery = next((row for row in locked if message or _is_of(row, reference)), None)
        if delivery is None and message is not None:
            return Recorded.UNMATCHED
        event, is_new = ProviderEvent.objects.using(using).get_or_create(
            key=keyed_digest("\0".join(same)), defaults={**fields, "address": key, "is_waiting": True}
        )
        if not is_new:
            return Recorded.KNOWN
        if delivery is not None:
            _apply(event, delivery, using)
        _suppress(event, address, delivery)
    return Recorded.WAITING if event.is_waiting else Recorded.APPLIED


def apply_waiting() -> int:
    """Apply the events whose deliveries have come, give up those that waited too long; return how many were applied."""
    using = router.db_for_write(ProviderEvent)
    waiting = ProviderEvent.objects.using(using).filter(is_waiting=True)
    found = _with_delivery(waiting).exclude(found=None).order_by("pk")
    number, last = 0, 0
    while chunk := list(found.filter(pk__gt=last).values_list("pk", "found")[:CHUNK_SIZE]):
        last = chunk[-1][0]
        for pk, delivery_id in chunk:
            with transaction.atomic(using):
                delivery = Delivery.objects.using(using).select_for_update().filter(pk=delivery_id).first()
                event = waiting.select_for_update().filter(pk=pk).first()
                if delivery is None or event is None:
                    continue
                if event.delivery_id or _is_of(delivery, event.provider_id):
                    _apply(event, delivery, using)
                    number += not event.is_waiting
    waiting.filter(received_at__lt=from_now(-LONGEST_WAIT)).update(is_waiting=False, address=None)
    return number


def _is_of(delivery: Delivery, provider_id: str) -> bool:
    """Return whether that is the provider's id for *delivery*: MariaDB and MySQL ignore case and accents."""
    return delivery.provider_id == provider_id


def _with_delivery(waiting: QuerySet[ProviderEvent]) -> Any:
    """Return *waiting* with the key of the delivery that each is of, which nobody hands over any more, as ``found``."""
    closed = Delivery.objects.exclude(state__in=OPEN)
    own = closed.filter(
        address=OuterRef("address"), channel_type=OuterRef("channel_type"), provider_id=OuterRef("provider_id")
    )
    found = Case(
        When(delivery=None, then=Subquery(own.order_by("-pk").values("pk")[:1])),
        default=Subquery(closed.filter(pk=OuterRef("delivery")).values("pk")[:1]),
    )
    return waiting.annotate(found=found)


def _apply(event: ProviderEvent, delivery: Delivery, using: str) -> None:
    """Let *event* be one of *delivery*, which is locked, and move that on if an arrow leads there."""
    state = _STATE_OF.get(Kind(event.kind))
    event.delivery = delivery
    event.is_waiting = delivery.state in OPEN
    if state is not None and state in ARROWS.get(delivery.state, ()):
        code, reason = ("", "") if state == State.DELIVERED else (event.kind, event.detail)
        leases.move([delivery], delivery.state, state, code=code, reason=reason)
    if not event.is_waiting:
        event.address = None
    event.save(using=using, update_fields=["delivery", "is_waiting", "address"])
    LOG.info("Delivery %s is %s; %s says %s.", delivery.pk, delivery.state, event.provider, event.kind)


def _suppress(event: ProviderEvent, address: str, delivery: Delivery | None) -> None:
    kind = Kind(event.kind)
    reason, category, expires_at = _SUPPRESSED_AT_ONCE.get(kind), "", None
    if kind is Kind.UNSUBSCRIBED and delivery is not None:
        category = delivery.category if delivery.category in categories.all_categories() else ""
        if _is_their_choice(delivery, category):
            return
    if kind is Kind.SOFT_BOUNCE and _is_one_too_many(event):
        reason = Reason.SOFT_BOUNCES
        now = database_now(ProviderEvent, router.db_for_write(ProviderEvent))
        expires_at = now + timedelta(days=settings.SOFT_BOUNCE_SUPPRESS_DAYS)
    if reason is not None:
        is_new = suppress(
            address,
            reason,
            who=event.provider,
            why=f"{event.code} {event.detail}".strip(),
            channel_type=event.channel_type,
            category=category,
            expires_at=expires_at,
        )
        if is_new and kind is Kind.UNSUBSCRIBED and delivery is not None:
            happened = (datetime.now(UTC).date(), delivery, figures.Measure.UNSUBSCRIBED)
            figures.append([happened], router.db_for_write(ProviderEvent))


def _is_their_choice(delivery: Delivery, category: str) -> bool:
    """Return whether somebody has made a choice of it that who got *delivery* unsubscribed from *category*."""
    about = {"person": delivery.recipient, "category": category, "channel_type": delivery.channel_type}
    return bool(delivery.recipient) and any(taken for _, taken in unsubscribed_at_provider.send(None, **about))


def _is_one_too_many(event: ProviderEvent) -> bool:
    """Return whether the address of *event* has returned as many messages as suppress it, and taken none in between."""
    events = ProviderEvent.objects.using(router.db_for_write(ProviderEvent)).filter(
        digest=event.digest, channel_type=event.channel_type
    )
    bounced = events.filter(kind=Kind.SOFT_BOUNCE, at__gt=from_now(timedelta(days=-settings.SOFT_BOUNCE_DAYS)))
    delivered = events.filter(kind=Kind.DELIVERED).aggregate(last=Max("at"))["last"]
    if delivered is not None:
        bounced = bounced.filter(at__gt=delivered)
    return bounced.values("provider_id", "delivery").distinct().count() >= settings.SOFT_BOUNCE_LIMIT


def _text(given: object, what: str, longest: int) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= longest or not is_sendable(given):
        raise BadEventError(f"{what} must be a text of 1 to {longest} characters, given {shown(given)}.")
    return given


def _kind(given: Kind | str) -> Kind:
    try:
        return Kind(given)
    except ValueError:
        raise BadEventError(f"Expected one of {', '.join(Kind.values)}, given {shown(given)}.") from None


def _moment(given: datetime | None) -> datetime | None:
    if given is None:
        return None
    if not isinstance(given, datetime) or given.tzinfo is None:
        raise BadEventError(f"at must be an aware datetime, given {shown(given)}.")
    # Whatever a provider's clock says.
    return min(max(given, EARLIEST), datetime.now(UTC))
