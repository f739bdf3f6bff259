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
        """Register the guard, the system checks, and what is kept of people."""
        from edx_ace.outbox import guards, privacy
        from edx_ace.preferences import checks  # noqa: F401  # importing them registers them
        from edx_ace.preferences.holding import HOLDING
        from edx_ace.preferences.policies import OPTED_OUT

        guards.register(OPTED_OUT)
        privacy.register(HOLDING)
