"""
Internal: endpoints for what there is to choose from when a campaign is written.
"""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace.api.base import Endpoint, read, show_all
from edx_ace.api.schema import Operation
from edx_ace.api.serializers import (
    AudienceSerializer,
    CategorySerializer,
    DateSerializer,
    KeywordSerializer,
    ScopeQuerySerializer,
    ScopeSerializer,
)
from edx_ace.campaigns import finding


class Scopes(Endpoint):
    """Scopes."""

    @Operation("list_scopes", ScopeSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List what your campaigns may belong to."""
        return show_all(request, ScopeSerializer, finding.scopes(request.user))


class Audiences(Endpoint):
    """Audiences."""

    @Operation("list_audiences", AudienceSerializer(many=True), query=ScopeQuerySerializer)
    def get(self, request: Request) -> Response:
        """List the audiences that you can choose in a scope, with the JSON Schema of their parameters."""
        query = read(ScopeQuerySerializer, request.query_params)
        return show_all(request, AudienceSerializer, finding.audiences(request.user, **query))


class Keywords(Endpoint):
    """Keywords."""

    @Operation("list_keywords", KeywordSerializer(many=True), query=ScopeQuerySerializer)
    def get(self, request: Request) -> Response:
        """List the keywords that can be used in a scope, as in `{{ first_name|you }}`."""
        query = read(ScopeQuerySerializer, request.query_params)
        return show_all(request, KeywordSerializer, finding.keywords(request.user, **query))


class Dates(Endpoint):
    """Dates."""

    @Operation("list_dates", DateSerializer(many=True), query=ScopeQuerySerializer)
    def get(self, request: Request) -> Response:
        """List the dates of a scope that a campaign can go by."""
        query = read(ScopeQuerySerializer, request.query_params)
        found = finding.dates(request.user, **query)
        rows = [{"name": name, "label": label, "at": at} for name, (label, at) in found.items()]
        return show_all(request, DateSerializer, rows)


class Categories(Endpoint):
    """Categories."""

    @Operation("list_categories", CategorySerializer(many=True))
    def get(self, request: Request) -> Response:
        """List what a campaign can be about."""
        return show_all(request, CategorySerializer, finding.categories())
