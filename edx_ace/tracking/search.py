"""
Public: why did, or didn't, she get it? Finding messages, and telling each one's way.

`find` looks up a message, a send, an idempotency key, a person or an address; each follows an index. `verdict_on` and
`why` say in two sentences what became of one delivery. `way_of` tells what happened to it, in the order in which it
did: why it waited or did not go, each hand-over with what the channel answered, what the provider said, and what was
done with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from edx_ace.channel import ChannelType
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox.models import Attempt, Delivery, Payload
from edx_ace.outbox.people import MAX_KEY_LENGTH, address_key, person_keys_of_address, shortened
from edx_ace.outbox.states import State
from edx_ace.report import Outcome
from edx_ace.text import is_sendable
from edx_ace.tracking.models import Engagement, EngagementKind, Kind, Link, ProviderEvent

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

#: How many deliveries one search shows.
LIMIT = 50

#: How many opens and clicks of one message are told.
MOST_EVENTS = 200


@attrs.frozen
class Found:
    """
    What `find` found.

    Attributes:
        deliveries: The latest first, each with its payload, whose content is not read.

        is_all: Whether there are no more.

        by: What the term was taken for: ``message``, ``send``, ``key``, ``address``, ``person``; empty: for nothing.
    """

    deliveries: list[Delivery]
    is_all: bool
    by: str


@attrs.frozen
class Step:
    """
    One thing that happened to a delivery.

    Attributes:
        at: When.

        title: What, in a few words.

        detail: The same as a sentence, or somebody's words; empty where there is no more to say.

        code: Short and stable, or empty.

        tone: ``good``, ``bad``, ``warning``, or empty: what it means for whoever waits for the message.
    """

    at: datetime
    title: _StrOrPromise
    detail: _StrOrPromise = ""
    code: str = ""
    tone: str = ""


#: What a state means for whoever waits for the message.
TONES: Mapping[str, str] = {
    State.SENT: "good",
    State.DELIVERED: "good",
    State.BOUNCED: "bad",
    State.COMPLAINED: "bad",
    State.FAILED: "bad",
    State.EXPIRED: "bad",
    State.SKIPPED: "warning",
    State.CANCELLED: "warning",
    State.UNKNOWN: "warning",
}

#: The answer in one sentence, by state. What is known beyond that stands beside it.
VERDICTS: Mapping[str, _StrOrPromise] = {
    State.QUEUED: _("It has not been sent yet, and goes with the next that go."),
    State.CLAIMED: _("It is being prepared at this moment."),
    State.HANDING: _("It is being handed over at this moment."),
    State.SENT: _("It was sent, and accepted. Whether it reached the mailbox nobody has said."),
    State.DELIVERED: _("It was sent, and it arrived."),
    State.BOUNCED: _("It was sent, and the recipient's side returned it."),
    State.COMPLAINED: _("It arrived, and the recipient reported it as unwanted."),
    State.FAILED: _("It was not sent: it could not be handed over."),
    State.SKIPPED: _("It was not sent, on purpose."),
    State.EXPIRED: _("It was not sent: its time was over before it could be."),
    State.CANCELLED: _("It was not sent: somebody stopped it."),
    State.FOLDED: _("It became part of a digest."),
    State.UNKNOWN: _("It may have arrived: nobody knows whether it was accepted, and it was not to be repeated."),
}

#: What is said of a delivery that waits for something, or was tried before.
_WAITS = _("It has not been sent yet: it waits.")
_TRIED = _("It has not been sent yet: it was not accepted for now, and is tried again.")

#: Why, in words of whoever is asked, by the code of what decided it. What has none is said in the decision's own words.
REASONS: Mapping[str, _StrOrPromise] = {
    "opted_out": _("They turned messages of this kind off."),
    "not_opted_in": _("Messages of this kind go only to those who asked for them, and they did not."),
    "suppressed": _("Their address must not be used: messages to it came back, they complained, or somebody said so."),
    "quiet_hours": _("They are left alone at these hours; it goes when the hours are over."),
    "frequency_cap": _("They have had as many messages as they may get in this time; it goes when that is over."),
    "digest": _("They take messages of this kind once a day or a week; it goes with the next of these."),
    "folded": _("They take messages of this kind once a day or a week, together."),
    "send_time": _("It goes when they are likely to read it."),
    "budget_spent": _("What this channel may cost in a month is spent."),
    "no_address": _("They have no address for this channel."),
    "expired": _("It was of use until a certain time only, and could not be handed over before."),
}

_ATTEMPTS: Mapping[str, tuple[_StrOrPromise, str]] = {
    str(Outcome.SENT): (_("Handed over and accepted"), "good"),
    str(Outcome.RETRY): (_("Not accepted for now"), "warning"),
    str(Outcome.FAILED): (_("Refused"), "bad"),
    str(Outcome.SKIPPED): (_("Nowhere to send it to"), "warning"),
    str(Outcome.EXPIRED): (_("Not handed over in time"), "bad"),
    "lost": (_("The worker ended while handing it over"), "warning"),
}

_PROVIDER_TONES: Mapping[str, str] = {Kind.DELIVERED: "good", Kind.DEFERRED: "warning", Kind.SOFT_BOUNCE: "warning"}

_ENGAGEMENTS: Mapping[tuple[str, bool], _StrOrPromise] = {
    (EngagementKind.OPEN, False): _("Opened"),
    (EngagementKind.OPEN, True): _("Opened by a machine"),
    (EngagementKind.CLICK, False): _("A link was followed"),
    (EngagementKind.CLICK, True): _("A link was followed by a machine"),
}

#: States that no attempt tells of.
_ENDS_OF_THEIR_OWN = (State.FAILED, State.SKIPPED, State.EXPIRED, State.CANCELLED, State.FOLDED, State.UNKNOWN)


def find(term: str, *, may_see_people: bool, limit: int = LIMIT) -> Found:
    """
    Return the deliveries that *term* names.

    Args:
        term: The uuid of a message or of a send, an idempotency key, an address, or a person's id.

        may_see_people: Whether people and addresses may be looked up.

        limit: How many deliveries at most.
    """
    term = term.strip()
    rows = Delivery.objects.select_related("payload").defer("payload__content")
    return next(filter(None, _attempts_to_find(rows, term, may_see_people, limit)), Found([], True, ""))


def verdict_on(delivery: Delivery) -> _StrOrPromise:
    """Return what became of *delivery*, in one sentence."""
    if delivery.state == State.QUEUED and delivery.code in REASONS:
        return _WAITS
    if delivery.state == State.QUEUED and delivery.attempts:
        return _TRIED
    return VERDICTS[delivery.state]


def why(delivery: Delivery) -> _StrOrPromise:
    """Return why, in one sentence; empty where there is no more to say."""
    return REASONS.get(delivery.code, delivery.reason)


def way_of(delivery: Delivery) -> list[Step]:
    """Return what happened to *delivery*, in order."""
    steps = [Step(delivery.created_at, _("Put into the outbox"))]
    attempts = list(delivery.history.order_by("pk"))
    steps += _attempts(attempts)
    steps += _provider_events(delivery.provider_events.order_by("at", "pk"))
    steps += _engagements(delivery)
    if not attempts or (attempts[-1].code, attempts[-1].reply) != (delivery.code, delivery.reason):
        steps += _state(delivery)
    # What happened at the same moment stays in the order of telling.
    return sorted(steps, key=lambda step: step.at)


def _attempts_to_find(rows: QuerySet[Delivery], term: str, may_see_people: bool, limit: int) -> Iterator[Found | None]:
    try:
        uuid = UUID(term)
    except ValueError:
        pass
    else:
        yield _first(rows.filter(payload=uuid), limit, "message")
        # One of a million rows is as good as another: what a send came to is in its figures.
        yield _first(rows.filter(Delivery.in_batch(uuid)), limit, "send", in_order=False)
    if not term or len(term) > MAX_KEY_LENGTH or not is_sendable(term):
        return
    keyed = list(Payload.objects.filter(idempotency_key=term).values_list("pk", flat=True))
    yield _first(rows.filter(payload__in=keyed), limit, "key")
    if may_see_people:
        yield _of_address(rows, term, limit)
        yield _first(rows.filter(recipient=shortened(term)), limit, "person")


def _of_address(rows: QuerySet[Delivery], term: str, limit: int) -> Found | None:
    try:
        kind = ChannelType.EMAIL if "@" in term else ChannelType.SMS
        addresses, people = [address_key(kind, term)], person_keys_of_address(kind, term)
    except InvalidMessageError:
        return None
    # Two queries, as each has an index of its own.
    found = {row.pk: row for row in rows.filter(address__in=addresses).order_by("-pk")[: limit + 1]}
    found |= {row.pk: row for row in rows.filter(recipient__in=people).order_by("-pk")[: limit + 1]}
    latest = [found[key] for key in sorted(found, reverse=True)]
    return Found(latest[:limit], len(latest) <= limit, "address") if latest else None


def _first(rows: QuerySet[Delivery], limit: int, by: str, *, in_order: bool = True) -> Found | None:
    found = list((rows.order_by("-pk") if in_order else rows)[: limit + 1])
    return Found(found[:limit], len(found) <= limit, by) if found else None


def _attempts(attempts: Iterable[Attempt]) -> Iterator[Step]:
    for attempt in attempts:
        title, tone = _ATTEMPTS.get(attempt.outcome, (attempt.outcome, ""))
        yield Step(attempt.at, title, attempt.reply, attempt.code, tone)


def _provider_events(events: Iterable[ProviderEvent]) -> Iterator[Step]:
    for event in events:
        yield Step(
            event.at,
            f"{event.provider}: {event.get_kind_display()}",
            event.detail,
            event.code,
            _PROVIDER_TONES.get(event.kind, "bad"),
        )


def _engagements(delivery: Delivery) -> Iterator[Step]:
    if delivery.channel_type != ChannelType.EMAIL.value:
        return
    events = list(Engagement.objects.filter(message=delivery.payload_id).order_by("pk")[:MOST_EVENTS])
    targets: dict[Any, str] = dict(
        Link.objects.filter(pk__in={event.link for event in events if event.link}).values_list("pk", "target")
    )
    for event in events:
        what = _ENGAGEMENTS[event.kind, event.is_machine]
        yield Step(event.at, what, targets.get(event.link, ""), tone="" if event.is_machine else "good")


def _state(delivery: Delivery) -> Iterator[Step]:
    """Yield what only the row itself tells: how it ended without a hand-over, or what it waits for."""
    if delivery.state in _ENDS_OF_THEIR_OWN and delivery.finished_at is not None:
        ended = delivery.get_state_display().capitalize()
        yield Step(delivery.finished_at, ended, delivery.reason, delivery.code, TONES.get(delivery.state, ""))
    elif delivery.state == State.QUEUED:
        waits = _("Waits until this moment") if delivery.code else _("Due, not before this moment")
        yield Step(delivery.due_at, waits, delivery.reason, delivery.code)
