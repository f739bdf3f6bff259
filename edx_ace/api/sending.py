"""
Internal: endpoints for what is done with a campaign as a whole, from scheduling to cancelling it.
"""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace import campaigns
from edx_ace.api.base import Endpoint, idempotency_key, read, show
from edx_ace.api.schema import Operation
from edx_ace.api.serializers import (
    CampaignSerializer,
    CancelledSerializer,
    ScheduleSerializer,
    SeenVersionSerializer,
    WhenSerializer,
    WhomSerializer,
)
from edx_ace.api.shapes import WhySerializer
from edx_ace.campaigns import finding


class ScheduleCampaign(Endpoint):
    """A draft becomes scheduled."""

    @Operation("schedule_campaign", CampaignSerializer, takes=ScheduleSerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Let a draft start at its time, unless something is wrong with it."""
        campaign = finding.campaign(request.user, id)
        return show(
            request,
            CampaignSerializer,
            campaigns.schedule(request.user, campaign, **read(ScheduleSerializer, request.data)),
        )


class UnscheduleCampaign(Endpoint):
    """What is scheduled becomes a draft."""

    @Operation("unschedule_campaign", CampaignSerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Make a draft again of what is scheduled."""
        return show(request, CampaignSerializer, campaigns.unschedule(request.user, finding.campaign(request.user, id)))


class RescheduleCampaign(Endpoint):
    """What is scheduled gets another time."""

    @Operation("reschedule_campaign", CampaignSerializer, takes=WhenSerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Let what is scheduled start at another time; that it was approved stays."""
        campaign = finding.campaign(request.user, id)
        return show(
            request,
            CampaignSerializer,
            campaigns.reschedule(request.user, campaign, **read(WhenSerializer, request.data)),
        )


class StartCampaign(Endpoint):
    """What is scheduled starts."""

    @Operation("start_campaign", CampaignSerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Let what is scheduled start at once."""
        return show(request, CampaignSerializer, campaigns.start_now(request.user, finding.campaign(request.user, id)))


class PauseCampaign(Endpoint):
    """What is being sent waits."""

    @Operation("pause_campaign", CampaignSerializer, takes=WhySerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Let nothing more go until it is resumed; what is being handed over goes."""
        given = read(WhySerializer, request.data)
        done = campaigns.pause(request.user, finding.campaign(request.user, id), **given)
        return show(request, CampaignSerializer, done)


class ResumeCampaign(Endpoint):
    """What is paused goes on."""

    @Operation("resume_campaign", CampaignSerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Go on with what is paused."""
        return show(request, CampaignSerializer, campaigns.resume(request.user, finding.campaign(request.user, id)))


class CancelCampaign(Endpoint):
    """What is scheduled, being sent or paused ends."""

    @Operation("cancel_campaign", CancelledSerializer, takes=WhySerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Stop a campaign for good, and say how many deliveries that stopped."""
        given = read(WhySerializer, request.data)
        done = campaigns.cancel(request.user, finding.campaign(request.user, id), **given)
        return show(request, CancelledSerializer, done)


class ApproveCampaign(Endpoint):
    """A second person approves."""

    @Operation("approve_campaign", CampaignSerializer, takes=SeenVersionSerializer)
    def post(self, request: Request, id: UUID) -> Response:
        """Say, as somebody who has not written it, that a campaign may be sent as it is in that version."""
        campaign = finding.campaign(request.user, id)
        return show(
            request,
            CampaignSerializer,
            campaigns.approve(request.user, campaign, **read(SeenVersionSerializer, request.data)),
        )


class FollowUp(Endpoint):
    """Campaigns that follow one up."""

    @Operation("follow_up_campaign", CampaignSerializer, takes=WhomSerializer, status=201, is_idempotent=True)
    def post(self, request: Request, id: UUID) -> Response:
        """Make a draft with the same content for those whom it could not be sent to, or who joined since."""
        campaign = finding.campaign(request.user, id)
        given = read(WhomSerializer, request.data)
        made = campaigns.follow_up(request.user, campaign, idempotency_key=idempotency_key(request), **given)
        return show(request, CampaignSerializer, made, status=201)
