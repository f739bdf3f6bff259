"""
Internal: endpoints that write campaigns.
"""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace import campaigns
from edx_ace.api.base import Endpoint, idempotency_key, read, show
from edx_ace.api.schema import Operation
from edx_ace.api.serializers import (
    CampaignFieldsSerializer,
    CampaignPageSerializer,
    CampaignQuerySerializer,
    CampaignSerializer,
    ChangedCampaignSerializer,
    NewCampaignSerializer,
    SeenVersionSerializer,
)
from edx_ace.campaigns import finding


class Campaigns(Endpoint):
    """All campaigns."""

    @Operation("list_campaigns", CampaignPageSerializer, query=CampaignQuerySerializer)
    def get(self, request: Request) -> Response:
        """List the campaigns that you may see, the latest first."""
        return show(
            request,
            CampaignPageSerializer,
            finding.campaigns(request.user, **read(CampaignQuerySerializer, request.query_params)),
        )

    @Operation("create_campaign", CampaignSerializer, takes=NewCampaignSerializer, status=201, is_idempotent=True)
    def post(self, request: Request) -> Response:
        """Make a draft."""
        given = read(NewCampaignSerializer, request.data)
        made = campaigns.create(request.user, idempotency_key=idempotency_key(request), **given)
        return show(request, CampaignSerializer, made, status=201)


class Campaign(Endpoint):
    """One campaign."""

    @Operation("get_campaign", CampaignSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Return a campaign: what is written in it, who it goes to, when, and how far it is."""
        return show(request, CampaignSerializer, self.campaign(request, id))

    @Operation("save_campaign", CampaignSerializer, takes=ChangedCampaignSerializer)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change a draft, or what is scheduled."""
        campaign = self.campaign(request, id)
        saved = campaigns.save(request.user, campaign, **read(ChangedCampaignSerializer, request.data))
        return show(request, CampaignSerializer, saved)

    @Operation("delete_campaign", query=SeenVersionSerializer, status=204)
    def delete(self, request: Request, id: UUID) -> Response:
        """Delete a draft."""
        campaign = self.campaign(request, id)
        campaigns.delete(request.user, campaign, **read(SeenVersionSerializer, request.query_params))
        return Response(status=204)


class Duplicate(Endpoint):
    """Copies of a campaign."""

    @Operation("duplicate_campaign", CampaignSerializer, takes=CampaignFieldsSerializer, status=201, is_idempotent=True)
    def post(self, request: Request, id: UUID) -> Response:
        """Make a draft with what is written in a campaign and who it goes to; fields that are given go over that."""
        campaign = self.campaign(request, id)
        given = read(CampaignFieldsSerializer, request.data)
        made = campaigns.duplicate(request.user, campaign, idempotency_key=idempotency_key(request), **given)
        return show(request, CampaignSerializer, made, status=201)
