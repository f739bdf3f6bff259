"""Internal: times in messages, which carry them as ISO 8601 text."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone

register = template.Library()


@register.filter
def local_time(value: str) -> datetime:
    """Return *value*, ISO 8601 with an offset, in the active time zone."""
    return timezone.localtime(datetime.fromisoformat(value))
