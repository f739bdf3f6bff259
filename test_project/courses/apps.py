"""Internal: the app of the learning site."""

from django.apps import AppConfig


class CoursesConfig(AppConfig):
    """Courses, learners, what they are written about, and who can write to them."""

    name = "courses"

    def ready(self) -> None:
        """Register the message types and the audiences of campaigns."""
        from courses import audiences, messages  # noqa: F401  # importing them registers them
