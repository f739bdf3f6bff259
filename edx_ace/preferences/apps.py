"""
Internal: the Django app.
"""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PreferencesConfig(AppConfig):
    """What people chose. Optional: installing it is adding ``edx_ace.preferences`` to INSTALLED_APPS."""

    name = "edx_ace.preferences"
    label = "ace_preferences"
    verbose_name = _("Preferences")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the guards, the digests, the system checks, the chores, and what is kept of people."""
        from edx_ace import categories
        from edx_ace.outbox import chores, guards, privacy, sources
        from edx_ace.preferences import at_provider, caps, checks, digests, policies  # noqa: F401  # importing the checks registers them
        from edx_ace.preferences.holding import HOLDING
        from edx_ace.signals import send_reported, unsubscribed_at_provider

        categories.bring(digests.CATEGORY)
        guards.register(policies.OPTED_OUT)
        guards.register(policies.NOT_OPTED_IN)
        privacy.register(HOLDING)
        sources.register(digests.DIGEST_SOURCE)
        chores.register(caps.purge)
        send_reported.connect(caps.give_back, dispatch_uid="ace_preferences.give_back")
        unsubscribed_at_provider.connect(at_provider.turn_off, dispatch_uid="ace_preferences.turn_off")
