"""
Public: what became of messages: events of providers, opens and clicks, suppressed addresses, figures.

`suppress` and `lift` say which addresses must not be used, `record_event` keeps what a provider says. Optional:
installing it is adding ``edx_ace.tracking`` to INSTALLED_APPS and ``suppression`` to ACE_ENABLED_POLICIES.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edx_ace.tracking.events import Recorded, record_event
    from edx_ace.tracking.models import Kind, Reason
    from edx_ace.tracking.suppression import lift, suppress

__all__ = ["Kind", "Reason", "Recorded", "lift", "record_event", "suppress"]

_MODULE_OF = {
    "Kind": "models",
    "Reason": "models",
    "Recorded": "events",
    "record_event": "events",
    "lift": "suppression",
    "suppress": "suppression",
}


def __getattr__(name: str) -> Any:
    # Django imports this package before it can import models.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
