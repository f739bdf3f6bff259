"""
Internal: where the links in the measured mails lead.
"""

from django.urls import include, path

urlpatterns = [path("messages/", include("edx_ace.web.urls")), path("mail/", include("edx_ace.tracking.urls"))]
