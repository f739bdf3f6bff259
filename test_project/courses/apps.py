"""Internal: the app of the learning site."""

from django.apps import AppConfig


class CoursesConfig(AppConfig):
    """Courses, learners and what they are written about."""

    name = "courses"

    def ready(self) -> None:
        """Register the message types."""
        from courses import messages  # noqa: F401  # importing it registers them
