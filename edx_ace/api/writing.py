"""
Internal: endpoints that write campaigns.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace import campaigns
from edx_ace.api.base import Endpoint, FileEndpoint, UploadEndpoint, idempotency_key, read, show, show_all
from edx_ace.api.schema import FILE, Operation
from edx_ace.api.serializers import (
    AddressFileSerializer,
    AddressListSerializer,
    CampaignFieldsSerializer,
    CampaignPageSerializer,
    CampaignQuerySerializer,
    CampaignSerializer,
    ChangedCampaignSerializer,
    ImportedSerializer,
    NewAttachmentSerializer,
    NewCampaignSerializer,
    ScopeQuerySerializer,
    SeenVersionSerializer,
    TemplateNameSerializer,
    TemplateSerializer,
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
        return show(request, CampaignSerializer, finding.campaign(request.user, id))

    @Operation("save_campaign", CampaignSerializer, takes=ChangedCampaignSerializer)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change a draft, or what is scheduled."""
        campaign = finding.campaign(request.user, id)
        saved = campaigns.save(request.user, campaign, **read(ChangedCampaignSerializer, request.data))
        return show(request, CampaignSerializer, saved)

    @Operation("delete_campaign", query=SeenVersionSerializer, status=204)
    def delete(self, request: Request, id: UUID) -> Response:
        """Delete a draft."""
        campaign = finding.campaign(request.user, id)
        campaigns.delete(request.user, campaign, **read(SeenVersionSerializer, request.query_params))
        return Response(status=204)


class Duplicate(Endpoint):
    """Copies of a campaign."""

    @Operation("duplicate_campaign", CampaignSerializer, takes=CampaignFieldsSerializer, status=201, is_idempotent=True)
    def post(self, request: Request, id: UUID) -> Response:
        """Make a draft with what is written in a campaign and who it goes to; fields that are given go over that."""
        campaign = finding.campaign(request.user, id)
        given = read(CampaignFieldsSerializer, request.data)
        made = campaigns.duplicate(request.user, campaign, idempotency_key=idempotency_key(request), **given)
        return show(request, CampaignSerializer, made, status=201)


class Attachments(UploadEndpoint):
    """Files that go with each message."""

    @Operation(
        "attach",
        CampaignSerializer,
        takes={"multipart/form-data": NewAttachmentSerializer},
        status=201,
        is_idempotent=True,
    )
    def post(self, request: Request, id: UUID) -> Response:
        """Attach a file, and return the campaign, which has another version then."""
        campaign = finding.campaign(request.user, id)
        given = read(NewAttachmentSerializer, request.data)
        file = given["file"]
        campaigns.attach(
            request.user,
            campaign,
            version=given["version"],
            name=file.name,
            file=file.read(),
            idempotency_key=idempotency_key(request),
        )
        return show(request, CampaignSerializer, campaign, status=201)


class Attachment(FileEndpoint):
    """One file."""

    @Operation("get_attachment", FILE, media_type="application/octet-stream")
    def get(self, request: Request, id: UUID, key: int) -> Any:
        """Return the file, of whatever type it is."""
        found = finding.attachment(request.user, finding.campaign(request.user, id), key)
        response = HttpResponse(bytes(found.content), content_type=found.content_type)
        response["Content-Disposition"] = content_disposition_header(True, found.name)
        response["X-Content-Type-Options"] = "nosniff"
        return response

    @Operation("detach", CampaignSerializer, query=SeenVersionSerializer)
    def delete(self, request: Request, id: UUID, key: int) -> Response:
        """Take a file off, and return the campaign, which has another version then."""
        campaign = finding.campaign(request.user, id)
        query = read(SeenVersionSerializer, request.query_params)
        found = finding.attachment(request.user, campaign, key)
        campaigns.detach(request.user, campaign, attachment=found, **query)
        return show(request, CampaignSerializer, campaign)


class SaveTemplate(Endpoint):
    """Templates from a campaign."""

    @Operation("save_template", TemplateSerializer, takes=TemplateNameSerializer, status=201, is_idempotent=True)
    def post(self, request: Request, id: UUID) -> Response:
        """Keep what is written in a campaign as the next version of a template."""
        campaign = finding.campaign(request.user, id)
        given = read(TemplateNameSerializer, request.data)
        made = campaigns.save_template(request.user, campaign, idempotency_key=idempotency_key(request), **given)
        return show(request, TemplateSerializer, made, status=201)


class Templates(Endpoint):
    """Saved templates."""

    @Operation("list_templates", TemplateSerializer(many=True), query=ScopeQuerySerializer)
    def get(self, request: Request) -> Response:
        """List the versions of the templates that are saved in a scope, the latest of each first."""
        query = read(ScopeQuerySerializer, request.query_params)
        return show_all(request, TemplateSerializer, finding.templates(request.user, **query))


class CampaignFromTemplate(Endpoint):
    """Campaigns from a template."""

    @Operation("create_from_template", CampaignSerializer, takes=NewCampaignSerializer, status=201, is_idempotent=True)
    def post(self, request: Request, key: int) -> Response:
        """Make a draft with what is written in a version of a template; fields that are given go over that."""
        version = finding.template(request.user, key)
        given = read(NewCampaignSerializer, request.data)
        made = campaigns.from_template(request.user, version, idempotency_key=idempotency_key(request), **given)
        return show(request, CampaignSerializer, made, status=201)


class AddressLists(UploadEndpoint):
    """Lists of addresses."""

    @Operation("list_address_lists", AddressListSerializer(many=True), query=ScopeQuerySerializer)
    def get(self, request: Request) -> Response:
        """List the lists of addresses that were brought into a scope, the latest first."""
        query = read(ScopeQuerySerializer, request.query_params)
        return show_all(request, AddressListSerializer, finding.address_lists(request.user, **query))

    @Operation(
        "import_addresses",
        ImportedSerializer,
        takes={"multipart/form-data": AddressFileSerializer},
        status=201,
        is_idempotent=True,
    )
    def post(self, request: Request) -> Response:
        """Make a list of the addresses in a CSV file; if anything is wrong, each line is told and nothing kept."""
        given = read(AddressFileSerializer, request.data)
        made = campaigns.import_addresses(request.user, idempotency_key=idempotency_key(request), **given)
        return show(request, ImportedSerializer, made, status=201)
