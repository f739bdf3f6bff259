"""
Public: addresses of the pages of campaigns. A site includes them where it likes, without a namespace of its own::

    path("staff/campaigns/", include("edx_ace.web.campaigns.urls"))
"""

from django.urls import path

from edx_ace.web.campaigns import beginning, following, listing, looking, sending, writing

app_name = "ace_campaigns_web"
urlpatterns = [
    path("", listing.page, name="list"),
    path("new/", beginning.page, name="new"),
    path("<uuid:uuid>/", following.page, name="detail"),
    path("<uuid:uuid>/progress/", following.progress_part, name="progress"),
    path("<uuid:uuid>/recipients/", following.recipients, name="recipients"),
    path("<uuid:uuid>/recipients.csv", following.export, name="export"),
    path("<uuid:uuid>/write/", writing.page, name="write"),
    path("<uuid:uuid>/attachments/<int:key>/", writing.attachment, name="attachment"),
    path("<uuid:uuid>/preview/", looking.page, name="preview"),
    path("<uuid:uuid>/preview/frame/", looking.frame, name="frame"),
    path("<uuid:uuid>/test/", looking.test, name="test"),
    path("<uuid:uuid>/send/", sending.page, name="send"),
    path("<uuid:uuid>/count/", sending.count, name="count"),
    path("<uuid:uuid>/cancel/", sending.cancel, name="cancel"),
    path("<uuid:uuid>/do/<slug:verb>/", sending.do, name="do"),
]
