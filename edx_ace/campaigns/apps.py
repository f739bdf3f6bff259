"""
Internal: the Django app.
"""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    """Bulk communication. Optional: installing it is adding ``edx_ace.campaigns`` to INSTALLED_APPS."""

    name = "edx_ace.campaigns"
    label = "ace_campaigns"
    verbose_name = _("Campaigns")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let the outbox know where messages of campaigns come from."""
        from edx_ace.campaigns.source import SOURCE
        from edx_ace.outbox import sources

        sources.register(SOURCE)
