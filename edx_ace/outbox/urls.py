"""
Public: addresses of the outbox's pages.
"""

from django.urls import path

from edx_ace.outbox import views

app_name = "ace_outbox"
urlpatterns = [path("health/", views.health, name="health")]
