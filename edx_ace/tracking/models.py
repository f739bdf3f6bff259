"""
Internal: the tables of tracking. `edx_ace.tracking` has the functions that write them.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from edx_ace.outbox.fields import KeyField
from edx_ace.outbox.indexes import PartialIndex
from edx_ace.outbox.models import Delivery

# What came back from providers, and what must not be used any more.


class Reason(models.TextChoices):
    """Why an address must not be used."""

    #: There is no such mailbox, or it will never take mail.
    HARD_BOUNCE = "hard_bounce", _("hard bounce")
    #: It returned several messages for reasons that may pass.
    SOFT_BOUNCES = "soft_bounces", _("soft bounces")
    #: The recipient reported a message as unwanted.
    COMPLAINT = "complaint", _("complaint")
    #: The recipient unsubscribed at the provider.
    UNSUBSCRIBED = "unsubscribed", _("unsubscribed at the provider")
    #: Somebody of the staff decided so.
    MANUAL = "manual", _("by hand")
    #: It stood in a list that was imported.
    IMPORTED = "import", _("imported")


#: Reasons for which essential messages go all the same.
PASSED_BY_ESSENTIAL = (Reason.SOFT_BOUNCES, Reason.COMPLAINT, Reason.UNSUBSCRIBED)


class Suppression(models.Model):
    """An address that must not be used, for one reason."""

    channel_type = models.CharField(_("channel type"), max_length=20)
    #: Its keyed digest, which stays when the address is erased: see `edx_ace.outbox.people.person_keys_of_address`.
    digest = KeyField(_("digest"), max_length=100)
    #: The address as deliveries have it; None once it is erased.
    address = KeyField(_("address"), max_length=255, null=True)
    #: Only for messages of this category; empty: for all.
    category = KeyField(_("category"), max_length=100, blank=True)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    #: From when on the address may be used again; None: never by itself.
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["digest", "channel_type", "category", "reason"], name="ace_tracking_one_suppression"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["address", "channel_type"], name="ace_tracking_suppressed")]

    def __str__(self) -> str:
        # Without the address: Django's admin keeps this text.
        return f"{self.channel_type}, {self.category or 'everything'}: {self.reason} ({self.digest[-8:]})"


class SuppressionChange(models.Model):
    """One line of the audit log: who added or lifted a suppression, when and why."""

    class Action(models.TextChoices):
        """What was done."""

        ADDED = "added", _("added")
        LIFTED = "lifted", _("lifted")

    digest = KeyField(_("digest"), max_length=100, db_index=True)
    channel_type = models.CharField(_("channel type"), max_length=20)
    category = KeyField(_("category"), max_length=100, blank=True)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    action = models.CharField(_("action"), max_length=8, choices=Action)
    #: A user's name, a provider's, or a command's.
    who = models.CharField(_("who"), max_length=150)
    #: In their words, without addresses.
    why = models.TextField(_("why"), blank=True)
    at = models.DateTimeField(_("at"), db_index=True)

    class Meta:
        verbose_name = _("change of a suppression")
        verbose_name_plural = _("changes of suppressions")

    def __str__(self) -> str:
        return f"{self.at}: {self.reason} {self.action} by {self.who}"


class Kind(models.TextChoices):
    """What a provider says about a message."""

    #: The recipient's server took it.
    DELIVERED = "delivered", _("delivered")
    #: The recipient's server does not take it now; the provider tries again.
    DEFERRED = "deferred", _("deferred")
    #: It came back, for a reason that may pass.
    SOFT_BOUNCE = "soft_bounce", _("soft bounce")
    #: It came back, and so will every other.
    HARD_BOUNCE = "hard_bounce", _("hard bounce")
    #: The provider itself dropped it.
    REJECTED = "rejected", _("rejected by the provider")
    #: The recipient reported it as unwanted.
    COMPLAINED = "complained", _("complaint")
    #: The recipient unsubscribed at the provider.
    UNSUBSCRIBED = "unsubscribed", _("unsubscribed at the provider")


class ProviderEvent(models.Model):
    """Something that a provider said about a message to one address."""

    #: Digest of the provider's id for the event, of its kind and of the address: what comes twice is kept once.
    key = KeyField(_("key"), max_length=64, unique=True)
    provider = models.CharField(_("provider"), max_length=40)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    #: None: none was found, by now or at all.
    delivery = models.ForeignKey(
        Delivery, models.CASCADE, null=True, related_name="provider_events", verbose_name=_("delivery")
    )
    #: The provider's id for the message.
    provider_id = models.CharField(_("provider's id"), max_length=255, blank=True)
    channel_type = models.CharField(_("channel type"), max_length=20)
    #: Of the address, as in `Suppression`.
    digest = KeyField(_("digest"), max_length=100)
    #: The address, only while the event waits for its delivery.
    address = KeyField(_("address"), max_length=255, null=True)
    #: Whether its delivery may yet come to where the event can be applied to it.
    is_waiting = models.BooleanField(_("is waiting"), default=False)
    code = models.CharField(_("code"), max_length=64, blank=True)
    #: The provider's words, without addresses.
    detail = models.TextField(_("detail"), blank=True)
    #: When it happened, as the provider says.
    at = models.DateTimeField(_("at"))
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("provider's event")
        verbose_name_plural = _("providers' events")
        indexes: ClassVar = [
            models.Index(fields=["digest", "kind", "at"], name="ace_tracking_of_address"),
            models.Index(fields=["received_at"], name="ace_tracking_received"),
            PartialIndex(
                fields=["id"],
                where=models.Q(is_waiting=True),
                otherwise=["is_waiting", "id"],
                name="ace_tracking_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.kind} at {self.at}"


# What people do with a mail, and what figures are made of.


class Link(models.Model):
    """A target to which links of a send lead; one row for all messages of the send. See `edx_ace.tracking.links`."""

    #: Digest of send and target, so that it is known before the row is written.
    uuid = models.UUIDField(primary_key=True)
    #: The send (the message's send_uuid), or the message where it belongs to none.
    batch = models.UUIDField(_("batch"))
    target = models.TextField(_("target"))
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        indexes: ClassVar = [models.Index(fields=["created_at"], name="ace_tracking_link_old")]

    def __str__(self) -> str:
        return self.target


class EngagementKind(models.TextChoices):
    """What somebody, or a machine, did with a mail."""

    OPEN = "open", _("opened")
    CLICK = "click", _("clicked")


class Engagement(models.Model):
    """One open or click, of whoever holds the mail; neither an address nor a browser is kept."""

    #: The message, which need not be in the outbox any more.
    message = models.UUIDField(_("message"))
    kind = models.CharField(_("kind"), max_length=5, choices=EngagementKind)
    #: Of a click, the `Link`.
    link = models.UUIDField(_("link"), null=True)
    at = models.DateTimeField(_("at"))
    #: Whether a program did it: it says so, or, once counted, its moment does.
    is_machine = models.BooleanField(_("by a machine"))
    #: Of the first open and the first click of a message by a person: who (see `edx_ace.outbox.people.person_key`).
    person = KeyField(_("person"), max_length=255, null=True)
    #: Whether figures have it, as far as it is a first one.
    is_counted = models.BooleanField(_("is counted"), default=False)

    class Meta:
        verbose_name = _("open or click")
        verbose_name_plural = _("opens and clicks")
        indexes: ClassVar = [
            models.Index(fields=["message"], name="ace_tracking_engagement_of"),
            models.Index(fields=["at"], name="ace_tracking_engagement_at"),
            PartialIndex(
                fields=["person"],
                where=models.Q(person__isnull=False),
                otherwise=["person"],
                name="ace_tracking_engagement_by",
            ),
            PartialIndex(
                fields=["id"],
                where=models.Q(is_counted=False),
                otherwise=["is_counted", "id"],
                name="ace_tracking_engagement_new",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message}: {self.kind} at {self.at}"


class Figure(models.Model):
    """
    How often something happened on one day (UTC).

    Whoever changes something appends a row in the same transaction, so that no row is hot; the sweep adds them up
    twice, to sums of a send and to sums of all, which have no batch.
    """

    day = models.DateField(_("day"))
    #: ``app_label.name``.
    message_type = KeyField(_("message type"), max_length=255)
    category = KeyField(_("category"), max_length=100, blank=True)
    channel_type = models.CharField(_("channel type"), max_length=20)
    batch = models.UUIDField(_("batch"), null=True)
    #: See `edx_ace.tracking.figures.Measure`.
    measure = models.CharField(_("measure"), max_length=20)
    number = models.BigIntegerField(_("number"))
    is_sum = models.BooleanField(_("is a sum"), default=False)

    class Meta:
        verbose_name = _("figure")
        verbose_name_plural = _("figures")
        indexes: ClassVar = [
            # Of one send, and of all together, where batch is null.
            models.Index(fields=["batch", "day"], name="ace_tracking_figure_of"),
            PartialIndex(
                # The sends of a time; most are of one message.
                fields=["day"],
                where=models.Q(measure="sent", is_sum=True, batch__isnull=False, number__gt=1),
                otherwise=["measure", "day", "number"],
                name="ace_tracking_figure_send",
            ),
            PartialIndex(
                fields=["day"],
                where=models.Q(batch__isnull=False),
                otherwise=["day"],
                name="ace_tracking_figure_old",
            ),
            PartialIndex(
                fields=["id"], where=models.Q(is_sum=False), otherwise=["is_sum", "id"], name="ace_tracking_figure_new"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.message_type}: {self.number} {self.measure}"


class Copy(models.Model):
    """What was handed over, where the category says to keep it. See `edx_ace.tracking.copies`."""

    message = models.UUIDField(_("message"))
    channel_type = models.CharField(_("channel type"), max_length=20)
    #: The rendered fields, by name, as JSON compressed by zlib.
    content = models.BinaryField(_("content"))
    #: Whose it is: see `edx_ace.outbox.people.person_key`.
    person = KeyField(_("person"), max_length=255, null=True)
    #: Where it went: see `edx_ace.outbox.people.address_key`.
    address = KeyField(_("address"), max_length=255, null=True)
    expires_at = models.DateTimeField(_("expires at"))

    class Meta:
        verbose_name = _("copy")
        verbose_name_plural = _("copies")
        default_permissions = ("view",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "channel_type"], name="ace_tracking_one_copy")
        ]
        indexes: ClassVar = [
            models.Index(fields=["person"], name="ace_tracking_copy_of"),
            models.Index(fields=["address"], name="ace_tracking_copy_at"),
            models.Index(fields=["expires_at"], name="ace_tracking_copy_until"),
        ]

    def __str__(self) -> str:
        return f"{self.message} over {self.channel_type}"
