"""
Internal: the Django app.
"""

from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, register
from django.utils.translation import gettext_lazy as _


class EdxAceConfig(AppConfig):
    """The pipeline; no models and no migrations."""

    name = "edx_ace"
    label = "edx_ace"
    verbose_name = _("Communications")

    def ready(self) -> None:
        """Register the system checks."""
        register(_check, "edx_ace")


def _check(**kwargs: Any) -> list[CheckMessage]:
    # Imported when it is run: a worker that only sends need not load what looks a site over.
    from edx_ace.checks import check_site

    return check_site(**kwargs)
