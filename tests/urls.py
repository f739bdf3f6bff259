"""
Internal: addresses of the site that the tests run in.
"""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("outbox/", include("edx_ace.outbox.urls")),
    path("mail/", include("edx_ace.tracking.urls")),
    path("messages/", include("edx_ace.web.urls")),
    path("api/automation/", include("edx_ace.api.automation.urls")),
    path("api/", include("edx_ace.api.urls")),
    path("staff/campaigns/", include("edx_ace.web.campaigns.urls")),
    path("staff/automation/", include("edx_ace.web.automation.urls")),
    path("staff/", include("edx_ace.web.staff.urls")),
]
