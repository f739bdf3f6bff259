"""
Internal: what the endpoints of automation have in common: who may use them, and how often.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import ScopedRateThrottle

from edx_ace.api import base
from edx_ace.api.schema import Operation
from edx_ace.automation.access import require

if TYPE_CHECKING:
    from rest_framework.throttling import BaseThrottle

#: How often each user may ask, unless DEFAULT_THROTTLE_RATES of the site says otherwise, by its name there.
RATES: Mapping[str, str] = {"ace_automation": "600/min", "ace_automation_work": "6000/min"}


class Throttle(ScopedRateThrottle):
    """How often each user may ask an endpoint of one scope, and all of that scope together."""

    def get_rate(self) -> Any:
        """Return what the site says, else what we do; None: as often as they like."""
        said: Mapping[str, Any] = api_settings.DEFAULT_THROTTLE_RATES or {}
        scope = str(self.scope)
        return said.get(scope, RATES[scope])


class Endpoint(base.Endpoint):
    """One address of automation, which takes the permissions that its operation needs."""

    throttle_scope = "ace_automation"

    def check_permissions(self, request: Request) -> None:
        """Do nothing if whoever asks has all of the permissions; otherwise raise."""
        super().check_permissions(request)
        method = getattr(self, (request.method or "").lower(), None)
        for permission in getattr(method, "operation", _NONE).needs:
            require(request.user, permission)

    def get_throttles(self) -> list[BaseThrottle]:
        """Return those of the site, and ours in place of the one that goes by scopes."""
        site = [one for one in super().get_throttles() if not isinstance(one, ScopedRateThrottle)]
        return [*site, Throttle()]


class FileEndpoint(Endpoint, base.FileEndpoint):
    """One address that answers with a file, whatever type is asked for."""


class UploadEndpoint(Endpoint, base.UploadEndpoint):
    """One address that takes a file."""


class WorkEndpoint(Endpoint):
    """One address for workers outside."""

    throttle_scope = "ace_automation_work"


_NONE = Operation("")
