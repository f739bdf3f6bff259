"""
Internal: where the links in the measured mails lead, and the pages of campaigns.
"""

from django.apps import apps
from django.urls import include, path

urlpatterns = [path("messages/", include("edx_ace.web.urls")), path("mail/", include("edx_ace.tracking.urls"))]
if apps.is_installed("edx_ace.campaigns"):
    urlpatterns.append(path("campaigns/", include("edx_ace.web.campaigns.urls")))
