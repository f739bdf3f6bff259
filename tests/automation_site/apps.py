"""
Internal: the Django app.
"""

from django.apps import AppConfig


class AutomationSiteConfig(AppConfig):
    """Workshops, who teaches them, and as what. It has no migrations: the tests' runner makes its tables."""

    name = "tests.automation_site"
    label = "automation_site"
    default_auto_field = "django.db.models.BigAutoField"
