"""
Internal: the tables of the outbox. `edx_ace.outbox` has the functions that write them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from edx_ace.errors import ConfigurationError
from edx_ace.message_types import MessageTypeInfo
from edx_ace.outbox.fields import KeyField
from edx_ace.outbox.indexes import PartialIndex
from edx_ace.outbox.leases import Leased, Note, write_notes
from edx_ace.outbox.notes import further_notes
from edx_ace.outbox.sources import MAX_NAME_LENGTH
from edx_ace.outbox.states import ARROWS, Priority, State


class Payload(models.Model):
    """One message as it was enqueued."""

    #: The uuid of the message, so that its Message-ID stays the same however often it is sent.
    uuid = models.UUIDField(_("message"), primary_key=True)
    #: Name of the source that gives the message; empty: the content is the message itself.
    source = models.CharField(_("source"), max_length=MAX_NAME_LENGTH, blank=True)
    #: ``app_label.name`` of its type.
    message_type = KeyField(_("message type"), max_length=255, blank=True)
    #: The send it belongs to (the message's send_uuid): what all deliveries of a send are found by.
    batch = models.UUIDField(_("batch"), null=True)
    #: JSON as `edx_ace.outbox.payloads` writes it: the message, or the reference by which its source finds it.
    content = models.TextField(_("content"))
    #: The caller's name for it: the same name is enqueued once.
    idempotency_key = KeyField(_("idempotency key"), max_length=255, null=True, unique=True)
    #: SHA-256 of what was enqueued under the key, in hexadecimal, to tell the same message from another.
    fingerprint = models.CharField(_("fingerprint"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("payload")
        verbose_name_plural = _("payloads")
        # Here and not on deliveries, whose every index is written anew with each step that one of them takes.
        indexes: ClassVar = [models.Index(fields=["batch"], name="ace_outbox_batch")]

    def __str__(self) -> str:
        return str(self.pk)


class OnAmbiguous(models.TextChoices):
    """What becomes of a delivery that may or may not have been accepted."""

    #: Hand it over again: it may arrive twice.
    REPEAT = "repeat", _("repeat")
    #: Leave it as unknown: it may not arrive.
    HOLD = "hold", _("hold")

    @classmethod
    def of(cls, message_type: MessageTypeInfo) -> OnAmbiguous:
        """
        Return what *message_type* says: repeat, unless it says otherwise.

        Raises:
            ConfigurationError: If it says something else.
        """
        said = message_type.on_ambiguous
        try:
            return cls.REPEAT if said is None else cls(said)
        except ValueError:
            raise ConfigurationError(
                f"The message type {message_type.unique_name} must say 'repeat', 'hold' or None as its ON_AMBIGUOUS, "
                f"or as on_ambiguous in ACE_MESSAGE_TYPES, given {said!r}."
            ) from None


class Delivery(Leased):
    """One message over one channel type."""

    WAITING = State.QUEUED
    CLAIMED = State.CLAIMED
    PERMITTED = State.HANDING
    ARROWS = ARROWS
    UNREAD = frozenset(["due_at", "created_at", "finished_at", "reason", "provider_id", "folded_into"])

    payload = models.ForeignKey(Payload, models.CASCADE, related_name="deliveries", verbose_name=_("payload"))
    #: The send it belongs to (the message's send_uuid): one message for each person and address.
    batch = models.UUIDField(_("batch"), null=True)
    #: Who it goes to: see `edx_ace.outbox.people.person_key`.
    recipient = KeyField(_("recipient"), max_length=255, null=True)
    #: Where it goes: see `edx_ace.outbox.people.address_key`.
    address = KeyField(_("address"), max_length=255, null=True)
    #: Name of what it is about: see `edx_ace.categories`. Empty: it is essential and belongs to none.
    category = KeyField(_("category"), max_length=100, blank=True)
    #: What it belongs to (a course, a project), as its option ``scope`` says.
    scope = KeyField(_("scope"), max_length=255, blank=True)
    #: Whether choices, caps and quiet hours do not apply.
    is_essential = models.BooleanField(_("is essential"), default=False)
    channel_type = models.CharField(_("channel type"), max_length=20)
    #: Name of the channel that it waits for. What a worker finds it goes over counts, and is written here.
    channel = KeyField(_("channel"), max_length=100, blank=True)
    #: Names of the channels to choose from, with commas between; empty: as settings say.
    limited_to = models.CharField(_("limited to"), max_length=255, blank=True)
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.QUEUED)
    #: The higher one goes first.
    priority = models.SmallIntegerField(_("priority"), choices=Priority, default=Priority.NORMAL)
    #: Not to be handed over after this moment.
    expires_at = models.DateTimeField(_("expires at"), null=True)
    on_ambiguous = models.CharField(_("when ambiguous"), max_length=6, choices=OnAmbiguous)
    #: Whether somebody wanted to stop it while it was being handed over: it is not tried again.
    is_stopped = models.BooleanField(_("is stopped"), default=False)
    #: Whether it was handed over once without a clear refusal.
    may_have_arrived = models.BooleanField(_("may have arrived"), default=False)
    #: How much of the retry budget is spent: throttling and a channel that is down spend nothing.
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    #: How many of these ended so that nobody knows whether it was accepted.
    ambiguous_attempts = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    #: Why it is in its state: short and stable.
    code = models.CharField(_("code"), max_length=64, blank=True)
    #: The same as a sentence for people.
    reason = models.TextField(_("reason"), blank=True)
    #: The digest that it became part of: the uuid of that message.
    folded_into = models.UUIDField(_("folded into"), null=True)
    #: The provider's id for it.
    provider_id = models.CharField(_("provider's id"), max_length=255, blank=True)
    created_at = models.DateTimeField(_("created at"))
    #: When it reached a state in which nothing is left to do.
    finished_at = models.DateTimeField(_("finished at"), null=True)

    #: Whether it was claimed to find out if its channel can be used again; not kept.
    is_probe = False

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        permissions: ClassVar = [("view_recipient", "Can see who a message goes to")]
        constraints: ClassVar = [
            # Person and address come first, so that what went to one is found.
            models.UniqueConstraint(fields=["recipient", "batch", "channel_type"], name="ace_outbox_once_a_person"),
            models.UniqueConstraint(fields=["address", "batch", "channel_type"], name="ace_outbox_once_an_address"),
        ]
        indexes: ClassVar = [
            PartialIndex(
                # Channel by channel, so that nobody has to walk past what waits for one that cannot be used.
                fields=["channel", "priority", "due_at"],
                where=models.Q(state=State.QUEUED.value),
                otherwise=["state", "channel", "priority", "due_at"],
                name="ace_outbox_due",
            ),
            PartialIndex(
                fields=["lease_until"],
                where=models.Q(lease_until__isnull=False),
                otherwise=["lease_until"],
                name="ace_outbox_leased",
            ),
            PartialIndex(
                fields=["expires_at"],
                where=models.Q(state=State.QUEUED.value, expires_at__isnull=False),
                otherwise=["state", "expires_at"],
                name="ace_outbox_expiring",
            ),
            PartialIndex(
                # Figures of the last minutes and purging: the latest, or the oldest, that ended in a state.
                fields=["state", "finished_at"],
                where=models.Q(finished_at__isnull=False),
                otherwise=["state", "finished_at"],
                name="ace_outbox_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payload_id} ({self.channel_type})"

    def ending(self, state: str) -> str:
        """Return the state to end in instead of *state*, which must not hide that the message may have arrived."""
        hiding = (State.SKIPPED, State.CANCELLED, State.EXPIRED, State.FOLDED)
        return State.UNKNOWN if self.may_have_arrived and state in hiding else state

    @classmethod
    def in_batch(cls, batch: UUID) -> models.Q:
        """Return what matches the deliveries of *batch*; a recorded repeat of a message is none of them."""
        return models.Q(payload__in=Payload.objects.filter(batch=batch), batch=batch)

    @classmethod
    def notes(cls, from_state: str, to_state: str) -> list[Note]:
        """Append to the counts of each batch, and let other sub-apps do the like."""
        return [Note(_COUNT, (str(from_state), str(to_state))), *further_notes(from_state, to_state)]

    @classmethod
    def moved(cls, rows: Sequence[Any], from_state: str, to_state: str, using: str) -> None:
        """
        Write the same about *rows* that went from one state to another where no lease is involved.

        Those that were just inserted may not know their keys.
        """
        numbers = Counter(row.batch for row in rows if row.batch is not None)
        Count.objects.using(using).bulk_create(
            Count(batch=batch, from_state=from_state, to_state=to_state, number=number)
            for batch, number in numbers.items()
        )
        if notes := further_notes(from_state, to_state):
            unknown = [(row.payload_id, row.channel_type) for row in rows if row.pk is None]
            known = [row for row in rows if row.pk is not None]
            write_notes([*known, *cls.at(unknown, using)], notes, using)

    @classmethod
    def at(cls, places: Sequence[tuple[UUID, str]], using: str) -> list[Delivery]:
        """Return the keys of the deliveries of these payloads over these channel types, one for each."""
        rows = cls.objects.using(using).filter(payload__in={payload for payload, _ in places})
        wanted = set(places)
        return [row for row in rows.only("payload_id", "channel_type") if (row.payload_id, row.channel_type) in wanted]


#: One count for each batch, with the two states as parameters.
_COUNT = (
    "INSERT INTO ace_outbox_count (batch, from_state, to_state, number, is_sum) "
    "SELECT batch, %s, %s, COUNT(*), FALSE FROM {moved} WHERE batch IS NOT NULL GROUP BY batch"
)

#: One attempt for each, at the end of which it was sent.
SENT_ATTEMPT = Note(
    "INSERT INTO ace_outbox_attempt (delivery_id, at, outcome, code, reply) "
    "SELECT id, finished_at, 'sent', '', '' FROM {moved}"
)


class Doorbell(models.Model):
    """Whether Celery's workers know that something is due; one row. See `edx_ace.outbox.doorbell`."""

    #: When a drain was asked for; None once it has begun.
    rung_at = models.DateTimeField(_("rung at"), null=True)
    #: Until when somebody who drains can be relied on to look once more.
    attended_until = models.DateTimeField(_("attended until"), null=True)

    class Meta:
        verbose_name = _("doorbell")
        verbose_name_plural = _("doorbells")

    def __str__(self) -> str:
        return f"rung at {self.rung_at}, attended until {self.attended_until}"


class Attempt(models.Model):
    """One hand-over of a delivery, and what came of it."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="history", verbose_name=_("delivery"))
    at = models.DateTimeField(_("at"))
    #: A value of `edx_ace.report.Outcome`; ``lost`` when the worker ended before it could say.
    outcome = models.CharField(_("outcome"), max_length=12)
    code = models.CharField(_("code"), max_length=64, blank=True)
    #: What the channel answered, without addresses.
    reply = models.TextField(_("reply"), blank=True)
    #: For how many the provider counts it, as the channel says: the segments of an SMS, for example.
    units = models.PositiveSmallIntegerField(_("units"), default=1, db_default=1)
    #: What it cost by ACE_PRICES, in the site's currency; 0 unless it was sent.
    price = models.DecimalField(_("price"), max_digits=12, decimal_places=6, default=Decimal(0), db_default=Decimal(0))

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")

    def __str__(self) -> str:
        return f"{self.at}: {self.outcome} {self.code}".rstrip()


class Expense(models.Model):
    """
    What was sent over a channel on one day (UTC), and what it cost.

    Each window appends a row for each group in the transaction that records it, so that no row is hot; the sweep adds
    them up twice, to sums of a send and to sums of all, which have no batch. They stay when attempts are purged.
    """

    channel = KeyField(_("channel"), max_length=100)
    day = models.DateField(_("day"))
    #: ``app_label.name``. Empty, as what follows: it was sent before that was kept.
    message_type = KeyField(_("message type"), max_length=255, blank=True, default="", db_default="")
    category = KeyField(_("category"), max_length=100, blank=True, default="", db_default="")
    channel_type = models.CharField(_("channel type"), max_length=20, blank=True, default="", db_default="")
    batch = models.UUIDField(_("batch"), null=True)
    units = models.PositiveBigIntegerField(_("units"))
    price = models.DecimalField(_("price"), max_digits=18, decimal_places=6)
    #: Whether the sweep has added it up.
    is_sum = models.BooleanField(_("is a sum"), default=False)

    class Meta:
        verbose_name = _("expense")
        verbose_name_plural = _("expenses")
        indexes: ClassVar = [
            # Of one send, and of all together, where batch is null.
            models.Index(fields=["batch", "channel", "day"], name="ace_outbox_expense_of"),
            PartialIndex(
                fields=["day"],
                where=models.Q(batch__isnull=False),
                otherwise=["day"],
                name="ace_outbox_expense_old",
            ),
            PartialIndex(
                fields=["id"], where=models.Q(is_sum=False), otherwise=["is_sum", "id"], name="ace_outbox_expense_new"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} on {self.day}: {self.units} units for {self.price}"


class Count(models.Model):
    """
    How many deliveries of a batch went from one state to another.

    Each transition appends a row in its own transaction, so that no row is hot; the sweep adds them up.
    """

    batch = models.UUIDField(_("batch"))
    #: Empty: they entered the outbox.
    from_state = models.CharField(pgettext_lazy("state", "from"), max_length=12, blank=True)
    to_state = models.CharField(pgettext_lazy("state", "to"), max_length=12)
    number = models.PositiveIntegerField(_("number"))
    #: Whether the sweep has added it up.
    is_sum = models.BooleanField(_("is a sum"), default=False)

    class Meta:
        verbose_name = _("count")
        verbose_name_plural = _("counts")
        indexes: ClassVar = [
            models.Index(fields=["batch"], name="ace_outbox_count_batch"),
            PartialIndex(
                fields=["id"], where=models.Q(is_sum=False), otherwise=["is_sum", "id"], name="ace_outbox_count_new"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch}: {self.number} from {self.from_state or 'outside'} to {self.to_state}"


class Circuit(models.Model):
    """A channel that is not used for now; while it can be used there is no row. See `edx_ace.outbox.breakers`."""

    channel = KeyField(_("channel"), max_length=100, primary_key=True)
    opened_at = models.DateTimeField(_("open since"))
    #: When somebody may try it with one message.
    probe_at = models.DateTimeField(_("next try"))
    #: How long it waited, or waits, between two tries.
    pause = models.DurationField(_("pause"))
    #: Why: as of an attempt.
    code = models.CharField(_("code"), max_length=64, blank=True)
    reason = models.TextField(_("reason"), blank=True)

    class Meta:
        verbose_name = _("open circuit")
        verbose_name_plural = _("open circuits")

    def __str__(self) -> str:
        return f"{self.channel}: not used since {self.opened_at} ({self.code})"


class RateUsage(models.Model):
    """How many messages a channel that has limits was given. See `edx_ace.outbox.usage`."""

    channel = KeyField(_("channel"), max_length=100, primary_key=True)
    #: By length of the limit in seconds, and in each by part of the window.
    used = models.JSONField(_("used"), default=dict)

    class Meta:
        verbose_name = _("use of a rate limit")
        verbose_name_plural = _("use of rate limits")

    def __str__(self) -> str:
        return str(self.channel)
