"""
Internal: what the sweep of every worker does for scheduled messages: claim those that are due, and put them into the
outbox.

A batch takes as many queries as one message: recipients are looked up with one a model, and letters, references and log
are written with one each. Where a worker dies, its lease runs out and another goes on. Each change goes by the fencing
number: whoever lost a message, to another worker or to somebody who cancelled it, changes nothing and sends nothing.
"""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import attrs
from django.db import router, transaction
from django.db.models import Case, QuerySet, Value, When
from django.utils.translation import gettext as _

from edx_ace import preview
from edx_ace.automation import actions, addressing, composing, controller, following
from edx_ace.automation.composing import DATABASE_ERRORS
from edx_ace.automation.errors import AutomationError
from edx_ace.automation.models import Entry, Letter, ScheduledMessage
from edx_ace.automation.source import SOURCE
from edx_ace.automation.states import State
from edx_ace.channel import ChannelType
from edx_ace.message import Message
from edx_ace.outbox import Referred, chores, enqueue_references, leases
from edx_ace.outbox.clock import DatabaseNow, from_now
from edx_ace.report import code_of

LOG = logging.getLogger(__name__)

#: How many messages a worker claims at a time.
BATCH = 200

#: For how long it has them.
LEASE = timedelta(minutes=2)

#: How often a message may be claimed without an outcome: after that it is what its workers die of.
MAX_CLAIMS = 10


def tick() -> str | None:
    """Put what is due into the outbox, and look what became of what is there; a prompt chore."""
    rows = leases.claim(_open().filter(is_external=False), BATCH, LEASE)
    for part in _parts(rows):
        _send(part)
    is_left = following.follow()
    return chores.AGAIN if is_left or len(rows) == BATCH else None


def bring_back() -> str | None:
    """Let what its worker has lost, and what failed and is to be tried again, wait to be claimed; a chore."""
    using = router.db_for_write(ScheduledMessage)
    with transaction.atomic(using):
        lost = leases.reclaim(_open(), BATCH, State.CLAIMED, State.SCHEDULED)
        _log(lost, "take_over", State.CLAIMED, State.SCHEDULED, using)
    with transaction.atomic(using):
        due = _open().filter(due_at__lte=DatabaseNow()).order_by("due_at")
        failed = leases.seize(due, BATCH, State.FAILED, State.SCHEDULED)
        _log(failed, "try_again", State.FAILED, State.SCHEDULED, using)
    return chores.AGAIN if BATCH in (len(lost), len(failed)) else None


def check_claims(row: ScheduledMessage) -> None:
    """
    Look whether *row*, which was claimed just now, is what its workers die of.

    Raises:
        AutomationError: If it is.
    """
    if row.claims > MAX_CLAIMS:
        text = _("It was claimed %(number)d times and each time its worker ended.")
        raise AutomationError(text % {"number": row.claims - 1}, code="poison")


def _open() -> QuerySet[ScheduledMessage]:
    return ScheduledMessage.objects.filter(ended_at__isnull=True)


def _parts(rows: Sequence[ScheduledMessage]) -> list[Sequence[ScheduledMessage]]:
    """Return *rows* in what is sent together: one that workers may die of goes alone, as the others are innocent."""
    suspects = [row for row in rows if row.claims > 1]
    # Each time others come before the one that ends it all.
    random.shuffle(suspects)
    rest = [row for row in rows if row.claims <= 1]
    return [*([rest] if rest else []), *([row] for row in suspects)]


@attrs.frozen
class _Ready:
    """A claimed message, with the letters that it becomes; of some, perhaps, only why they cannot be sent."""

    row: ScheduledMessage
    batch: UUID
    letters: Sequence[Letter]
    addressees: Sequence[addressing.Addressee]

    @property
    def why(self) -> str:
        """What the log says."""
        return " ".join(letter.error for letter in self.letters if letter.error)


def _send(rows: Sequence[ScheduledMessage]) -> None:
    """Put *rows* into the outbox; what cannot be fails alone."""
    ready = []
    resolved = composing.resolve([row.recipients for row in rows])
    for row, recipients in zip(rows, resolved, strict=True):
        try:
            ready.append(_prepare(row, recipients))
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            _fail(row, error)
    _put(ready)


def _prepare(row: ScheduledMessage, recipients: Any) -> _Ready:
    """
    Find out whom *row* goes to.

    Raises:
        AutomationError: If it can go to nobody.
        Exception: Whatever the action raises.
    """
    check_claims(row)
    if isinstance(recipients, Exception):
        raise recipients
    action = actions.get(row.action)
    batch = uuid4()
    letters: list[Letter] = []
    addressees: list[addressing.Addressee] = []
    errors: list[Exception] = []
    for reference, resolved in zip(row.recipients, recipients, strict=True):
        try:
            one = addressing.addressee(reference, resolved, action)
        except AutomationError as error:
            errors.append(error)
            letters.append(_letter(row, batch, reference, error=composing.described(error)))
            continue
        if any(one.address == other.address for other in addressees):
            continue
        addressees.append(one)
        if not row.is_to_all:
            letters.append(_letter(row, batch, reference, person=one.person, address=one.address))
    if not addressees:
        raise AutomationError(" ".join(map(str, errors)), code=code_of(errors[0]))
    if row.is_to_all:
        references, first = [one.reference for one in addressees], addressees[0]
        letters.append(_letter(row, batch, references, person=first.person, address=first.address))
    return _Ready(row, batch, letters, addressees)


def _letter(row: ScheduledMessage, batch: UUID, reference: Any, **fields: Any) -> Letter:
    return Letter(message=row, batch=batch, uuid=uuid4(), recipient=reference, **fields)


def _put(ready: Sequence[_Ready]) -> None:
    """Write all that *ready* becomes in one transaction; if that cannot be, by halves."""
    if not ready:
        return
    try:
        _write(ready)
    except DATABASE_ERRORS:
        raise
    except Exception as error:
        for one in ready:
            one.row.state = State.CLAIMED
        if len(ready) == 1:
            _fail(ready[0].row, error)
            return
        middle = len(ready) // 2
        _put(ready[:middle])
        _put(ready[middle:])


def _write(ready: Sequence[_Ready]) -> None:
    using = router.db_for_write(ScheduledMessage)
    with transaction.atomic(using):
        moved = leases.move(
            [one.row for one in ready],
            State.CLAIMED,
            State.ENQUEUED,
            batch=Case(*(When(pk=one.row.pk, then=Value(one.batch)) for one in ready)),
            enqueued_at=DatabaseNow(),
            due_at=from_now(following.LOOK_AGAIN),
            lease_until=None,
            claims=0,
            code="",
            reason="",
        )
        keys = {row.pk for row in moved}
        own = [one for one in ready if one.row.pk in keys]
        Letter.objects.using(using).bulk_create([letter for one in own for letter in one.letters])
        groups: defaultdict[tuple[str, str], list[_Ready]] = defaultdict(list)
        for one in own:
            groups[one.row.message_type, actions.get(one.row.action).category].append(one)
        for those in groups.values():
            outline = composing.outline(those[0].row)
            limits = _channel_types(outline, those[0].row)
            enqueue_references(SOURCE.name, outline, _references(those), limit_to_channels=limits)
        _log(moved, "enqueue", State.CLAIMED, State.ENQUEUED, using, {one.row.pk: one.why for one in own})


def _references(ready: Iterable[_Ready]) -> Iterable[Referred]:
    for one in ready:
        addressees = {(other.person, other.address): other for other in one.addressees}
        for letter in one.letters:
            if not letter.error:
                known = addressees[letter.person, letter.address].recipient
                addresses = {**known.addresses, str(ChannelType.EMAIL): str(letter.address)}
                yield Referred(letter.uuid, letter.uuid, letter.person, addresses, batch=one.batch)


def _channel_types(outline: Message, row: ScheduledMessage) -> list[ChannelType]:
    """Return over which channel types *row* goes: what staff write is an email, a type of the host has templates."""
    return list(preview.channels_for(outline)) if row.message_type else [ChannelType.EMAIL]


def _fail(row: ScheduledMessage, error: Exception) -> None:
    if not isinstance(error, AutomationError):
        LOG.error("Scheduled message %s cannot be sent.", row.uuid, exc_info=error)
    controller.record_failure(row, code_of(error), composing.described(error))


def _log(
    rows: Sequence[ScheduledMessage],
    did: str,
    from_state: str,
    to_state: str,
    using: str,
    why: dict[int, str] | None = None,
) -> None:
    if not rows:
        return
    Entry.objects.using(using).bulk_create(
        Entry(message=row, did=did, from_state=from_state, to_state=to_state, why=(why or {}).get(row.pk, ""))
        for row in rows
    )
