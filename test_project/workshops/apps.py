"""Internal: the app of workshops."""

from django.apps import AppConfig


class WorkshopsConfig(AppConfig):
    """Workshops, who hosts them, who comes, and members who support them."""

    name = "workshops"
