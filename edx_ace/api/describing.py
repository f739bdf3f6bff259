"""
Internal: the endpoint that gives the OpenAPI schema of all.
"""

from __future__ import annotations

from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import BasePermission, IsAuthenticated

from edx_ace.api.schema import SETTINGS


class SchemaEndpoint(SpectacularAPIView):
    """What endpoints there are."""

    urlconf = "edx_ace.api.urls"
    custom_settings = SETTINGS
    # Not one of those that it describes.
    schema = None

    def get_permissions(self) -> list[BasePermission]:
        """Return the site's permissions, and that somebody has to be logged in."""
        return [IsAuthenticated(), *super().get_permissions()]
