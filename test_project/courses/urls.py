"""Internal: addresses of the learning site's pages."""

from django.urls import path

from courses import views

app_name = "courses"
urlpatterns = [path("<slug:slug>/", views.course, name="course")]
