"""
Internal: endpoints that show a campaign before it is sent: what is wrong with it, who gets it, and what it looks like.
"""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace import campaigns
from edx_ace.api.base import Endpoint, idempotency_key, read, show, show_all
from edx_ace.api.schema import Operation
from edx_ace.api.serializers import (
    ForecastSerializer,
    LookSerializer,
    PeopleQuerySerializer,
    PreflightSerializer,
    PreviewSerializer,
    SeenSerializer,
    TestSerializer,
)
from edx_ace.api.shapes import ReportSerializer
from edx_ace.campaigns import finding, preflight, preview


class Preflight(Endpoint):
    """What is wrong with a campaign."""

    @Operation("get_preflight", PreflightSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Return what is wrong with a campaign now, and how many recipients it has, if these were counted."""
        return show(request, PreflightSerializer, preflight.preflight(request.user, finding.campaign(request.user, id)))


class Forecast(Endpoint):
    """Who would get a campaign."""

    @Operation("get_forecast", ForecastSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Return the forecast that is being made, how far it is, or else the last one; 404: there is none."""
        return show(request, ForecastSerializer, finding.forecast(request.user, finding.campaign(request.user, id)))

    @Operation("start_forecast", ForecastSerializer, status=202)
    def post(self, request: Request, id: UUID) -> Response:
        """
        Let workers count exactly who would get a campaign, and who would not and why: a minute for a million people.

        Ask for the forecast until its share is 1.
        """
        made = campaigns.start_forecast(request.user, finding.campaign(request.user, id))
        return show(request, ForecastSerializer, made, status=202)


class People(Endpoint):
    """For whom a campaign can be previewed."""

    @Operation("find_people", SeenSerializer(many=True), query=PeopleQuerySerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Find people of the audiences; exclusions are left out of account."""
        query = read(PeopleQuerySerializer, request.query_params)
        found = campaigns.find_people(request.user, finding.campaign(request.user, id), **query)
        return show_all(request, SeenSerializer, found)


class Preview(Endpoint):
    """What a campaign looks like."""

    @Operation("preview_campaign", PreviewSerializer, query=LookSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        """Return what somebody gets, in their language or another."""
        query = read(LookSerializer, request.query_params)
        return show(
            request, PreviewSerializer, preview.preview(request.user, finding.campaign(request.user, id), **query)
        )


class Test(Endpoint):
    """Tests of a campaign."""

    @Operation("send_test", ReportSerializer, takes=TestSerializer, is_idempotent=True)
    def post(self, request: Request, id: UUID) -> Response:
        """Send a test, which says that it is one and is counted nowhere, and say what came of it."""
        given = read(TestSerializer, request.data)
        campaign = finding.campaign(request.user, id)
        report = campaigns.send_test(request.user, campaign, idempotency_key=idempotency_key(request), **given)
        return show(request, ReportSerializer, report)
