"""
Internal: the audit trail of a campaign, in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import attrs
from django.utils.translation import gettext_lazy as _

from edx_ace.campaigns.editing import FIELDS
from edx_ace.campaigns.models import Campaign

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

#: What people read for what was done.
ACTIONS: Mapping[str, _StrOrPromise] = {
    "created": _("Begun"),
    "saved": _("Changed"),
    "attached": _("File attached"),
    "detached": _("File taken off"),
    "tested": _("Test sent"),
    "scheduled": _("Scheduled"),
    "unscheduled": _("Made a draft again"),
    "hurried": _("Told to start at once"),
    "moved": _("Moved with its date"),
    "approved": _("Approved"),
    "started": _("Started"),
    "released": _("Let the others follow"),
    "paused": _("Paused"),
    "resumed": _("Gone on with"),
    "cancelled": _("Cancelled"),
    "finished": _("Finished"),
    "failed": _("Failed"),
    "exported": _("Recipients exported"),
}

#: What people read for what was changed.
_FIELDS: Mapping[str, _StrOrPromise] = {
    **{name: Campaign._meta.get_field(name).verbose_name for name in FIELDS},  # type: ignore[union-attr]  # no relation
    "variants": _("texts"),
    "parts": _("recipients"),
}


@attrs.frozen
class Line:
    """One thing that was done: what, by whom, when and why."""

    label: _StrOrPromise
    who: str
    at: datetime
    why: str


def trail(campaign: Campaign, number: int) -> list[Line]:
    """Return the last things that were done to *campaign*, the latest first."""
    lines = []
    for one in campaign.entries.order_by("-at", "-pk")[:number]:
        why = one.why
        if one.action == "saved":
            why = ", ".join(str(_FIELDS.get(name, name)) for name in why.split(", "))
        lines.append(Line(ACTIONS.get(one.action, one.action), one.who, one.at, why))
    return lines
