"""
Internal: the tables of campaigns. `edx_ace.campaigns` has the functions that write them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from edx_ace.campaigns import audiences
from edx_ace.campaigns.states import ARROWS, EDITABLE, State
from edx_ace.outbox.fields import KeyField
from edx_ace.outbox.indexes import PartialIndex
from edx_ace.outbox.leases import Leased


class Timing(models.TextChoices):
    """What the time of a campaign goes by."""

    #: As soon as it is scheduled.
    NOW = "now", _("now")
    #: A wall-clock time in the campaign's zone.
    AT = "at", _("at a time")
    #: A wall-clock time in each recipient's zone.
    LOCAL = "local", _("at each recipient's local time")
    #: A date of the scope, with an offset; moves with it.
    RELATIVE = "relative", _("relative to a date")


class Campaign(Leased):
    """One content for many recipients."""

    WAITING = State.SCHEDULED
    CLAIMED = State.SENDING
    PERMITTED = State.SENDING
    ARROWS = ARROWS

    #: The send of all its messages: what the outbox knows it by.
    uuid = models.UUIDField(_("id"), unique=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=200)
    scope = KeyField(_("scope"), max_length=255, blank=True)
    category = KeyField(_("category"), max_length=100)
    #: Values of channel types, with commas between.
    channel_types = models.CharField(_("channel types"), max_length=100, default="email")
    from_name = models.CharField(_("sender's name"), max_length=100, blank=True)
    reply_to = models.CharField(_("reply to"), max_length=254, blank=True)
    #: Of whoever has no variant in their own language.
    language = models.CharField(_("language"), max_length=35)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("author")
    )
    #: Who scheduled it: whether they may is asked again when it starts.
    scheduled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("scheduled by")
    )
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.DRAFT)
    #: When it starts; once it has started, when the sweep looks at it next.
    due_at = models.DateTimeField(_("due at"), default=timezone.now)
    #: Why it is paused or failed: short and stable; and as a sentence for people.
    code = models.CharField(_("code"), max_length=64, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    #: One more with each change of what is written, chosen or scheduled: whoever saves says which one they have seen.
    version = models.PositiveIntegerField(_("version"), default=1)
    #: The caller's name for it, so that the same call made again makes nothing.
    idempotency_key = KeyField(_("idempotency key"), max_length=255, null=True, unique=True)
    #: The campaign that it was copied from, or follows up.
    origin = models.ForeignKey("self", models.SET_NULL, null=True, related_name="copies", verbose_name=_("origin"))

    timing = models.CharField(_("timing"), max_length=8, choices=Timing, default=Timing.NOW)
    #: ``2027-03-28T10:00``, in `zone`, or in each recipient's own.
    wall_time = models.CharField(_("time"), max_length=16, blank=True)
    zone = models.CharField(_("time zone"), max_length=40, blank=True)
    #: Name of the date of the scope, and how many minutes after it; before it, if negative.
    anchor = models.CharField(_("date"), max_length=100, blank=True)
    offset_minutes = models.IntegerField(_("minutes after it"), default=0)

    #: How many recipients go first, and for how many minutes the others then wait. 0: none.
    canary = models.PositiveIntegerField(_("first recipients"), default=0)
    canary_minutes = models.PositiveIntegerField(_("wait after them, in minutes"), default=60)
    #: Such as ``100/h``; empty: as fast as the channels' own limits allow.
    rate = models.CharField(_("rate"), max_length=50, blank=True)

    #: The version that was approved, by whom and when.
    approved_version = models.PositiveIntegerField(_("approved version"), null=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("approved by")
    )
    approved_at = models.DateTimeField(_("approved at"), null=True)

    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    started_at = models.DateTimeField(_("started at"), null=True)
    #: When nothing of it was left to do; of a cancelled one, when the last delivery was stopped.
    finished_at = models.DateTimeField(_("finished at"), null=True)
    #: Its recipients, once it has started.
    resolution = models.OneToOneField(
        "Resolution", models.SET_NULL, null=True, related_name="+", verbose_name=_("recipients")
    )
    #: Primary key of the last member that is in the outbox, and how many are.
    expanded_to = models.BigIntegerField(default=0, editable=False)
    expanded = models.PositiveIntegerField(_("in the outbox"), default=0)
    #: When, by its rate, the next one may go.
    paced_to = models.DateTimeField(null=True, editable=False)
    #: When all the first ones were in the outbox; and whether what came of them is fine, so that the others may go.
    canary_at = models.DateTimeField(null=True, editable=False)
    is_canary_fine = models.BooleanField(default=False, editable=False)
    #: When the last one was put there.
    expanded_at = models.DateTimeField(_("all in the outbox at"), null=True)
    #: Whether deliveries may have been put off while it was paused, so that they have to be brought back.
    is_put_off = models.BooleanField(default=False, editable=False)
    #: When it was resumed, and how many deliveries were in each state then: limits go by what has come since.
    resumed_at = models.DateTimeField(_("resumed at"), null=True, editable=False)
    baseline = models.JSONField(default=dict, editable=False)
    #: Of the last minute: pairs of a second and how many deliveries were done with by then.
    samples = models.JSONField(default=list, editable=False)

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        default_permissions = ()
        permissions: ClassVar = [
            ("view_campaign", "Can see campaigns"),
            ("write_campaign", "Can write campaigns"),
            ("send_campaign", "Can send campaigns"),
            ("approve_campaign", "Can approve campaigns"),
            ("see_people_campaign", "Can see recipients of campaigns"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["scope", "created_at"], name="ace_campaigns_scope"),
            PartialIndex(
                # What the sweep looks at, and the paused ones that permits ask for.
                fields=["state", "due_at"],
                where=models.Q(finished_at__isnull=True),
                otherwise=["state", "due_at"],
                name="ace_campaigns_due",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def channels(self) -> list[str]:
        """The values of its channel types."""
        return [one for one in self.channel_types.split(",") if one]

    @property
    def is_editable(self) -> bool:
        """Whether content, audience and schedule may still be changed."""
        return self.state in EDITABLE

    @property
    def files(self) -> models.QuerySet[Attachment]:
        """Its attachments in their order, without what is in them: that may be megabytes."""
        return self.attachments.defer("content").order_by("pk")


class Variant(models.Model):
    """What is written for one channel type in one language."""

    class Format(models.TextChoices):
        """How the body is written."""

        HTML = "html", _("rich text")
        MARKDOWN = "markdown", _("Markdown")

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="variants")
    channel_type = models.CharField(_("channel type"), max_length=20, default="email")
    language = models.CharField(_("language"), max_length=35)
    #: Of an email; of other channel types, the title.
    subject = models.CharField(_("subject"), max_length=255)
    preheader = models.CharField(_("preheader"), max_length=255, blank=True)
    format = models.CharField(_("format"), max_length=8, choices=Format, default=Format.HTML)
    #: As it was written, after sanitising where it is HTML.
    source = models.TextField(_("body"))
    #: The sanitised HTML: what is previewed and sent, once keywords are replaced.
    body = models.TextField(_("HTML"), editable=False)
    #: Where other channel types lead.
    url = models.CharField(_("link"), max_length=2000, blank=True)

    class Meta:
        verbose_name = _("variant")
        verbose_name_plural = _("variants")
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["campaign", "channel_type", "language"], name="ace_campaigns_one_variant")
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id}: {self.channel_type}, {self.language}"


class Part(models.Model):
    """One audience that a campaign goes to, or does not."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="parts")
    #: In which order, from 0.
    position = models.PositiveSmallIntegerField()
    is_excluded = models.BooleanField(_("is excluded"), default=False)
    audience = KeyField(_("audience"), max_length=audiences.MAX_NAME_LENGTH)
    params = models.JSONField(_("parameters"), default=dict)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["campaign", "position"], name="ace_campaigns_one_part")
        ]

    def __str__(self) -> str:
        return f"{'not ' if self.is_excluded else ''}{self.audience}"

    @property
    def description(self) -> str:
        """What is chosen, for people; of an audience that is gone, its name."""
        found = audiences.all_audiences().get(self.audience)
        return self.audience if found is None else str(found.describe(self.params))


class Attachment(models.Model):
    """A file that goes with each message of a campaign."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="attachments")
    name = models.CharField(_("name"), max_length=255)
    content_type = models.CharField(_("type"), max_length=100)
    content = models.BinaryField()
    size = models.PositiveIntegerField(_("size"))

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class Resolution(models.Model):
    """The recipients of a campaign at one time: those it is sent to, or those it would be."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="resolutions")
    #: Which version of the campaign they belong to.
    version = models.PositiveIntegerField()
    #: How many parts were read, excluded ones first; and of the next one the last primary key, as text, or, of what is
    #: no queryset, who reads it. Empty: nobody has begun.
    part = models.PositiveSmallIntegerField(default=0)
    position = models.TextField(blank=True)
    #: When all were found; None: some may be missing.
    done_at = models.DateTimeField(null=True)
    #: How many members for each reason, "" for those without; once it is done.
    numbers = models.JSONField(default=dict)
    #: Of a forecast, the same by channel type: see `edx_ace.campaigns.forecasting`.
    channels = models.JSONField(default=dict)
    #: Of a forecast that workers make, how far it is; empty: it is none of these.
    counting = models.JSONField(default=dict)
    #: Until when a worker has that; None: none has.
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.campaign_id}, version {self.version}"


@receiver(pre_delete, sender=Resolution)
def _wait_for_writers(instance: Resolution, using: str, **_: Any) -> None:
    """
    Hold the resolution before its members are deleted, so that nobody adds any meanwhile.

    Where something listens to deletions, Django has read by now which members there are, so they are looked for again.
    """
    Resolution.objects.using(using).select_for_update().filter(pk=instance.pk).first()
    instance.members.using(using).all().delete()


class Exclusion(models.Model):
    """Somebody a campaign does not go to; kept until all its recipients are found."""

    # No index of its own, which a database without figures might read from end to end for each chunk.
    resolution = models.ForeignKey(Resolution, models.CASCADE, related_name="+", db_index=False)
    #: As of a member.
    recipient = KeyField(max_length=255, null=True)
    address = KeyField(max_length=255, null=True)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["recipient", "resolution"], name="ace_campaigns_no_person"),
            models.Index(fields=["address", "resolution"], name="ace_campaigns_no_address"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Member(models.Model):
    """One person of a resolution."""

    #: Reasons of its own; others are codes of guards.
    EXCLUDED: ClassVar = "excluded"
    INACTIVE: ClassVar = "inactive"
    #: Codes of the errors that addresses have.
    NO_ADDRESS: ClassVar = "no_address"
    BAD_ADDRESS: ClassVar = "bad_address"

    # A constraint would be checked for each of a million, for a third of what writing them takes. Who writes some has
    # updated the resolution in the same transaction; see `_wait_for_writers`.
    resolution = models.ForeignKey(
        Resolution, models.CASCADE, related_name="members", db_index=False, db_constraint=False
    )
    #: See `edx_ace.outbox.people`: who it is, and their email address. Guards of the outbox read them. Without an
    #: address is who nothing is sent to, so that somebody else may have it.
    recipient = KeyField(max_length=255, null=True)
    address = KeyField(max_length=255, null=True)
    #: Of the campaign's other channel types, the addresses by value of the type, as JSON; empty: none.
    addresses = models.TextField(blank=True)
    #: Position of the part that it was found in.
    part = models.PositiveSmallIntegerField()
    #: Primary key of the row that the person is, as text; empty: `person` says all.
    key = models.TextField(blank=True)
    #: JSON of the person, of an audience that is no queryset.
    person = models.TextField(blank=True)
    zone = models.CharField(max_length=40, blank=True)
    #: Why nothing is sent; empty: it is.
    reason = models.CharField(max_length=64, blank=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            # Person and address come first, so that what is kept of one, in all campaigns, is found.
            models.UniqueConstraint(fields=["recipient", "resolution"], name="ace_campaigns_once_a_person"),
            models.UniqueConstraint(fields=["address", "resolution"], name="ace_campaigns_once_an_address"),
        ]
        indexes: ClassVar = [models.Index(fields=["resolution", "id"], name="ace_campaigns_members")]

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def ranges(cls, resolution: int, size: int, using: str, after: int = 0) -> Iterator[models.QuerySet[Member]]:
        """
        Yield the members of *resolution* in ranges of *size* primary keys, beginning after one.

        With a LIMIT a database that has no figures yet of a table may read all that remain, and sort them, each time.
        """
        members = cls.objects.using(using).filter(resolution=resolution)
        while (first := members.filter(pk__gt=after).aggregate(first=models.Min("pk"))["first"]) is not None:
            after = first + size - 1
            yield members.filter(pk__gte=first, pk__lte=after)


class Entry(models.Model):
    """One line of a campaign's audit trail: who did what, when and why."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="entries")
    at = models.DateTimeField(_("at"), default=timezone.now)
    #: A user's name; empty: it happened by itself.
    who = models.CharField(_("who"), max_length=150, blank=True)
    action = models.CharField(_("action"), max_length=30)
    from_state = models.CharField(pgettext_lazy("state", "from"), max_length=12, blank=True)
    to_state = models.CharField(pgettext_lazy("state", "to"), max_length=12, blank=True)
    why = models.TextField(_("why"), blank=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.action} ({self.who or 'by itself'})"


class Call(models.Model):
    """A call that somebody gave a name: see `edx_ace.campaigns.calls`."""

    key = KeyField(max_length=255, unique=True)
    #: What is kept of its answer; None: it is not done.
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.key)


class Template(models.Model):
    """What somebody saved to write other campaigns from."""

    name = models.CharField(_("name"), max_length=200)
    scope = KeyField(_("scope"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("saved template")
        verbose_name_plural = _("saved templates")
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["scope", "name"], name="ace_campaigns_one_template")]

    def __str__(self) -> str:
        return self.name


class TemplateVersion(models.Model):
    """One version of a saved template; none is ever changed."""

    template = models.ForeignKey(Template, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    #: The variants, as `edx_ace.campaigns.editing` writes them.
    content = models.JSONField(_("content"))
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["template", "number"], name="ace_campaigns_one_version")
        ]

    def __str__(self) -> str:
        return f"{self.template_id}, version {self.number}"


class AddressList(models.Model):
    """Addresses that somebody brought as a CSV file."""

    name = models.CharField(_("name"), max_length=200)
    scope = KeyField(_("scope"), max_length=255, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        verbose_name = _("list of addresses")
        verbose_name_plural = _("lists of addresses")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class ListedAddress(models.Model):
    """One address of a list."""

    list = models.ForeignKey(AddressList, models.CASCADE, related_name="addresses", db_index=False)
    #: In its canonical form.
    key = KeyField(max_length=255)
    address = models.CharField(_("address"), max_length=254)
    name = models.CharField(_("name"), max_length=200, blank=True)
    language = models.CharField(_("language"), max_length=35, blank=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["list", "key"], name="ace_campaigns_one_address")]
        indexes: ClassVar = [models.Index(fields=["key"], name="ace_campaigns_listed")]

    def __str__(self) -> str:
        return str(self.pk)
