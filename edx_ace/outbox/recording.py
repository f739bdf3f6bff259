"""
Internal: what plain sends leave in the tables of the outbox, where ``ACE_RECORD_SENDS`` is on.

A receiver of `edx_ace.signals.send_reported`: `edx_ace.send` and `send_many` know nothing of it. Each delivery of the
report becomes a row in its final state, with the message, so that whoever looks for what happened to a message looks in
one place, and one that failed can be queued again. It is written in the caller's transaction and vanishes with its
rollback. A table that cannot be written is logged; the message has gone all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, router, transaction

# Looked up on the package at each call, as everywhere: tests replace it there.
import edx_ace.channel as channels
from edx_ace import categories
from edx_ace.errors import InvalidMessageError
from edx_ace.message import Message
from edx_ace.message_types import info
from edx_ace.outbox import payloads, people
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import Delivery, OnAmbiguous, Payload
from edx_ace.outbox.redaction import keepable, redacted, redacted_code
from edx_ace.outbox.states import Priority, State
from edx_ace.report import Delivery as Reported
from edx_ace.report import Outcome, SendReport

LOG = logging.getLogger(__name__)

#: What a plain send does not wait for has not gone.
_STATES = {
    Outcome.SENT: State.SENT,
    Outcome.SKIPPED: State.SKIPPED,
    Outcome.DEFERRED: State.SKIPPED,
    Outcome.EXPIRED: State.EXPIRED,
    Outcome.FAILED: State.FAILED,
}


def record(message: Message, report: SendReport, **kwargs: Any) -> None:
    """Write the deliveries of *report*, if the site wants that."""
    if not settings.RECORD_SENDS:
        return
    # A type that the site has no channel for would be a row without news with each message.
    registered = channels.channels().channel_type_to_channel_impl
    reported = [one for one in report.deliveries if registered.get(one.channel_type)]
    if not reported:
        return
    try:
        _write(message, reported)
    except Exception as error:
        # Its text may hold what was to be written.
        LOG.error("What came of message %s could not be recorded: %s", report.uuid, type(error).__name__)


def _write(message: Message, reported: Sequence[Reported]) -> None:
    using = router.db_for_write(Delivery)
    # A savepoint where the caller has a transaction, which goes on whatever happens here.
    with transaction.atomic(using):
        payload, _ = Payload.objects.using(using).get_or_create(
            uuid=message.uuid,
            defaults={"content": _dumped(message), "created_at": DatabaseNow(), **payloads.about(message)},
        )
        rows = [_row(message, payload, one) for one in reported]
        try:
            with transaction.atomic(using):
                Delivery.objects.using(using).bulk_create(rows)
        except IntegrityError:
            # Nothing keeps a plain send from going to somebody twice; what is too much is recorded outside of its send.
            for row in rows:
                row.batch = None
            Delivery.objects.using(using).bulk_create(rows)
        for state in {row.state for row in rows}:
            Delivery.moved([row for row in rows if row.state == state], "", state, using)


def _dumped(message: Message) -> str:
    try:
        return payloads.dump(message)
    except InvalidMessageError:
        # It went, or failed, without having to be kept: then it cannot be queued again.
        return ""


def _row(message: Message, payload: Payload, reported: Reported) -> Delivery:
    recipient, message_type = message.recipient, info(message.app_label, message.name)
    essential = message_type.is_essential(message)
    try:
        address = people.address_key(
            reported.channel_type, None if recipient is None else recipient.address_for(reported.channel_type)
        )
    except InvalidMessageError:
        address = None
    return Delivery(
        payload=payload,
        batch=message.send_uuid,
        recipient=people.person_key(recipient),
        address=address,
        channel_type=str(reported.channel_type),
        channel=reported.channel or "",
        state=_STATES[reported.outcome],
        category=categories.of(message),
        scope=people.shortened(categories.scope_of(message)),
        is_essential=essential,
        priority=Priority.ESSENTIAL if essential else Priority.NORMAL,
        on_ambiguous=OnAmbiguous.of(message_type),
        attempts=reported.attempts,
        code=redacted_code(reported.code),
        reason=redacted(reported.reason),
        provider_id=keepable(reported.provider_id, 255),
        created_at=DatabaseNow(),
        due_at=DatabaseNow(),
        finished_at=DatabaseNow(),
    )
