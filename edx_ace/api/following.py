"""
Internal: endpoints that say what has come of a campaign.
"""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace.api.base import Endpoint, show
from edx_ace.api.schema import Operation
from edx_ace.api.serializers import ProgressSerializer
from edx_ace.campaigns.progress import progress


class Progress(Endpoint):
    """Figures."""

    @Operation("get_progress", ProgressSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Return how far a campaign is: figures that add up, how fast it goes, and how long it takes."""
        return show(request, ProgressSerializer, progress(self.campaign(request, id)))
