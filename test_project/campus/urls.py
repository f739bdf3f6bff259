"""Internal: addresses of the test project's pages."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("outbox/", include("edx_ace.outbox.urls")),
    path("staff/campaigns/", include("edx_ace.web.campaigns.urls")),
    path("staff/automation/", include("edx_ace.web.automation.urls")),
    path("staff/", include("edx_ace.web.staff.urls")),
    path("api/campaigns/", include("edx_ace.api.urls")),
    path("api/automation/", include("edx_ace.api.automation.urls")),
    path("mail/", include("edx_ace.tracking.urls")),
    path("choices/", include("edx_ace.web.urls")),
    path("", include("compose.urls")),
    path("", include("received.urls")),
    path("courses/", include("courses.urls")),
    path("workshops/", include("workshops.urls")),
]
