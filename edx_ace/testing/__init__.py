"""
Public: what tests of code that sends messages need: an outbox, a frozen clock, factories.

Each name is imported when it is first asked for: pytest imports this package in every project, before Django is set up.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edx_ace.testing.clock import Clock, frozen_clock
    from edx_ace.testing.factories import make_message, make_recipient
    from edx_ace.testing.outbox import Outbox, SentMessage, capture

__all__ = ["Clock", "Outbox", "SentMessage", "capture", "frozen_clock", "make_message", "make_recipient"]

_MODULE_OF = {
    "Clock": "edx_ace.testing.clock",
    "Outbox": "edx_ace.testing.outbox",
    "SentMessage": "edx_ace.testing.outbox",
    "capture": "edx_ace.testing.outbox",
    "frozen_clock": "edx_ace.testing.clock",
    "make_message": "edx_ace.testing.factories",
    "make_recipient": "edx_ace.testing.factories",
}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
