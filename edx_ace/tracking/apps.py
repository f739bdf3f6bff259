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
        """Register the system checks; count what happens, and let workers add it up when they sweep."""
        from edx_ace.outbox import chores
        from edx_ace.outbox.signals import deliveries_moved
        from edx_ace.signals import choice_changed
        from edx_ace.tracking import checks, engagement, figures, retention  # noqa: F401  # the checks register themselves

        deliveries_moved.connect(figures.append_transitions, dispatch_uid="ace_tracking.figures")
        choice_changed.connect(figures.append_unsubscription, dispatch_uid="ace_tracking.figures")
        chores.register(engagement.count)
        chores.register(figures.fold)
        chores.register(retention.purge)
