"""
Public: addresses of the pages. A site includes them where it likes, without a namespace of its own::

    path("messages/", include("edx_ace.web.urls"))
"""

from django.urls import path

from edx_ace.web import views

app_name = "ace_web"
urlpatterns = [
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("preferences/", views.preferences, name="preferences"),
    path("preferences/<str:token>/", views.preferences_by_link, name="preferences_by_link"),
    path("view/<str:token>/", views.view, name="view"),
]
