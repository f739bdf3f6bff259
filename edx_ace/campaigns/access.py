"""
Internal: who may do what, asked of the host, and what is written down about what was done.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from edx_ace.campaigns.errors import ForbiddenError
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import Campaign, Entry


def require(user: Any, action: Action, scope: str, campaign: Campaign | None = None) -> None:
    """
    Do nothing if *user* may do *action* in *scope*; None, the system itself, always may.

    Raises:
        ForbiddenError: If not.
    """
    if user is not None and not host().may(user, action, scope, campaign):
        raise ForbiddenError(_("You may not do this here (%(action)s).") % {"action": action.label})


def note(
    campaign: Campaign, user: Any, action: str, *, from_state: str = "", to_state: str = "", why: str = ""
) -> None:
    """Write a line of the audit trail of *campaign*, in the caller's transaction."""
    who = "" if user is None else str(user.get_username())[:150]
    Entry.objects.create(campaign=campaign, who=who, action=action, from_state=from_state, to_state=to_state, why=why)
