"""Internal: addresses of the pages of workshops."""

from django.urls import path

from workshops import views

app_name = "workshops"
urlpatterns = [path("", views.workshops, name="workshops"), path("<int:pk>/", views.workshop, name="workshop")]
