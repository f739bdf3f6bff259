"""
Internal: the Django app.
"""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from edx_ace.signals import send_reported


class OutboxConfig(AppConfig):
    """The durable queue of messages. Optional: installing it is adding ``edx_ace.outbox`` to INSTALLED_APPS."""

    name = "edx_ace.outbox"
    label = "ace_outbox"
    verbose_name = _("Outbox")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, what is kept of people, and what records plain sends."""
        from edx_ace.outbox import checks, privacy, recording  # noqa: F401  # importing the checks registers them
        from edx_ace.outbox.holding import HOLDING

        privacy.register(HOLDING)
        send_reported.connect(recording.record, dispatch_uid="ace_outbox.record")
