"""
Public: addresses of the endpoints. A site includes them where it likes, without a namespace of its own::

    path("api/campaigns/", include("edx_ace.api.urls"))
"""

from __future__ import annotations

from edx_ace.errors import MissingExtraError

try:
    from edx_ace.api import describing, following, sending, writing
except ImportError as error:
    raise MissingExtraError("edx_ace.api", "api") from error

from django.urls import path

app_name = "ace_api"
urlpatterns = [
    path("", writing.Campaigns.as_view(), name="campaigns"),
    path("schema/", describing.SchemaEndpoint.as_view(), name="schema"),
    path("<uuid:id>/", writing.Campaign.as_view(), name="campaign"),
    path("<uuid:id>/duplicate/", writing.Duplicate.as_view(), name="duplicate"),
    path("<uuid:id>/schedule/", sending.ScheduleCampaign.as_view(), name="schedule"),
    path("<uuid:id>/unschedule/", sending.UnscheduleCampaign.as_view(), name="unschedule"),
    path("<uuid:id>/reschedule/", sending.RescheduleCampaign.as_view(), name="reschedule"),
    path("<uuid:id>/start/", sending.StartCampaign.as_view(), name="start"),
    path("<uuid:id>/pause/", sending.PauseCampaign.as_view(), name="pause"),
    path("<uuid:id>/resume/", sending.ResumeCampaign.as_view(), name="resume"),
    path("<uuid:id>/cancel/", sending.CancelCampaign.as_view(), name="cancel"),
    path("<uuid:id>/approve/", sending.ApproveCampaign.as_view(), name="approve"),
    path("<uuid:id>/follow-up/", sending.FollowUp.as_view(), name="follow_up"),
    path("<uuid:id>/progress/", following.Progress.as_view(), name="progress"),
]
