"""Internal: messages show times as their reader's clock does (``ACE_RENDER_CONTEXT``)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from edx_ace import Message


def of_recipient(message: Message) -> AbstractContextManager[None]:
    """Return a context in which times are local to the recipient of *message*."""
    return timezone.override(ZoneInfo(message.context.get("time_zone", settings.TIME_ZONE)))
