"""Internal: addresses of the pages of received messages."""

from django.urls import path

from received import views

app_name = "received"
urlpatterns = [
    path("", views.inbox, name="list"),
    path("messages/<int:pk>/", views.message, {"tab": "html"}, name="message"),
    path("messages/<int:pk>/text/", views.message, {"tab": "text"}, name="text"),
    path("messages/<int:pk>/source/", views.message, {"tab": "source"}, name="source"),
    path("messages/<int:pk>/body/", views.body, name="body"),
]
