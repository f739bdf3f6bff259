"""
Internal: the tables of preferences. `edx_ace.preferences` has the functions that write them.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

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
    source = models.CharField(_("source"), max_length=20)
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
