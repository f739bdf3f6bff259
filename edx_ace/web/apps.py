"""
Internal: the Django app.
"""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebConfig(AppConfig):
    """Pages for recipients and staff. Optional: installing it is adding ``edx_ace.web`` to INSTALLED_APPS."""

    name = "edx_ace.web"
    label = "ace_web"
    verbose_name = _("Messages")

    def ready(self) -> None:
        """Register the system checks."""
        from edx_ace.web import checks  # noqa: F401  # importing them registers them
