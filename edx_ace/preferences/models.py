"""
Internal: the tables of preferences. `edx_ace.preferences` has the functions that write them.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from edx_ace.outbox.fields import KeyField


class Taking(models.TextChoices):
    """How a person takes the messages of a category over a channel."""

    #: Not at all.
    OFF = "off", _("off")
    #: Each by itself, as it comes.
    IMMEDIATE = "immediate", _("as they come")
    #: Together, once a day.
    DAILY = "daily", _("once a day")
    #: Together, once a week.
    WEEKLY = "weekly", _("once a week")


class Choice(models.Model):
    """What one person chose for one category and channel; where there is no row, the category's default counts."""

    #: See `edx_ace.outbox.people.person_key`.
    person = KeyField(_("person"), max_length=255)
    #: Empty: every category that can be turned off; such a row only ever turns off.
    category = KeyField(_("category"), max_length=100, blank=True)
    channel_type = models.CharField(_("channel type"), max_length=20)
    #: What it is narrowed to (a course, a project); empty: everywhere.
    scope = KeyField(_("scope"), max_length=255, blank=True)
    taking = models.CharField(_("taken"), max_length=10, choices=Taking)
    #: Where it was chosen, for whoever has to answer for it: ``page``, ``one_click``, ``import``, ``staff``, ``code``.
    source = models.CharField(pgettext_lazy("choice", "source"), max_length=20)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("choice")
        verbose_name_plural = _("choices")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["person", "channel_type", "category", "scope"], name="ace_preferences_one_choice"
            )
        ]

    def __str__(self) -> str:
        return f"{self.category or 'everything'} over {self.channel_type}: {self.taking}"


class QuietHours(models.Model):
    """When one person is to be left alone, on their own clock; where there is no row, ``ACE_QUIET_HOURS`` counts."""

    person = KeyField(_("person"), max_length=255, unique=True)
    #: Both None: never.
    start = models.TimeField(pgettext_lazy("time", "from"), null=True)
    end = models.TimeField(pgettext_lazy("time", "to"), null=True)

    class Meta:
        verbose_name = _("quiet hours")
        verbose_name_plural = _("quiet hours")

    def __str__(self) -> str:
        return "none" if self.start is None else f"{self.start:%H:%M} to {self.end:%H:%M}"


class Slot(models.Model):
    """
    One message that counts for a person's frequency caps.

    It does not count while the outbox says that the message has not gone, so that nobody has to give it back.
    """

    person = KeyField(_("person"), max_length=255)
    #: The Monday of `day`.
    week = models.DateField(_("week"))
    #: Of two who take the same number only one gets it, and the other looks again.
    number = models.PositiveIntegerField(pgettext_lazy("place in a row", "number"))
    #: The person's own.
    day = models.DateField(_("day"))
    channel_type = models.CharField(_("channel type"), max_length=20)
    #: Its uuid.
    message = models.UUIDField(_("message"))
    #: Whether it was given back by a send of which the outbox knows nothing.
    is_returned = models.BooleanField(_("given back"), default=False)

    class Meta:
        verbose_name = _("slot")
        verbose_name_plural = _("slots")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["person", "week", "number"], name="ace_preferences_one_slot")
        ]
        indexes: ClassVar = [models.Index(fields=["week"], name="ace_preferences_slot_week")]

    def __str__(self) -> str:
        return f"{self.day} over {self.channel_type}"
