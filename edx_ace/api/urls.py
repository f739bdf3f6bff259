"""
Public: addresses of the endpoints. A site includes them where it likes, without a namespace of its own::

    path("api/campaigns/", include("edx_ace.api.urls"))
"""

from __future__ import annotations

from edx_ace.errors import MissingExtraError

try:
    from edx_ace.api import choices, describing, following, looking, sending, writing
except ImportError as error:
    raise MissingExtraError("edx_ace.api", "api") from error

from django.urls import path

app_name = "ace_api"
urlpatterns = [
    path("", writing.Campaigns.as_view(), name="campaigns"),
    path("scopes/", choices.Scopes.as_view(), name="scopes"),
    path("audiences/", choices.Audiences.as_view(), name="audiences"),
    path("keywords/", choices.Keywords.as_view(), name="keywords"),
    path("dates/", choices.Dates.as_view(), name="dates"),
    path("categories/", choices.Categories.as_view(), name="categories"),
    path("templates/", writing.Templates.as_view(), name="templates"),
    path("templates/<int:key>/campaigns/", writing.CampaignFromTemplate.as_view(), name="from_template"),
    path("address-lists/", writing.AddressLists.as_view(), name="address_lists"),
    path("schema/", describing.SchemaEndpoint.as_view(), name="schema"),
    path("<uuid:id>/", writing.Campaign.as_view(), name="campaign"),
    path("<uuid:id>/attachments/", writing.Attachments.as_view(), name="attachments"),
    path("<uuid:id>/attachments/<int:key>/", writing.Attachment.as_view(), name="attachment"),
    path("<uuid:id>/template/", writing.SaveTemplate.as_view(), name="save_template"),
    path("<uuid:id>/duplicate/", writing.Duplicate.as_view(), name="duplicate"),
    path("<uuid:id>/preflight/", looking.Preflight.as_view(), name="preflight"),
    path("<uuid:id>/forecast/", looking.Forecast.as_view(), name="forecast"),
    path("<uuid:id>/people/", looking.People.as_view(), name="people"),
    path("<uuid:id>/preview/", looking.Preview.as_view(), name="preview"),
    path("<uuid:id>/test/", looking.Test.as_view(), name="test"),
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
    path("<uuid:id>/recipients/", following.Recipients.as_view(), name="recipients"),
    path("<uuid:id>/recipients.csv", following.Export.as_view(), name="export"),
    path("<uuid:id>/engagement/", following.Engagement.as_view(), name="engagement"),
    path("<uuid:id>/audit-trail/", following.AuditTrail.as_view(), name="audit_trail"),
]
