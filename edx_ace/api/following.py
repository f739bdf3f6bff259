"""
Internal: endpoints that say what has come of a campaign.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace import campaigns
from edx_ace.api.base import Endpoint, FileEndpoint, read, show, show_all
from edx_ace.api.schema import TEXT, Operation
from edx_ace.api.serializers import (
    DaySerializer,
    EntrySerializer,
    ProgressSerializer,
    RecipientPageQuerySerializer,
    RecipientPageSerializer,
    RecipientQuerySerializer,
)
from edx_ace.campaigns import finding


class Progress(Endpoint):
    """Figures."""

    @Operation("get_progress", ProgressSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Return how far a campaign is: figures that add up, how fast it goes, and how long it takes."""
        return show(request, ProgressSerializer, campaigns.progress(finding.campaign(request.user, id)))


class Recipients(Endpoint):
    """Outcomes."""

    @Operation("list_recipients", RecipientPageSerializer, query=RecipientPageQuerySerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """List what became of each recipient, a page at a time."""
        query = read(RecipientPageQuerySerializer, request.query_params)
        found = campaigns.outcomes(request.user, finding.campaign(request.user, id), **query)
        return show(request, RecipientPageSerializer, found)


class Export(FileEndpoint):
    """Outcomes as a file."""

    @Operation("export_recipients", TEXT, query=RecipientQuerySerializer, media_type="text/csv")
    def get(self, request: Request, id: UUID) -> Any:
        """Return what became of each recipient as CSV, however many there are; that is written into the audit trail."""
        query = read(RecipientQuerySerializer, request.query_params)
        lines = campaigns.export(request.user, finding.campaign(request.user, id), **query)
        headers = {"Content-Disposition": f'attachment; filename="{id}.csv"'}
        return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


class Engagement(Endpoint):
    """Figures by day."""

    @Operation("get_engagement", DaySerializer(many=True))
    def get(self, request: Request, id: UUID) -> Response:
        """Return how many messages were sent, opened and clicked on each day."""
        found = campaigns.engagement(finding.campaign(request.user, id))
        return show_all(request, DaySerializer, [{"day": day, "numbers": numbers} for day, numbers in found])


class AuditTrail(Endpoint):
    """Who did what."""

    @Operation("get_audit_trail", EntrySerializer(many=True))
    def get(self, request: Request, id: UUID) -> Response:
        """Return who did what to a campaign, when and why, the first first."""
        return show_all(request, EntrySerializer, finding.entries(request.user, finding.campaign(request.user, id)))
