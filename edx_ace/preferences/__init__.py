"""
Public: what people chose: which categories of messages reach them, over which channels, and how often.

`choose` writes a choice, `taking` reads it; the policy ``preference`` and a guard keep to it. Optional: installing it
is adding ``edx_ace.preferences`` to INSTALLED_APPS and ``preference`` to ACE_ENABLED_POLICIES.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edx_ace.preferences.choices import choose, taking
    from edx_ace.preferences.models import Taking
    from edx_ace.preferences.quiet import quiet_hours_of, reset_quiet_hours, set_quiet_hours

__all__ = ["Taking", "choose", "quiet_hours_of", "reset_quiet_hours", "set_quiet_hours", "taking"]

_MODULE_OF = {
    "Taking": "models",
    "quiet_hours_of": "quiet",
    "reset_quiet_hours": "quiet",
    "set_quiet_hours": "quiet",
}


def __getattr__(name: str) -> Any:
    # Django imports this package before it can import models.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULE_OF.get(name, 'choices')}"), name)
