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
        """Register the guard, the source, the chore, the checks, audiences of its own, and what is kept of people."""
        from edx_ace.campaigns import audiences, checks, own_audiences, running  # noqa: F401  # checks
        from edx_ace.campaigns.holding import HOLDING
        from edx_ace.campaigns.pausing import PAUSED
        from edx_ace.campaigns.source import SOURCE
        from edx_ace.outbox import chores, guards, privacy, sources

        guards.register(PAUSED)
        sources.register(SOURCE)
        chores.register(running.tick)
        privacy.register(HOLDING)
        for audience in (own_audiences.FailedOf, own_audiences.MembersOf, own_audiences.AddressesOf):
            audiences.register(audience)
