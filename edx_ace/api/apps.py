"""
Internal: the Django app.
"""

from importlib.util import find_spec

from django.apps import AppConfig

from edx_ace.errors import MissingExtraError


class ApiConfig(AppConfig):
    """REST endpoints. Optional: installing it is adding ``edx_ace.api`` to INSTALLED_APPS."""

    name = "edx_ace.api"
    label = "ace_api"

    def ready(self) -> None:
        """
        Do nothing if all that the endpoints need is installed.

        Raises:
            MissingExtraError: If not.
        """
        if not all(find_spec(name) for name in ("rest_framework", "drf_spectacular")):
            raise MissingExtraError("edx_ace.api", "api")
