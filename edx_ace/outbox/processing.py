"""
Internal: what a worker does with the deliveries of one claim, from loading them to recording what came of them.

load → policies → channel, rendering, content steps → window by window: permit, hand-over, record. No transaction is
open while policies are asked, templates rendered or messages handed over.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
from django.db import IntegrityError, InterfaceError, OperationalError, connections, router
from django.db.models import Q, Value
from django.db.models.functions import Greatest

import edx_ace.channel as channels
from edx_ace import content, deadline, delivery, envelope, policy, presentation
from edx_ace.channel import Channel, ChannelType, get_channel_for_message
from edx_ace.channel.registry import choose, name_of
from edx_ace.envelope import Parcel
from edx_ace.errors import AceError, InvalidMessageError
from edx_ace.message import Message
from edx_ace.message_types import is_essential
from edx_ace.outbox import breakers, leases, loading, outcomes, people, rates, retries, sources
from edx_ace.outbox.clock import FIRST_MOMENT, LAST_MOMENT, DatabaseNow, from_now
from edx_ace.outbox.conf import settings
from edx_ace.outbox.errors import SourceError
from edx_ace.outbox.guards import guards
from edx_ace.outbox.models import Circuit, Delivery
from edx_ace.outbox.operations import end_stopped_parts
from edx_ace.outbox.payloads import load_reference
from edx_ace.outbox.redaction import redacted, redacted_code
from edx_ace.outbox.sources import Source
from edx_ace.outbox.states import OPEN, Priority, State
from edx_ace.report import Attempt, Outcome, Skipped, code_of, reason_of

LOG = logging.getLogger(__name__)

#: Errors of the database: they say nothing about a message, and are the worker's to deal with.
DATABASE_ERRORS = (OperationalError, InterfaceError)

#: After what time a delivery is tried again that waits because of a guard.
GUARDED_WAIT = timedelta(minutes=1)

#: How often a transaction that lost to another (a deadlock, a serialization failure) is tried.
_TRIES = 3


@attrs.define
class _Item:
    """One delivery on its way, with what is known of it so far."""

    row: Delivery
    message: Message
    parcel: Parcel

    @property
    def channel(self) -> Channel:
        return self.parcel.channel


def process(rows: Sequence[Delivery], should_stop: Callable[[], bool] = lambda: False) -> Counter[str]:
    """
    Deliver claimed *rows* and return how many came to which state; what is left when *should_stop* is given back.
    """
    return _Round(should_stop).run(rows)


class _Round:
    """The deliveries of one claim."""

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self.should_stop = should_stop
        self.lease = timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)
        self.began = self.renewed = time.monotonic()
        self.results: Counter[str] = Counter()
        #: What is ready and has no permit yet.
        self.left: list[_Item] = []
        #: Channels that are to be tried with one message, as long as nothing was handed over to them.
        self.probed: set[str] = set()
        #: Keys of what got its permit.
        self.handed_over: set[int] = set()
        #: What the deliveries are of, by the key of the payload.
        self.from_sources: dict[UUID, loading.Stored] = {}
        self.sent = outcomes.acceptance()
        self._permissions: dict[bool, leases.Transition[Delivery]] = {}

    def run(self, rows: Sequence[Delivery]) -> Counter[str]:
        self.probed = {row.channel for row in rows if row.is_probe}
        self.left = self._sort_out(self._render(self._ask_policies(self._load(self._unexpired(rows)))))
        while self.left:
            if self.should_stop():
                leases.release([item.row for item in self.left])
                break
            window = _next_window(self.left)
            self.left = self.left[len(window) :]
            self._hand_over(window)
        for name in self.probed:
            breakers.abandon_probe(name)
        unused = (row for row in rows if row.pk not in self.handed_over)
        rates.give_back_unused(unused, time.monotonic() - self.began)
        return self.results

    def _unexpired(self, rows: Sequence[Delivery]) -> list[Delivery]:
        expired: list[Delivery] = []
        rest: list[Delivery] = []
        for row in rows:
            assert row.lease_until is not None
            # What time it was for the database when it gave the lease.
            claimed_at = row.lease_until - self.lease
            (expired if row.expires_at is not None and row.expires_at <= claimed_at else rest).append(row)
        self._end(expired, State.CLAIMED, State.EXPIRED, "expired", EXPIRED)
        return rest

    def _load(self, rows: Sequence[Delivery]) -> list[tuple[Delivery, Message]]:
        stored = loading.stored({row.payload_id for row in rows})
        self.from_sources = {payload.uuid: payload for payload in stored if payload.source}
        messages = loading.load(stored, self._may_split)
        loaded = []
        skipped = defaultdict(list)
        for row in rows:
            match messages[row.payload_id]:
                case Message() as message:
                    if row.payload_id not in self.from_sources or self._fits(row, message):
                        loaded.append((row, message))
                case Skipped(code=code, reason=reason):
                    skipped[code, reason].append(row)
                case SourceError() as error:
                    self._put_off(row, error.code, str(error))
                case Exception() as error:
                    self._fail(row, error)
        self._skip(skipped)
        return loaded

    def _may_split(self) -> bool:
        """Return whether a source that failed for many may be asked for fewer, while others wait."""
        return not self.should_stop() and time.monotonic() - self.renewed < self.lease.total_seconds() / 3

    def _fits(self, row: Delivery, message: Message) -> bool:
        """
        Let *message*, which its source gave, be the one that was enqueued, and return whether it still can be.

        Permits, guards and unique keys go by the row: it says when the message expires and to whom it goes, and has to
        know the address that the person has by now.
        """
        message.send_uuid, message.expiration_time = row.batch, row.expires_at
        person = people.person_key(message.recipient)
        # The row may be older than the latest key.
        if person != row.recipient and (person is None or person != people.rehashed(row.recipient or "")):
            wrong = "The source gave a message to another person than the one it was enqueued for."
            self._put_off(row, "bad_source", wrong)
            return False
        channel_type = ChannelType(row.channel_type)
        address = None if message.recipient is None else message.recipient.address_for(channel_type)
        try:
            key = people.address_key(channel_type, address)
        except InvalidMessageError as error:
            self._fail(row, error)
            return False
        if key == row.address:
            return True
        try:
            return bool(_until_it_holds(lambda: leases.renew([row], self.lease, address=key)))
        except IntegrityError:
            taken = "Another message of the send goes to the address that the person has by now."
            self._end([row], State.CLAIMED, State.SKIPPED, "same_address", taken)
            return False

    def _ask_policies(self, loaded: Sequence[tuple[Delivery, Message]]) -> list[tuple[Delivery, Message]]:
        messages = {row.payload_id: message for row, message in loaded}
        waited: dict[UUID, dict[ChannelType, str]] = {key: {} for key in messages}
        for row, _ in loaded:
            waited[row.payload_id][ChannelType(row.channel_type)] = row.code
        answers = policy.channels_for_many(list(messages.values()), list(waited.values()))
        verdicts = dict(zip(messages, answers, strict=True))
        allowed = []
        skipped, deferred = defaultdict(list), defaultdict(list)
        for row, message in loaded:
            against = policy.obstacle(verdicts[row.payload_id], ChannelType(row.channel_type))
            if against is None:
                allowed.append((row, message))
            elif against.outcome is Outcome.SKIPPED:
                skipped[against.code, against.reason].append(row)
            elif against.outcome is Outcome.DEFERRED:
                assert against.until is not None
                deferred[against.code, against.reason, against.until].append(row)
            else:
                # A policy may have failed because of what it asks, which may be back in a moment.
                self._put_off(row, against.code, against.reason)
        self._skip(skipped)
        for (code, reason, until), group in deferred.items():
            until = max(FIRST_MOMENT, min(until, LAST_MOMENT))
            due_at = Greatest(Value(until), from_now(retries.SHORTEST_WAIT))
            self._move(group, State.CLAIMED, State.QUEUED, code, reason, due_at=due_at, claims=0)
        return allowed

    def _render(self, loaded: Sequence[tuple[Delivery, Message]]) -> list[_Item]:
        items = []
        with presentation.lookups_shared_in({}):
            for row, message in loaded:
                try:
                    items.append(_Item(row, message, _parcel(row, message)))
                except DATABASE_ERRORS:
                    raise
                except Exception as error:
                    self._fail(row, error)
        self._let_keep(items)
        ready = []
        for item, changed in zip(items, content.apply([item.parcel for item in items]), strict=True):
            if isinstance(changed, Exception):
                self._fail(item.row, changed)
            else:
                item.parcel = changed
                ready.append(item)
        return ready

    def _let_keep(self, items: Sequence[_Item]) -> None:
        """Give sources what was rendered of their messages."""
        rendered: dict[Source, list[tuple[Any, Parcel]]] = defaultdict(list)
        for item in items:
            payload = self.from_sources.get(item.row.payload_id)
            if payload is not None and (source := sources.get(payload.source)).keep is not None:
                rendered[source].append((load_reference(payload.content), item.parcel))
        for source, parcels in rendered.items():
            assert source.keep is not None
            try:
                source.keep(parcels)
            except DATABASE_ERRORS:
                raise
            except Exception:
                LOG.exception("The source %s could not keep what was rendered; it is sent.", source.name)

    def _sort_out(self, items: Sequence[_Item]) -> list[_Item]:
        """Give back what was claimed for another channel than it goes over, to wait there; return the rest."""
        others: dict[str, list[Delivery]] = defaultdict(list)
        rest = []
        for item in items:
            name = name_of(item.channel)
            if item.row.channel == name:
                rest.append(item)
            else:
                others[name].append(item.row)
        for name, rows in others.items():
            leases.release(rows, channel=name)
        return rest

    def _hand_over(self, window: Sequence[_Item]) -> None:
        self._renew_if_due(window)
        rows = [item.row for item in window]
        name, is_probe = rows[0].channel, rows[0].is_probe
        try:
            permit = self._permission(is_probe)
            given = _until_it_holds(lambda: permit(rows), lambda: leases.standing(rows, State.HANDING))
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            # Nothing goes that a guard may forbid.
            LOG.exception("The guards could not be asked about %d deliveries.", len(rows))
            reason = f"The guards could not be asked: {type(error).__name__}; see the log."
            for row in rows:
                self._put_off(row, "guard_error", reason)
            return
        permitted = {row.pk for row in given}
        self._explain_refusals([row for row in rows if row.pk not in permitted])
        items = [item for item in window if item.row.pk in permitted]
        if not items:
            return
        self.probed.discard(name)
        self.handed_over |= permitted
        attempts = []
        with deadline.within(settings.OUTBOX_HANDOVER_SECONDS):
            for attempt in delivery.attempt_many(items[0].channel, [item.parcel for item in items]):
                attempts.append(attempt)
                self._renew_if_due(items)
        results = list(zip(items, attempts, strict=True))
        came = [(item.row, attempt) for item, attempt in results]
        told = {item.row.pk: item.message for item in items}
        recorded = _until_it_holds(
            lambda: outcomes.record(came, told, self.sent), lambda: outcomes.landed([row for row, _ in came])
        )
        self.results.update(row.state for row in recorded)
        if failed := [row for row in recorded if row.state == State.FAILED]:
            end_stopped_parts(failed)
        keys = {row.pk for row in recorded}
        for item, attempt in results:
            if item.row.pk in keys:
                _tell(item, attempt)
        breakers.observe(items[0].channel, name, attempts, is_probe=is_probe)

    def _permission(self, is_probe: bool) -> leases.Transition[Delivery]:
        """Return what gives the permits of this round, or of a probe, which goes over an open circuit."""
        if is_probe not in self._permissions:
            open_circuit = Q() if is_probe else Q(channel__in=Circuit.objects.values("channel"))
            self._permissions[is_probe] = leases.permission(Delivery, self.lease, _forbidden() | open_circuit)
        return self._permissions[is_probe]

    def _explain_refusals(self, rows: Sequence[Delivery]) -> None:
        """Move on what got no permit; what was cancelled, or is another worker's by now, stays as it is."""
        rest = [row for row in rows if row.state == State.CLAIMED]
        expired = Q(expires_at__lte=DatabaseNow())
        self._end(rest, State.CLAIMED, State.EXPIRED, "expired", EXPIRED, only=expired)
        for guard in guards():
            rest = [row for row in rest if row.state == State.CLAIMED]
            if guard.waits:
                wait: dict[str, Any] = {"due_at": from_now(GUARDED_WAIT), "claims": 0}
                arrow = State.CLAIMED, State.QUEUED, guard.code, guard.reason
                self._move(rest, *arrow, only=guard.forbids(), **wait)
            else:
                self._end(rest, State.CLAIMED, State.SKIPPED, guard.code, guard.reason, only=guard.forbids())
        rest = [row for row in rest if row.state == State.CLAIMED]
        if rest:
            rest = self._put_back_held(rest)
        if rest:
            # What a guard forbade a moment ago and does not any more.
            leases.release(rest, due_at=from_now(retries.SHORTEST_WAIT))

    def _put_back_held(self, rows: Sequence[Delivery]) -> list[Delivery]:
        """Give back those of *rows* whose circuit is open, and what is left for their channels; return the others."""
        names = set(Circuit.objects.filter(pk__in={row.channel for row in rows}).values_list("pk", flat=True))
        held = [row for row in rows if row.channel in names]
        held += [item.row for item in self.left if item.row.channel in names]
        self.left = [item for item in self.left if item.row.channel not in names]
        if held:
            # In its place: nobody claims it until the circuit is closed.
            leases.release(held)
        return [row for row in rows if row.channel not in names]

    def _put_off(self, row: Delivery, code: str, reason: str) -> None:
        """Try *row*, which could not be prepared for a reason that may pass, again until its attempts are spent."""
        if row.attempts + 1 >= settings.OUTBOX_MAX_ATTEMPTS:
            self._end([row], State.CLAIMED, State.FAILED, code, reason)
        else:
            due_at = from_now(retries.wait_before_next(row.attempts + 1))
            changes: dict[str, Any] = {"due_at": due_at, "claims": 0, "attempts": row.attempts + 1}
            self._move([row], State.CLAIMED, State.QUEUED, code, reason, **changes)

    def _skip(self, rows: Mapping[tuple[str, str], Sequence[Delivery]]) -> None:
        """End *rows*, which were not handed over, by code and reason: many of a claim have the same."""
        for (code, reason), group in rows.items():
            self._end(group, State.CLAIMED, State.SKIPPED, code, reason)

    def _fail(self, row: Delivery, error: Exception) -> None:
        if not isinstance(error, AceError):
            LOG.error("Delivery %s cannot be prepared.", row.pk, exc_info=error)
        self._end([row], State.CLAIMED, State.FAILED, code_of(error), reason_of(error))

    def _end(self, rows: Sequence[Delivery], *arrow: str, only: Q | None = None) -> None:
        """Move *rows* to a state in which nothing is left to do."""
        from_state, to_state, code, reason = arrow
        for state, group in _by_end(rows, to_state):
            self._move(group, from_state, state, code, reason, only=only, finished_at=DatabaseNow())

    def _move(
        self,
        rows: Sequence[Delivery],
        from_state: str,
        to_state: str,
        code: str,
        reason: str,
        *,
        only: Q | None = None,
        **changes: Any,
    ) -> None:
        changes = {"code": redacted_code(code), "reason": redacted(reason), **changes}
        moved = _until_it_holds(
            lambda: leases.move(rows, from_state, to_state, only=only, **changes),
            lambda: leases.standing(rows, to_state),
        )
        self.results.update(row.state for row in moved)
        level = logging.WARNING if to_state in (State.FAILED, State.UNKNOWN) else logging.INFO
        for row in moved:
            LOG.log(level, "Delivery %s of message %s: %s (%s)", row.pk, row.payload_id, row.state, code)

    def _renew_if_due(self, window: Sequence[_Item]) -> None:
        """Renew the lease of everything that is not done with when a third of it is over: there is progress."""
        if time.monotonic() - self.renewed < self.lease.total_seconds() / 3:
            return
        self.renewed = time.monotonic()
        try:
            held = {row.pk for row in leases.renew([item.row for item in (*window, *self.left)], self.lease)}
        except DATABASE_ERRORS as error:
            # What comes of the window must be recorded all the same; permits are not given without a lease.
            LOG.warning("Leases could not be renewed: %s", type(error).__name__)
        else:
            self.left = [item for item in self.left if item.row.pk in held]


#: Why a delivery is expired.
EXPIRED = "The message expired before it could be handed over."


def _parcel(row: Delivery, message: Message) -> Parcel:
    channel_type = ChannelType(row.channel_type)
    if row.limited_to:
        registered = channels.channels().channel_type_to_channel_impl.get(channel_type, {})
        channel = choose([registered[name] for name in row.limited_to.split(",") if name in registered], message)
    else:
        channel = get_channel_for_message(channel_type, message)
    rendered = presentation.render(channel, message)
    sealed = envelope.seal(message, channel_type)
    if row.priority == Priority.BULK and channel_type is ChannelType.EMAIL:
        # Keeps vacation notices from answering those that do not know Auto-Submitted.
        sealed = sealed.with_headers({"Precedence": "bulk"})
    return Parcel(message, channel, rendered, sealed)


def _next_window(items: Sequence[_Item]) -> list[_Item]:
    """Return the first of *items* that may share a permit: over one channel, and none of them essential."""
    first = items[0]
    if is_essential(first.message):
        return [first]
    window = []
    for item in items[: settings.OUTBOX_WINDOW]:
        if item.channel is not first.channel or is_essential(item.message):
            break
        window.append(item)
    return window


def _forbidden() -> Q:
    """Return what matches the deliveries that must not be handed over now."""
    forbidden = Q(expires_at__isnull=False, expires_at__lte=DatabaseNow())
    for guard in guards():
        forbidden |= guard.forbids()
    return forbidden


def _tell(item: _Item, attempt: Attempt) -> None:
    """Tell the site what came of a hand-over, now that it is recorded."""
    row = item.row
    if attempt.outcome is Outcome.SENT:
        try:
            delivery.tell_sent(item.channel, item.message)
        except Exception:
            LOG.exception("What the site does about a message that was sent failed; it was sent.")
    elif row.state not in OPEN:
        LOG.warning("Delivery %s of message %s: %s (%s)", row.pk, row.payload_id, row.state, attempt.code)


def _by_end(rows: Sequence[Delivery], to_state: str) -> Iterator[tuple[str, list[Delivery]]]:
    for state in (to_state, State.UNKNOWN):
        group = [row for row in rows if row.ending(to_state) == state]
        if group:
            yield state, group


def _until_it_holds(
    transact: Callable[[], list[Delivery]], done: Callable[[], list[Delivery]] = list
) -> list[Delivery]:
    """
    Return what *transact* returns, which is called again when it loses to another transaction.

    When the connection breaks, nobody knows whether it was committed: *done* returns the rows for which it was.
    """
    for _ in range(_TRIES - 1):
        try:
            return transact()
        except OperationalError as error:
            LOG.info("A transaction lost to another or its connection, and is tried again: %s", type(error).__name__)
            connections[router.db_for_write(Delivery)].close_if_unusable_or_obsolete()
        with suppress(OperationalError):
            if found := done():
                return found
    return transact()
