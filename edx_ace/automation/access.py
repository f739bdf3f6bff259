"""
Public: who may do what with scheduled messages and templates: Django's permissions of the app ``ace_automation``.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from edx_ace.automation.errors import ForbiddenError
from edx_ace.automation.models import ScheduledMessage

#: What each permission is called in `require`, and what it lets somebody do.
PERMISSIONS = dict(ScheduledMessage._meta.permissions)


def may(user: Any, permission: str) -> bool:
    """
    Return whether *user* has *permission*.

    Args:
        user: None, the system itself, may do everything.

        permission: One of `PERMISSIONS`, such as ``"cancel_message"``.

    Raises:
        KeyError: If there is no such permission.
    """
    PERMISSIONS[permission]
    return user is None or bool(user.has_perm(f"ace_automation.{permission}"))


def require(user: Any, permission: str) -> None:
    """
    Do nothing if *user* has *permission*, as `may` says.

    Raises:
        ForbiddenError: If not.
        KeyError: If there is no such permission.
    """
    if not may(user, permission):
        raise ForbiddenError(_("You may not do this (%(permission)s).") % {"permission": permission})
