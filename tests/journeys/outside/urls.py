"""
Internal: the addresses of that site.
"""

from django.urls import include, path

urlpatterns = [path("api/automation/", include("edx_ace.api.automation.urls"))]
