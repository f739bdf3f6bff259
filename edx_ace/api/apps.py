"""
Internal: the Django app.
"""

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
        try:
            import drf_spectacular  # noqa: F401
            import rest_framework  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("edx_ace.api", "api") from error
