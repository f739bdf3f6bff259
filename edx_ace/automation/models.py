"""
Internal: the tables of automation. `edx_ace.automation` has the functions that write them.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.core.files.storage import storages
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from edx_ace.automation.conf import settings
from edx_ace.automation.states import ARROWS, State
from edx_ace.outbox.fields import KeyField
from edx_ace.outbox.indexes import PartialIndex
from edx_ace.outbox.leases import Leased

if TYPE_CHECKING:
    from django.core.files.storage import Storage

#: Longest name of an action, in characters.
MAX_ACTION_LENGTH = 100


class ScheduledMessage(Leased):
    """A message of an action that will go out; holds references, which are looked up when it is sent."""

    WAITING = State.SCHEDULED
    CLAIMED = State.CLAIMED
    PERMITTED = State.ENQUEUED
    ARROWS = ARROWS

    uuid = models.UUIDField(_("id"), unique=True, default=uuid.uuid4, editable=False)
    action = KeyField(_("action"), max_length=MAX_ACTION_LENGTH)
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.SCHEDULED)
    #: When it is meant to go; `due_at` is when it is looked at next, so later after a failure.
    scheduled_at = models.DateTimeField(_("scheduled for"))
    #: What it is about: the label of a model and a primary key as text, or nothing.
    object_type = models.CharField(_("kind of object"), max_length=200, blank=True)
    object_key = KeyField(_("object"), max_length=255, blank=True)
    #: Of an action by a rule: the moment of the rule, in UTC.
    occurrence = models.DateTimeField(_("occurrence"), null=True)
    #: Digests by which the database keeps there from being two: while it is open, of the action and the object; for
    #: ever, of the action, the object and the occurrence.
    open_key = KeyField(max_length=64, null=True, unique=True, editable=False)
    occurrence_key = KeyField(max_length=64, null=True, unique=True, editable=False)
    #: Of an action by a rule: whether the next occurrence is to be scheduled once this one has ended.
    awaits_next = models.BooleanField(default=False, editable=False)
    #: Typed references (`edx_ace.automation.references`): the values of the template by name; whom it goes to; what the
    #: action's methods were given.
    context = models.JSONField(_("context"), default=dict)
    recipients = models.JSONField(_("recipients"), default=list)
    arguments = models.JSONField(default=dict)
    #: What is written, copied from the template, as `edx_ace.automation.templates.Content` has it. Empty:
    #: `message_type` says it.
    content = models.JSONField(_("content"), default=dict)
    template_version = models.ForeignKey(
        "TemplateVersion", models.SET_NULL, null=True, related_name="+", verbose_name=_("template")
    )
    #: Dotted path of the MessageType that renders it; empty: `content` does.
    message_type = models.CharField(max_length=255, blank=True)
    #: Whether all recipients stand in one message; otherwise each gets their own.
    is_to_all = models.BooleanField(_("one message to all"), default=False)
    #: Whether a worker outside sends it, over the endpoints.
    is_external = models.BooleanField(_("sent by a worker outside"), default=False)
    #: What somebody changed by hand, which an update keeps: ``"content"``, ``"scheduled_at"``, ``"recipients"``.
    edited = models.JSONField(default=list)
    #: The send of its deliveries in the outbox; another with each time that it is put there.
    batch = models.UUIDField(_("send"), null=True, editable=False)
    #: How often in a row it could not be sent.
    failures = models.PositiveSmallIntegerField(_("failures in a row"), default=0)
    #: Why it is in its state.
    code = models.CharField(_("code"), max_length=64, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    #: When it was scheduled, or brought back last.
    began_at = models.DateTimeField(default=timezone.now, editable=False)
    #: When it was put into the outbox last.
    enqueued_at = models.DateTimeField(_("in the outbox at"), null=True)
    #: When it was sent or cancelled.
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        verbose_name = _("scheduled message")
        verbose_name_plural = _("scheduled messages")
        default_permissions = ()
        permissions: ClassVar = [
            ("view_message", "Can see scheduled messages"),
            ("change_message", "Can change scheduled messages"),
            ("cancel_message", "Can cancel scheduled messages"),
            ("send_message", "Can send scheduled messages now and again"),
            ("change_template", "Can change templates of actions, and switch actions on and off"),
            ("work_message", "Can lock, fail and succeed scheduled messages, as a worker does"),
        ]
        indexes: ClassVar = [
            PartialIndex(
                # What the sweep claims, looks at, and tries again.
                fields=["state", "due_at"],
                where=models.Q(ended_at__isnull=True),
                otherwise=["state", "due_at"],
                name="ace_automation_due",
            ),
            PartialIndex(
                # What the sweep follows up.
                fields=["ended_at"],
                where=models.Q(awaits_next=True),
                otherwise=["awaits_next", "ended_at"],
                name="ace_automation_next",
            ),
            models.Index(fields=["object_type", "object_key", "action"], name="ace_automation_about"),
            models.Index(fields=["action", "scheduled_at"], name="ace_automation_action"),
            models.Index(fields=["scheduled_at"], name="ace_automation_when"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_key}".rstrip()


class Letter(models.Model):
    """What of a scheduled message goes to one recipient, or to all in one; once it was sent, what was."""

    message = models.ForeignKey(ScheduledMessage, models.CASCADE, related_name="letters")
    #: Of the send that it belongs to.
    batch = models.UUIDField()
    #: Of its message in the outbox.
    uuid = models.UUIDField(unique=True)
    #: The typed reference to the recipient; of one to all, a list of them.
    recipient = models.JSONField()
    #: See `edx_ace.outbox.people`: who it is, and their email address.
    person = KeyField(max_length=255, null=True)
    address = KeyField(max_length=255, null=True)
    language = models.CharField(_("language"), max_length=35, blank=True)
    #: As it was rendered last, which is what was sent; before content steps.
    subject = models.TextField(_("subject"), blank=True)
    body_html = models.TextField(blank=True)
    body_text = models.TextField(blank=True)
    #: Why it could not be rendered.
    error = models.TextField(blank=True)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["person"], name="ace_automation_person"),
            models.Index(fields=["address"], name="ace_automation_address"),
        ]

    def __str__(self) -> str:
        return str(self.uuid)


class Entry(models.Model):
    """One line of the log of a scheduled message: what happened, who did it, when and why."""

    message = models.ForeignKey(ScheduledMessage, models.CASCADE, related_name="entries")
    at = models.DateTimeField(_("at"), default=timezone.now)
    #: A user's name; empty: it happened by itself.
    who = models.CharField(_("who"), max_length=150, blank=True)
    #: What was done: the name of a function of `edx_ace.automation.controller`.
    did = models.CharField(_("what"), max_length=30)
    from_state = models.CharField(pgettext_lazy("state", "from"), max_length=12, blank=True)
    to_state = models.CharField(pgettext_lazy("state", "to"), max_length=12, blank=True)
    why = models.TextField(_("why"), blank=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.did} ({self.who or 'by itself'})"


def _storage() -> Storage:
    return storages[settings.AUTOMATION_STORAGE]


class Attachment(models.Model):
    """A file that goes with a scheduled message."""

    message = models.ForeignKey(ScheduledMessage, models.CASCADE, related_name="attachments")
    name = models.CharField(_("name"), max_length=255)
    content_type = models.CharField(_("type"), max_length=255)
    size = models.PositiveIntegerField(_("size in bytes"))
    #: Under a name that nobody can guess.
    file = models.FileField(_("file"), upload_to="ace/%Y/%m/", storage=_storage, max_length=255)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class Template(models.Model):
    """What the messages of an action say: its newest version."""

    action = KeyField(_("action"), max_length=MAX_ACTION_LENGTH, unique=True)
    #: Whether messages are scheduled by it; those that are stay.
    is_active = models.BooleanField(_("is active"), default=True)

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.action)


class TemplateVersion(models.Model):
    """One version of an action's template; none is ever changed."""

    template = models.ForeignKey(Template, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    #: See `edx_ace.automation.templates.Content`.
    content = models.JSONField(_("content"))
    #: Whether it came with the action: then another that comes with it may follow, as nobody has edited it.
    is_shipped = models.BooleanField(default=False)
    who = models.CharField(_("author"), max_length=150, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["template", "number"], name="ace_automation_one_version")
        ]

    def __str__(self) -> str:
        return f"{self.template_id}, version {self.number}"


class Switch(models.Model):
    """Says that an action, or all of them, schedule nothing for the time being."""

    #: Empty: all.
    action = KeyField(_("action"), max_length=MAX_ACTION_LENGTH, blank=True, unique=True)
    who = models.CharField(_("who"), max_length=150, blank=True)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.action or "all"
