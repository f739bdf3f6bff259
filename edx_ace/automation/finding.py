"""
Public: finding scheduled messages: lists with filters and search, a page at a time, and what goes out on which day.

Nobody's permission is asked here: see `edx_ace.automation.access`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import attrs
from django.contrib.auth import get_user_model
from django.db.models import Case, Count, Exists, F, IntegerField, Model, OuterRef, Q, QuerySet, TextField, When
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from edx_ace.automation import controller
from edx_ace.automation.errors import AutomationError, NotFoundError
from edx_ace.automation.models import Attachment, Letter, ScheduledMessage
from edx_ace.automation.states import State
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.privacy import Person

#: Messages on one page.
PAGE_SIZE = 50


@attrs.frozen
class Page:
    """
    Some scheduled messages.

    Attributes:
        messages: In the order of their time.

        next: What to ask for those that follow with, as ``after``; empty: these are the last.
    """

    messages: list[ScheduledMessage]
    next: str


@attrs.frozen
class Day:
    """
    What goes out, or went, on one day.

    Attributes:
        day: In the active time zone.

        numbers: How many messages, by action and state.
    """

    day: date
    numbers: dict[tuple[str, str], int]

    @property
    def number(self) -> int:
        """How many messages there are in all."""
        return sum(self.numbers.values())


def messages(
    *,
    states: Iterable[str] = (),
    action: str = "",
    about: Model | tuple[str, str] | None = None,
    person: str = "",
    search: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[ScheduledMessage]:
    """
    Return the scheduled messages that all of what is given matches, in no order.

    Args:
        states: In one of these; none: in any.

        action: The name of its signal.

        about: What they are about: the object, or its label and primary key as text.

        person: Whom they went to, or will: the host's id of somebody, or a mailbox. Of what waits, those are found
            that name them so.

        search: A part of the subject or address of a letter, of what names a recipient, of why something failed; or
            the object's key.

        since, until: Scheduled for this moment or later, and before that one (aware).

    Raises:
        InvalidMessageError: If *person* has an @ and is no mailbox.
    """
    rows = ScheduledMessage.objects.all()
    if chosen := list(states):
        rows = rows.filter(state__in=chosen)
    if action:
        rows = rows.filter(action=action)
    if about is not None:
        object_type, object_key = about if isinstance(about, tuple) else controller.place_of(about)
        rows = rows.filter(object_type=object_type, object_key=object_key)
    if since is not None:
        rows = rows.filter(scheduled_at__gte=since)
    if until is not None:
        rows = rows.filter(scheduled_at__lt=until)
    if person or search:
        rows = rows.annotate(recipients_text=Cast("recipients", TextField()))
    if person:
        rows = rows.filter(_for(person))
    if search:
        rows = rows.filter(_with(search))
    return rows


def page(
    rows: QuerySet[ScheduledMessage], *, after: str = "", size: int = PAGE_SIZE, latest_first: bool = False
) -> Page:
    """
    Return a page of *rows*, in the order of their time; it takes as long for the last page as for the first.

    Args:
        rows: As `messages` returns them.

        after: `Page.next` of the page before.

        size: How many on a page.

        latest_first: The other way round.

    Raises:
        AutomationError: If *after* is of no page.
    """
    sign, beyond = ("-", "lt") if latest_first else ("", "gt")
    rows = rows.order_by(f"{sign}scheduled_at", f"{sign}pk")
    if after:
        moment, key = _place(after)
        rows = rows.filter(Q(**{f"scheduled_at__{beyond}": moment}) | Q(scheduled_at=moment, **{f"pk__{beyond}": key}))
    found = list(rows[: size + 1])
    last = found[size - 1] if len(found) > size else None
    return Page(found[:size], "" if last is None else f"{last.scheduled_at.astimezone(UTC).isoformat()}_{last.pk}")


def message(uuid: UUID) -> ScheduledMessage:
    """
    Return the scheduled message with that UUID.

    Raises:
        NotFoundError: If there is none.
    """
    found = ScheduledMessage.objects.filter(uuid=uuid).first()
    if found is None:
        raise NotFoundError(_("There is no such message."))
    return found


def attachment(message: ScheduledMessage, key: int) -> Attachment:
    """
    Return the attachment of *message* with that primary key.

    Raises:
        NotFoundError: If it has none.
    """
    found = message.attachments.filter(pk=key).first()
    if found is None:
        raise NotFoundError(_("There is no such attachment."))
    return found


def letters(message: ScheduledMessage) -> QuerySet[Letter]:
    """Return what of *message* went, or goes, to each recipient, of the last time that it was put into the outbox."""
    return message.letters.filter(message__batch=F("batch")).order_by("pk")


def deliveries(of: Iterable[Letter]) -> dict[UUID, list[Delivery]]:
    """Return the deliveries of letters in the outbox, by the letter's UUID."""
    found: dict[UUID, list[Delivery]] = {}
    for row in Delivery.objects.filter(payload__in=[letter.uuid for letter in of]).order_by("pk"):
        found.setdefault(row.payload_id, []).append(row)
    return found


def calendar(rows: QuerySet[ScheduledMessage], first: date, last: date) -> list[Day]:
    """Return how many of *rows* are scheduled for each day from *first* to *last*, in the active time zone."""
    zone = timezone.get_current_timezone()
    dates = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    # Not by a function of the database, which may know no zones. A day has more or fewer than 24 hours at times.
    begins = [datetime.combine(day, time.min, zone) for day in [*dates, last + timedelta(days=1)]]
    number_of = Case(
        *(When(scheduled_at__lt=end, then=number) for number, end in enumerate(begins[1:])),
        output_field=IntegerField(),
    )
    days = [Day(day, {}) for day in dates]
    counted = (
        rows.filter(scheduled_at__gte=begins[0], scheduled_at__lt=begins[-1])
        .annotate(day=number_of)
        .values_list("day", "action", "state")
        .annotate(number=Count("pk"))
        .order_by()
    )
    for day, action, state, number in counted:
        days[day].numbers[action, state] = number
    return days


def was_sent(message: ScheduledMessage) -> bool:
    """Return whether the outbox has *message*, or had it last: then its `letters` are what went."""
    is_out = message.state in (State.ENQUEUED, State.SUCCEEDED, State.CANCELLED)
    return is_out and letters(message).exists()


def due_for_workers(limit: int = PAGE_SIZE) -> list[ScheduledMessage]:
    """Return what workers outside may lock now, the longest due first."""
    due = ScheduledMessage.objects.filter(
        state=State.SCHEDULED, ended_at__isnull=True, is_external=True, due_at__lte=timezone.now()
    )
    return list(due.order_by("due_at", "pk")[:limit])


def _for(person: str) -> Q:
    found = Person.find(person)
    addresses = [address for _channel_type, address in found.addresses]
    theirs = Q(person__in=found.keys) | (Q(address__in=addresses) if found.is_address else Q(pk__in=()))
    if found.is_address:
        named = Q(recipients_text__icontains=f'"{person}"')
    else:
        account = Q(recipients_text__contains=f'"pk": "{person}"')
        account &= Q(recipients_text__contains=f'"model": "{get_user_model()._meta.label}"')
        named = account | Q(recipients_text__contains=f'"lms_user_id": {json.dumps(person)},')
        if person.isdecimal():
            named |= Q(recipients_text__contains=f'"lms_user_id": {person},')
    return Q(Exists(Letter.objects.filter(theirs, message=OuterRef("pk")))) | named


def _with(search: str) -> Q:
    said = Q(subject__icontains=search) | Q(address__icontains=search)
    return (
        Q(Exists(Letter.objects.filter(said, message=OuterRef("pk"))))
        | Q(recipients_text__icontains=search)
        | Q(action__icontains=search)
        | Q(reason__icontains=search)
        | Q(object_key=search)
    )


def _place(after: str) -> tuple[datetime, int]:
    moment, _separator, key = after.partition("_")
    try:
        return datetime.fromisoformat(moment), int(key)
    except ValueError:
        raise AutomationError(_("There is no such page.")) from None
