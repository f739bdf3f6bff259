"""
Public: addresses of the pages. A site includes them where it likes, without a namespace of its own::

    path("messages/", include("edx_ace.web.urls"))
"""

from django.urls import URLPattern, URLResolver

app_name = "ace_web"
urlpatterns: list[URLPattern | URLResolver] = []
