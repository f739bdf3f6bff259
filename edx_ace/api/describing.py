"""
Internal: the endpoint that gives the OpenAPI schema of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import IsAuthenticated

from edx_ace.api.schema import SETTINGS

if TYPE_CHECKING:
    from rest_framework.permissions import _SupportsHasPermission


class SchemaEndpoint(SpectacularAPIView):
    """What endpoints there are."""

    urlconf = "edx_ace.api.urls"
    custom_settings = SETTINGS
    # Not one of those that it describes.
    schema = None

    def get_permissions(self) -> Sequence[_SupportsHasPermission]:
        """Return the site's permissions, and that somebody has to be logged in."""
        return [IsAuthenticated(), *super().get_permissions()]
