"""
Internal: what people unsubscribe from at a mail provider becomes their choice, which the preference centre shows.
"""

from __future__ import annotations

from typing import Any

from edx_ace.errors import UnknownCategoryError
from edx_ace.preferences.choices import choose
from edx_ace.preferences.errors import ChoiceError
from edx_ace.preferences.lookup import is_enabled
from edx_ace.preferences.models import Taking
from edx_ace.signals import PROVIDER


def turn_off(sender: Any, person: str, category: str, channel_type: str, **kwargs: Any) -> bool:
    """Return whether *category* is now turned off; a receiver of `edx_ace.signals.unsubscribed_at_provider`."""
    if not is_enabled("preference"):
        return False
    try:
        choose(person, category, channel_type, Taking.OFF, source=PROVIDER)
    except (ChoiceError, UnknownCategoryError):
        return False
    return True
