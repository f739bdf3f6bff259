"""
Public: campaigns, one content for many recipients: bulk communication that staff write, schedule and follow.

What somebody does is a function that takes the user first, asks the host whether they may, and writes a line of the
audit trail; None as the user is the system itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edx_ace.campaigns.address_lists import Imported, import_addresses
    from edx_ace.campaigns.editing import (
        attach,
        create,
        delete,
        detach,
        duplicate,
        from_template,
        save,
        save_template,
    )
    from edx_ace.campaigns.following import Progress, engagement, export, outcomes, progress
    from edx_ace.campaigns.forecasting import Forecast, forecast, start_forecast
    from edx_ace.campaigns.operations import (
        approve,
        cancel,
        follow_up,
        pause,
        reschedule,
        resume,
        schedule,
        start_now,
        unschedule,
    )
    from edx_ace.campaigns.preview import find_people, send_test

__all__ = [
    "Forecast",
    "Imported",
    "Progress",
    "approve",
    "attach",
    "cancel",
    "create",
    "delete",
    "detach",
    "duplicate",
    "engagement",
    "export",
    "find_people",
    "follow_up",
    "forecast",
    "from_template",
    "import_addresses",
    "outcomes",
    "pause",
    "progress",
    "reschedule",
    "resume",
    "save",
    "save_template",
    "schedule",
    "send_test",
    "start_forecast",
    "start_now",
    "unschedule",
]

_MODULE_OF = {
    "Imported": "address_lists",
    "import_addresses": "address_lists",
    "attach": "editing",
    "create": "editing",
    "delete": "editing",
    "detach": "editing",
    "duplicate": "editing",
    "from_template": "editing",
    "save": "editing",
    "save_template": "editing",
    "Progress": "following",
    "engagement": "following",
    "export": "following",
    "outcomes": "following",
    "progress": "following",
    "Forecast": "forecasting",
    "forecast": "forecasting",
    "start_forecast": "forecasting",
    "approve": "operations",
    "cancel": "operations",
    "follow_up": "operations",
    "pause": "operations",
    "reschedule": "operations",
    "resume": "operations",
    "schedule": "operations",
    "start_now": "operations",
    "unschedule": "operations",
    "find_people": "preview",
    "send_test": "preview",
}


def __getattr__(name: str) -> Any:
    # Django imports this package before it can import models.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
