"""
Internal: the audit trail of a campaign, in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import attrs
from django.utils.translation import gettext_lazy as _

from edx_ace.campaigns.models import Campaign
from edx_ace.web.campaigns.sheet import FIELD_LABELS

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

#: What people read for what was done.
ACTIONS: Mapping[str, _StrOrPromise] = {
    "created": _("Created"),
    "saved": _("Changed"),
    "attached": _("File attached"),
    "detached": _("File removed"),
    "tested": _("Test sent"),
    "scheduled": _("Scheduled"),
    "unscheduled": _("Back to draft"),
    "hurried": _("Start moved to now"),
    "moved": _("Moved with its date"),
    "approved": _("Approved"),
    "started": _("Started"),
    "released": _("First ones fine, the others follow"),
    "paused": _("Paused"),
    "resumed": _("Resumed"),
    "cancelled": _("Cancelled"),
    "finished": _("Finished"),
    "failed": _("Failed"),
    "exported": _("Recipients exported"),
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
            why = ", ".join(str(FIELD_LABELS.get(name, name)) for name in why.split(", "))
        lines.append(Line(ACTIONS.get(one.action, one.action), one.who, one.at, why))
    return lines
