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
