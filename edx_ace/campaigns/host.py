"""
Public: what a host says about its scopes and people: who may do what, what things are called, what keywords stand for.

A host subclasses `Host` and names it in ACE_CAMPAIGN_HOST. Without one there are no scopes, and Django's permissions
decide::

    class CampusHost(Host):
        def may(self, user, action, scope, campaign=None):
            return user.is_staff or teaches(user, scope)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
from django.db import models
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from edx_ace.campaigns.conf import settings
from edx_ace.preferences.scopes import name_of

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

    from edx_ace.campaigns.models import Campaign


class Action(models.TextChoices):
    """What somebody may do in a scope."""

    #: See campaigns and their figures.
    VIEW = "view", _("view")
    #: Write, change and delete drafts.
    WRITE = "write", _("write")
    #: Schedule, start, pause, resume and cancel.
    SEND = "send", _("send")
    #: Approve what somebody else wrote.
    APPROVE = "approve", _("approve")
    #: See who the recipients are.
    SEE_PEOPLE = "see_people", _("see recipients")


@attrs.frozen
class Scope:
    """
    What campaigns may belong to.

    Attributes:
        key: Stands in tables and in ``options["scope"]`` of messages, such as ``"course:7"``; empty: no scope.

        label: What people call it.
    """

    key: str
    label: _StrOrPromise


@attrs.frozen
class Keyword:
    """
    A word in double braces that stands for something else in what is written.

    Attributes:
        name: Letters, digits and underscores.

        label: What it stands for, for whoever writes.

        sample: What it may look like.
    """

    name: str
    label: _StrOrPromise
    sample: str = ""


class Host:
    """What campaigns ask the host; each answer here is the one of a site that says nothing."""

    def may(self, user: Any, action: Action, scope: str, campaign: Campaign | None = None) -> bool:
        """
        Return whether *user* may do *action* in *scope*, to *campaign* if one is given.

        Asked on every page, endpoint and call, and again when a campaign starts. Here: as Django's permissions say.
        """
        return bool(user.is_active and user.has_perm(f"ace_campaigns.{action}_campaign"))

    def scopes(self, user: Any) -> Sequence[Scope]:
        """Return the scopes in which *user* may write or see campaigns."""
        return [Scope("", _("Everybody"))]

    def label(self, scope: str) -> _StrOrPromise:
        """Return what people call *scope*. Here: as ACE_SCOPE_NAMES says."""
        return name_of(scope) or scope or _("Everybody")

    def keywords(self, scope: str) -> Sequence[Keyword]:
        """Return the keywords of the people and of the scope that may be used in *scope*."""
        return ()

    def scope_values(self, scope: str, language: str) -> Mapping[str, str]:
        """Return what keywords stand for with everybody in *scope*, in *language*; asked for each batch."""
        return {}

    def dates(self, scope: str) -> Mapping[str, tuple[_StrOrPromise, datetime]]:
        """Return the dates of *scope* by which campaigns may be scheduled: by name, the label and the moment."""
        return {}

    def needs_approval(self, campaign: Campaign) -> bool:
        """Return whether a second person has to approve *campaign*, whatever its size."""
        return False

    def notify(self, campaign: Campaign, subject: str, text: str) -> None:
        """Tell the author of *campaign* what happened to it. Here: by Django's mail, if they have an address."""
        if campaign.author is not None and campaign.author.email:
            campaign.author.email_user(subject, text)


def host() -> Host:
    """Return the host's answers: ACE_CAMPAIGN_HOST, or the defaults."""
    found: Host = import_string(settings.CAMPAIGN_HOST)() if settings.CAMPAIGN_HOST else Host()
    return found
