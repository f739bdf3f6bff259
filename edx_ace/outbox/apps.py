"""
Internal: the Django app.
"""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OutboxConfig(AppConfig):
    """The durable queue of messages. Optional: installing it is adding ``edx_ace.outbox`` to INSTALLED_APPS."""

    name = "edx_ace.outbox"
    label = "ace_outbox"
    verbose_name = _("Outbox")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from edx_ace.outbox import checks  # noqa: F401  # importing it registers them
