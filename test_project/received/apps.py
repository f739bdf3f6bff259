"""Internal: the app of the received messages."""

from django.apps import AppConfig


class ReceivedConfig(AppConfig):
    name = "received"
