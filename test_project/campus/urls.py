"""Internal: addresses of the test project's pages."""

from django.urls import include, path

urlpatterns = [
    path("", include("received.urls")),
    path("courses/", include("courses.urls")),
]
