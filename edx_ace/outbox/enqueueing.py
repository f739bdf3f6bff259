"""
Internal: putting messages into the outbox. `edx_ace.outbox` has the public names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

import attrs
from django.db import IntegrityError, router, transaction
from django.db.models import Q

# Looked up on the package at each call, as everywhere: tests replace it there.
import edx_ace.channel as channels
from edx_ace import categories
from edx_ace.channel import ChannelType, get_channel_for_message, mailbox
from edx_ace.channel.registry import Limits, choose, limits_of, name_of
from edx_ace.conf import settings
from edx_ace.errors import AceError, InvalidMessageError, UnsupportedChannelError
from edx_ace.message import Message
from edx_ace.message_types import info
from edx_ace.outbox import doorbell, payloads, people, sources
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.errors import IdempotencyKeyError
from edx_ace.outbox.inserting import insert, insert_lines, new
from edx_ace.outbox.leases import write_notes
from edx_ace.outbox.models import Count, Delivery, OnAmbiguous, Payload
from edx_ace.outbox.notes import further_notes
from edx_ace.outbox.redaction import redacted, redacted_code
from edx_ace.outbox.sources import FromSource, Referred
from edx_ace.outbox.states import Priority, State
from edx_ace.policy import in_order
from edx_ace.text import shown
from edx_ace.utils.date import as_utc
from edx_ace.validation import validate

#: Messages written at a time.
CHUNK_SIZE = 500

#: References written at a time: they are small.
REFERENCES = 2000

#: Characters of content written at a time, or one message that has more: MariaDB refuses statements of over 16 MB.
STATEMENT_SIZE = 4_000_000

_Item = Message | FromSource

Item = TypeVar("Item")


@attrs.frozen
class Enqueued:
    """
    What `enqueue` has put into the outbox.

    Attributes:
        uuid: Of the message that is in the outbox: where one was enqueued before under the same key, of that one. Of
            many messages, the first; None when there was none.

        messages: How many were written.

        known: How many were not, as they are in the outbox already: the same message, the same idempotency key, or one
            of the same send to the same person or address.
    """

    uuid: UUID | None
    messages: int
    known: int


@attrs.define
class _Entry:
    """One message on its way into the tables."""

    payload: Payload
    deliveries: list[Delivery] = attrs.field(factory=list)
    #: Why deliveries are refused.
    refusals: list[InvalidMessageError] = attrs.field(factory=list)
    #: Those of `deliveries` that nobody has yet, as `_known` last saw it.
    fresh: list[Delivery] = attrs.field(factory=list)


def enqueue(
    messages: Message | FromSource | Iterable[Message | FromSource],
    *,
    send_at: datetime | None = None,
    priority: Priority | None = None,
    idempotency_key: str | Callable[[Any], str] | None = None,
    limit_to_channels: Iterable[ChannelType | str] | None = None,
    on_ambiguous: str | None = None,
) -> Enqueued:
    """
    Put *messages* into the outbox, from which a worker delivers them; a part of the caller's transaction.

    One delivery is written for each channel type that the message could use; policies are asked when it is sent. A
    message that belongs to a send (``send_uuid``) goes to each person and to each address of that send once.

    Args:
        messages: A message, or any iterable of them, however long: it is taken a chunk at a time. A `FromSource`
            stands for a message that its source will give.

        send_at: Not before this moment; a naive one is read as UTC. None: now.

        priority: What goes first. None: ESSENTIAL for essential messages, else NORMAL.

        idempotency_key: The caller's name for the message, so that the same call made again enqueues nothing: the
            first message stays. For an iterable, a function that gives each item's.

        limit_to_channels: As for `edx_ace.send`.

        on_ambiguous: What to do when nobody knows whether a message was accepted: ``"repeat"`` hands it over again,
            ``"hold"`` leaves it as unknown. None: what its message type says (`edx_ace.MessageType.ON_AMBIGUOUS`),
            else repeat.

    Raises:
        ConfigurationError: If a message type says something about itself that it cannot mean.
        InvalidMessageError: If a message holds what cannot be sent or kept; nothing is written. An address that cannot
            be used is that error only if *messages* is one message which no other channel can take; else the
            delivery is written as failed.
        IdempotencyKeyError: If a key was used for another message.
        UnknownChannelError: If *limit_to_channels* names no channel.
        UnknownSourceError: If a source is not registered.
    """
    is_one = isinstance(messages, Message | FromSource)
    limits = limits_of(limit_to_channels)
    key_of = _key_function(idempotency_key, is_one)

    def write(chunk: Sequence[tuple[int, _Item]], common: Mapping[str, Any], using: str) -> _Written:
        entries = []
        for number, item in chunk:
            try:
                entry = _entry(item, limits, key_of, common)
                if is_one and entry.refusals and all(one.state != State.QUEUED for one in entry.deliveries):
                    raise entry.refusals[0]
            except InvalidMessageError as error:
                if not is_one:
                    error.add_note(f"It is message {number} of those to enqueue, counted from 0; none was enqueued.")
                raise
            entries.append(entry)
        return _write(entries, common["created_at"], using)

    chunks = _chunks([messages] if isinstance(messages, Message | FromSource) else messages)
    return _put(chunks, write, send_at, priority, on_ambiguous)


def enqueue_references(
    source: str,
    outline: Message,
    references: Iterable[Referred],
    *,
    priority: Priority | None = None,
    limit_to_channels: Iterable[ChannelType | str] | None = None,
    on_ambiguous: str | None = None,
) -> Enqueued:
    """
    Put many references into the outbox that say the same but for whom they go to; a part of the caller's transaction.

    As `enqueue` does with a `FromSource` for each; what they have in common is checked once.

    Args:
        source: Name of the source.

        outline: What is known of all of them: their type, send, options and when they expire.

        references: What differs, of any number: they are taken a chunk at a time.

        priority, limit_to_channels, on_ambiguous: As for `enqueue`.

    Raises:
        ConfigurationError, InvalidMessageError, UnknownChannelError, UnknownSourceError: As `enqueue` does.
    """
    limits = limits_of(limit_to_channels)
    name = sources.get(source).name
    mould: _Mould | None = None

    def write(chunk: Sequence[Referred], common: Mapping[str, Any], using: str) -> _Written:
        nonlocal mould
        mould = mould or _mould(outline, limits, common)
        contents = [payloads.dump_reference(name, one.reference) for one in chunk]
        try:
            return _write_new(mould, name, contents, chunk, using)
        except (IntegrityError, InvalidMessageError):
            # Some of it is there already, or goes nowhere.
            entries = [
                mould.entry(
                    one.uuid,
                    one.recipient,
                    one.address_over,
                    {"source": name, "content": content},
                    due_at=one.due_at,
                    batch=one.batch,
                )
                for one, content in zip(chunk, contents, strict=True)
            ]
            return _write(entries, common["created_at"], using)

    remaining = iter(references)
    chunks = iter(lambda: list(islice(remaining, REFERENCES)), [])
    return _put(chunks, write, None, priority, on_ambiguous)


@attrs.frozen
class _Written:
    """
    What became of one chunk.

    Attributes:
        uuid: Of its first message, as `Enqueued` has it.

        messages, known: As `Enqueued` has them.

        is_due: Whether something is due.
    """

    uuid: UUID
    messages: int
    known: int
    is_due: bool


def _put(
    chunks: Iterable[Sequence[Item]],
    write: Callable[[Sequence[Item], Mapping[str, Any], str], _Written],
    send_at: datetime | None,
    priority: Priority | None,
    on_ambiguous: str | None,
) -> Enqueued:
    """Write *chunks* in one transaction, with what their rows have in common."""
    using = router.db_for_write(Delivery)
    written = []
    with transaction.atomic(using):
        now = database_now(Delivery, using)
        common: dict[str, Any] = {
            "created_at": now,
            "due_at": now if send_at is None else _moment(send_at, "send_at"),
        }
        if priority is not None:
            common["priority"] = _choice(priority, Priority, "priority")
        if on_ambiguous is not None:
            common["on_ambiguous"] = _choice(on_ambiguous, OnAmbiguous, "on_ambiguous")
        written = [write(chunk, common, using) for chunk in chunks]
        if any(one.is_due for one in written):
            doorbell.ring_on_commit(using)
    return Enqueued(
        written[0].uuid if written else None, sum(one.messages for one in written), sum(one.known for one in written)
    )


def _key_function(idempotency_key: str | Callable[[Any], str] | None, is_one: bool) -> Callable[[Any], str | None]:
    if callable(idempotency_key):
        return idempotency_key
    if idempotency_key is not None and not is_one:
        raise ValueError(
            f"idempotency_key names one message, given {idempotency_key!r} for an iterable of them. Give a function "
            f"that returns the key of each, for example lambda message: f'reminder-{{message.recipient.lms_user_id}}'."
        )
    return lambda item: idempotency_key


def _choice(given: Any, choices: Any, name: str) -> Any:
    try:
        return choices(given)
    except ValueError:
        expected = ", ".join(repr(value) for value in choices.values)
        raise ValueError(f"{name} must be one of {expected}, given {given!r}.") from None


def _moment(given: Any, name: str) -> datetime:
    if not isinstance(given, datetime):
        raise TypeError(f"{name} must be a datetime, given {shown(given)} ({type(given).__name__}).")
    try:
        return as_utc(given).astimezone(UTC)
    except OverflowError:
        raise InvalidMessageError(f"{name} must lie in the years 1 to 9999 of UTC, given {given}.") from None


def _chunks(messages: Iterable[_Item]) -> Iterator[list[tuple[int, _Item]]]:
    if not isinstance(messages, Iterable) or isinstance(messages, str | bytes | Mapping):
        raise TypeError(
            f"enqueue takes a Message, a FromSource or an iterable of them, given {shown(messages)} "
            f"({type(messages).__name__})."
        )
    numbered = enumerate(messages)
    while chunk := list(islice(numbered, CHUNK_SIZE)):
        for number, item in chunk:
            if not isinstance(item, Message | FromSource):
                raise TypeError(
                    f"enqueue takes Messages and FromSources, but item {number} is {item!r} ({type(item).__name__}); "
                    f"none was enqueued."
                )
        yield chunk


def _entry(
    item: _Item,
    limits: Limits,
    key_of: Callable[[Any], str | None],
    common: Mapping[str, Any],
) -> _Entry:
    message = item.outline if isinstance(item, FromSource) else item
    mould = _mould(message, limits, common)
    if isinstance(item, FromSource):
        source = sources.get(item.source).name
        content = payloads.dump_reference(source, item.reference)
    else:
        source = ""
        content = payloads.dump(item)
    key = key_of(item)
    if key is not None:
        payloads.checked_key(key)
    said = {
        "source": source,
        "content": content,
        "idempotency_key": key,
        "fingerprint": "" if key is None else payloads.fingerprint(source, content),
    }
    recipient = message.recipient
    return mould.entry(
        message.uuid,
        people.person_key(recipient),
        lambda channel_type: people.address_key(
            channel_type, None if recipient is None else recipient.address_for(channel_type)
        ),
        said,
    )


@attrs.frozen
class _Mould:
    """
    What the rows of messages have in common that differ in whom they go to.

    Attributes:
        payload, delivery: Columns and their values.

        ways: Columns of the delivery over each channel type; those of one over which none can go say why.
    """

    payload: Mapping[str, Any]
    delivery: Mapping[str, Any]
    ways: Sequence[tuple[ChannelType, Mapping[str, Any]]]

    def entry(
        self,
        uuid: UUID,
        recipient: str | None,
        address_over: Callable[[ChannelType], str | None],
        payload: Mapping[str, Any],
        *,
        due_at: datetime | None = None,
        batch: UUID | None = None,
    ) -> _Entry:
        """
        Return the message *uuid* to one person.

        Args:
            uuid: Of the message.

            recipient: As `people.person_key` returns it.

            address_over: Returns their address over a channel type, as `people.address_key` does, or raises as that.

            payload: Further columns.

            due_at: Not before this moment. None: as all the others.

            batch: The send that it belongs to. None: that of all the others.
        """
        own: dict[str, Any] = {} if batch is None else {"batch": batch}
        entry = _Entry(new(Payload, **{**self.payload, **payload, **own, "uuid": uuid}))
        if due_at is not None:
            own["due_at"] = due_at
        for channel_type, way in self.ways:
            fields = {**self.delivery, **way, **own, "payload_id": uuid, "recipient": recipient}
            if way["state"] == State.QUEUED:
                try:
                    fields["address"] = address_over(channel_type)
                except InvalidMessageError as error:
                    fields |= _ended(State.FAILED, error, fields["created_at"])
                    entry.refusals.append(error)
            entry.deliveries.append(new(Delivery, **fields))
        return entry


def _mould(message: Any, limits: Limits, common: Mapping[str, Any]) -> _Mould:
    """Check what *message* says, but for whom it goes to, and return what becomes of it."""
    if not isinstance(message, Message):
        raise InvalidMessageError(f"The outline of a FromSource must be a Message, given {shown(message)}.")
    validate(message)
    if not isinstance(message.uuid, UUID):
        raise InvalidMessageError(f"uuid must be a UUID to be kept in the outbox, given {shown(message.uuid)}.")
    if not isinstance(message.send_uuid, UUID | None):
        raise InvalidMessageError(f"send_uuid must be a UUID or None, given {shown(message.send_uuid)}.")
    channel_types = _channel_types(limits)
    if ChannelType.EMAIL in channel_types:
        _check_email(message)
    message_type = info(message.app_label, message.name)
    essential = message_type.is_essential(message)
    expires_at = None if message.expiration_time is None else _moment(message.expiration_time, "expiration_time")
    delivery = {
        # What the message's type says, unless the caller says otherwise.
        "priority": Priority.ESSENTIAL if essential else Priority.NORMAL,
        "on_ambiguous": OnAmbiguous.of(message_type),
        **common,
        "batch": message.send_uuid,
        "category": categories.of(message),
        "scope": people.shortened(categories.scope_of(message)),
        "is_essential": essential,
        "expires_at": expires_at,
    }
    payload = {"created_at": common["created_at"], **payloads.about(message)}
    return _Mould(payload, delivery, [(one, _way(message, one, limits, common)) for one in channel_types])


def _channel_types(limits: Limits) -> list[ChannelType]:
    registered = channels.channels().channel_type_to_channel_impl
    found = in_order(limits or [channel_type for channel_type, channels_of in registered.items() if channels_of])
    if not found:
        raise UnsupportedChannelError(
            "There is no channel over which a message could go. Name one in ACE_ENABLED_CHANNELS."
        )
    return found


def _way(message: Message, channel_type: ChannelType, limits: Limits, common: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the delivery of *message* over *channel_type* says of its channel."""
    named = limits.get(channel_type)
    way = {
        "channel_type": str(channel_type),
        "limited_to": ",".join(name_of(channel) for channel in named or ()),
        "state": State.QUEUED,
    }
    try:
        if named == [] or not channels.channels().channel_type_to_channel_impl.get(channel_type):
            raise UnsupportedChannelError(f"No channel for {channel_type} that this message may use is enabled.")
        channel = choose(named, message) if named else get_channel_for_message(channel_type, message)
        return {**way, "channel": name_of(channel)}
    except UnsupportedChannelError as error:
        return {**way, **_ended(State.SKIPPED, error, common["created_at"])}


def _ended(state: State, error: AceError, at: datetime) -> dict[str, Any]:
    """Return the columns of a delivery that ends in *state*, as *error* says, when it is enqueued."""
    return {"state": state, "code": redacted_code(error.code), "reason": redacted(error), "finished_at": at}


def _check_email(message: Message) -> None:
    """Check what the email channel would refuse, as far as it needs no rendering."""
    options = message.options
    mailbox.check_headers(message.headers or {})
    mailbox.check_headers(options.get("headers") or {})
    for name in ("reply_to", "cc", "bcc"):
        mailbox.parse_mailboxes(options.get(name), f"address in options[{name!r}]", smtputf8=True)
    if options.get("from_address"):
        mailbox.parse_mailbox(options["from_address"], "sender's address", smtputf8=True)
    mailbox.check_attachments(options.get("attachments") or (), settings.EMAIL_MAX_ATTACHMENT_BYTES)


def _write_new(mould: _Mould, source: str, contents: Sequence[str], chunk: Sequence[Referred], using: str) -> _Written:
    """
    Write *chunk*, with the *contents* of its payloads, of which nothing may be there.

    Raises:
        IntegrityError: If something is.
        InvalidMessageError: If somebody has no address.
    """
    due_at = mould.delivery["due_at"]
    uuids = [one.uuid for one in chunk]
    batches = [one.batch or mould.delivery["batch"] for one in chunk]
    with transaction.atomic(using):
        payload = {**mould.payload, "source": source}
        lines = list(zip(uuids, contents, batches, strict=True))
        insert_lines(Payload, payload, ("uuid", "content", "batch"), lines, using)
        for channel_type, way in mould.ways:
            is_queued = way["state"] == State.QUEUED
            insert_lines(
                Delivery,
                {**mould.delivery, **way},
                ("payload_id", "recipient", "address", "due_at", "batch"),
                [
                    (
                        one.uuid,
                        one.recipient,
                        one.address_over(channel_type) if is_queued else None,
                        one.due_at or due_at,
                        batch,
                    )
                    for one, batch in zip(chunk, batches, strict=True)
                ],
                using,
            )
            Count.objects.using(using).bulk_create(
                Count(batch=batch, from_state="", to_state=way["state"], number=number)
                for batch, number in Counter(batches).items()
                if batch is not None
            )
            if notes := further_notes("", way["state"]):
                write_notes(Delivery.at([(uuid, str(channel_type)) for uuid in uuids], using), notes, using)
    now = mould.delivery["created_at"]
    return _Written(uuids[0], len(uuids), 0, any((one.due_at or due_at) <= now for one in chunk))


def _write(entries: Sequence[_Entry], now: datetime, using: str) -> _Written:
    """Write *entries* but for those that are there already."""
    known_as = _known(entries, using)
    try:
        _insert([entry for entry, uuid in zip(entries, known_as, strict=True) if uuid is None], using)
    except IntegrityError:
        # Somebody enqueued some of it a moment ago.
        known_as = [_write_one(entry, using) for entry in entries]
    fresh = [entry for entry, uuid in zip(entries, known_as, strict=True) if uuid is None]
    is_due = any(one.due_at <= now for entry in fresh for one in entry.deliveries)
    return _Written(known_as[0] or entries[0].payload.uuid, len(fresh), len(entries) - len(fresh), is_due)


def _write_one(entry: _Entry, using: str) -> UUID | None:
    for is_last in (False, True):
        [known_as] = _known([entry], using)
        if known_as is not None:
            return known_as
        try:
            _insert([entry], using)
        except IntegrityError:
            if is_last:
                raise
        else:
            break
    return None


def _insert(entries: Sequence[_Entry], using: str) -> None:
    deliveries = [delivery for entry in entries for delivery in entry.fresh]
    with transaction.atomic(using):
        for part in _parts([entry.payload for entry in entries]):
            insert(part, using)
        insert(deliveries, using)
        for state in (State.QUEUED, State.FAILED, State.SKIPPED):
            Delivery.moved([delivery for delivery in deliveries if delivery.state == state], "", state, using)


def _parts(payloads: Iterable[Payload]) -> Iterator[list[Payload]]:
    """Yield *payloads* in lists, each for one statement that is not too long."""
    part: list[Payload] = []
    size = 0
    for payload in payloads:
        if part and size + len(payload.content) > STATEMENT_SIZE:
            yield part
            part, size = [], 0
        part.append(payload)
        size += len(payload.content)
    if part:
        yield part


def _known(entries: Sequence[_Entry], using: str) -> list[UUID | None]:
    """
    Return as which message each of *entries* is known, or None, and note which of its deliveries nobody has yet.

    Raises:
        IdempotencyKeyError: If a key was used for another message.
    """
    uuids = {entry.payload.uuid for entry in entries}
    keys = {entry.payload.idempotency_key for entry in entries if entry.payload.idempotency_key is not None}
    there = Q(pk__in=uuids) | Q(idempotency_key__in=keys) if keys else Q(pk__in=uuids)
    stored = list(Payload.objects.using(using).filter(there).only("uuid", "idempotency_key", "fingerprint"))
    by_uuid = {payload.uuid: payload for payload in stored}
    by_key = {payload.idempotency_key: payload for payload in stored if payload.idempotency_key is not None}
    taken = _taken(entries, using)
    known_as: list[UUID | None] = []
    for entry in entries:
        payload = entry.payload
        first = by_uuid.get(payload.uuid)
        if payload.idempotency_key is not None:
            first = first or by_key.get(payload.idempotency_key)
            if first is not None and first.fingerprint not in ("", payload.fingerprint):
                raise IdempotencyKeyError(
                    f"The idempotency key {payload.idempotency_key!r} was used for another message, {first.uuid}. Use "
                    f"another key for another message, or give the message the same content as before."
                )
            by_key.setdefault(payload.idempotency_key, payload)
        if first is not None:
            known_as.append(first.uuid)
            continue
        by_uuid[payload.uuid] = payload
        holders = [_holder(delivery, taken) for delivery in entry.deliveries]
        entry.fresh = [one for one, holder in zip(entry.deliveries, holders, strict=True) if holder is None]
        known_as.append(None if entry.fresh else next(holder for holder in holders if holder is not None))
    return known_as


def _taken(entries: Sequence[_Entry], using: str) -> dict[tuple[Any, ...], UUID]:
    """Return which message each person and address of the batches of *entries* has already, by channel type."""
    deliveries = [one for entry in entries for one in entry.deliveries if one.batch is not None]
    if not deliveries:
        return {}
    people = {one.recipient for one in deliveries if one.recipient is not None}
    addresses = {one.address for one in deliveries if one.address is not None}
    rows = (
        Delivery.objects.using(using)
        .filter(Q(recipient__in=people) | Q(address__in=addresses), batch__in={one.batch for one in deliveries})
        .only("batch", "recipient", "address", "channel_type", "payload_id")
    )
    return {place: row.payload_id for row in rows for place in _places(row)}


def _holder(delivery: Delivery, taken: dict[tuple[Any, ...], UUID]) -> UUID | None:
    """Return the message that has the place of *delivery* in its batch; when there is none it takes the place."""
    places = _places(delivery)
    holder = next((taken[place] for place in places if place in taken), None)
    if holder is None:
        taken.update(dict.fromkeys(places, delivery.payload_id))
    return holder


def _places(delivery: Delivery) -> list[tuple[Any, ...]]:
    if delivery.batch is None:
        return []
    return [
        (delivery.batch, kind, value, delivery.channel_type)
        for kind, value in (("recipient", delivery.recipient), ("address", delivery.address))
        if value is not None
    ]
