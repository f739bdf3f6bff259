"""Internal: the app of the learning site."""

from django.apps import AppConfig


class CoursesConfig(AppConfig):
    name = "courses"
