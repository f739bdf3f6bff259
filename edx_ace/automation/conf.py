"""
Public: every setting of automation, with its type, default and meaning; read as those of `edx_ace.conf`.
"""

from __future__ import annotations

from edx_ace import conf


class Settings(conf.Settings):
    """Reads ``ACE_<NAME>`` from Django's settings on every access, else the default given here."""

    #: Name, in Django's STORAGES, of where attachments are kept. Not one whose files anybody may read.
    AUTOMATION_STORAGE: str = "default"
    #: How large all attachments of a scheduled message may be together, in bytes.
    AUTOMATION_MAX_ATTACHMENT_BYTES: int = 5_000_000
    #: How long a rendered subject, and a rendered body, may be, in characters; longer ones are a failure.
    AUTOMATION_MAX_OUTPUT_LENGTH: int = 200_000
    #: What templates may read of objects beside their fields and properties, by the label of the model: methods without
    #: arguments, relations to many, fields whose names look like secrets. For example ``{"shop.Order": ["lines"]}``.
    AUTOMATION_READABLE: dict[str, list[str]] = {}
    #: Hosts that pictures may come from; ``*.example.com`` stands for all hosts below that one.
    AUTOMATION_IMAGE_HOSTS: list[str] = []
    #: For how long scheduled messages that have ended are kept, with what was sent and its attachments, in days.
    AUTOMATION_KEEP_DAYS: float = 365


settings = Settings()
