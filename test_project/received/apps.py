"""Internal: the app of the received messages."""

from django.apps import AppConfig


class ReceivedConfig(AppConfig):
    """Messages as they came in over SMTP."""

    name = "received"
