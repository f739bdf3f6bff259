"""
Internal: the Django app.
"""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TrackingConfig(AppConfig):
    """What became of messages. Optional: installing it is adding ``edx_ace.tracking`` to INSTALLED_APPS."""

    name = "edx_ace.tracking"
    label = "ace_tracking"
    verbose_name = _("Tracking")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register guard, system checks and what is kept of people, and what listens to providers and to the sweep."""
        from edx_ace.outbox import guards, privacy
        from edx_ace.outbox.signals import swept
        from edx_ace.tracking import checks, webhooks  # noqa: F401  # importing the checks registers them
        from edx_ace.tracking.events import apply_waiting
        from edx_ace.tracking.holding import HOLDING
        from edx_ace.tracking.policies import SUPPRESSED

        guards.register(SUPPRESSED)
        privacy.register(HOLDING)
        swept.connect(apply_waiting, dispatch_uid="ace_tracking.apply_waiting")
        try:
            from anymail.signals import tracking
        except ImportError:
            # The extra "anymail" is optional.
            return
        tracking.connect(webhooks.receive, dispatch_uid="ace_tracking.receive")
