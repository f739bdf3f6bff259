"""
Public: the addresses that tracked links and pixels have. A site includes them where it likes, without a namespace of
its own::

    path("m/", include("edx_ace.tracking.urls"))
"""

from django.urls import path

from edx_ace.tracking import views

app_name = "ace_tracking"
urlpatterns = [
    path("c/<str:token>", views.click, name="click"),
    path("o/<str:token>.gif", views.open_, name="open"),
]
