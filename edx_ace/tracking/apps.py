"""
Internal: the Django app.
"""

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _


class TrackingConfig(AppConfig):
    """What became of messages. Optional: installing it is adding ``edx_ace.tracking`` to INSTALLED_APPS."""

    name = "edx_ace.tracking"
    label = "ace_tracking"
    verbose_name = _("Tracking")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the guard, the system checks, the chores and what is kept of people; listen to what is counted."""
        from edx_ace.outbox import chores, guards, notes, privacy
        from edx_ace.signals import choice_changed
        from edx_ace.tracking import checks, engagement, events, figures, webhooks  # noqa: F401  # checks
        from edx_ace.tracking.holding import HOLDING
        from edx_ace.tracking.policies import SUPPRESSED

        guards.register(SUPPRESSED)
        privacy.register(HOLDING)
        notes.register(figures.notes_of)
        choice_changed.connect(figures.append_unsubscription, dispatch_uid="ace_tracking.figures")
        for chore in (events.apply_waiting, engagement.count, figures.fold):
            chores.register(chore)
        if apps.is_installed("anymail"):
            webhooks.listen()
