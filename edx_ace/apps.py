"""
Internal: the Django app.
"""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EdxAceConfig(AppConfig):
    """The pipeline; no models and no migrations."""

    name = "edx_ace"
    label = "edx_ace"
    verbose_name = _("Communications")

    def ready(self) -> None:
        """Register the system checks."""
        from edx_ace import checks  # noqa: F401  # importing it registers them
