"""Internal: messages show times as their reader's clock does (``ACE_RENDER_CONTEXT``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from edx_ace import Message


@contextmanager
def of_recipient(message: Message) -> Iterator[str]:
    """
    Make times local to the recipient of *message*.

    Yields the name of the site's one set of templates, so that each is looked up once and not for every message.
    """
    with timezone.override(ZoneInfo(message.context.get("time_zone", settings.TIME_ZONE))):
        yield "campus"
