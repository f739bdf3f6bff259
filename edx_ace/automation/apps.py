"""
Internal: the Django app.
"""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AutomationConfig(AppConfig):
    """Messages by rule. Optional: installing it is adding ``edx_ace.automation`` to INSTALLED_APPS."""

    name = "edx_ace.automation"
    label = "ace_automation"
    verbose_name = _("Automation")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Find the actions of the site and follow what they track; register what workers ask for, and the checks."""
        from edx_ace.automation import actions, checks, reconciling, sending  # noqa: F401  # checks
        from edx_ace.automation.holding import HOLDING
        from edx_ace.automation.source import SOURCE
        from edx_ace.outbox import chores, privacy, sources

        sources.register(SOURCE)
        chores.register(sending.bring_back)
        chores.register(sending.tick, is_prompt=True)
        chores.register(reconciling.follow_up)
        privacy.register(HOLDING)
        actions.discover()
