"""
Public: the durable queue of messages.

`enqueue` is all that a site's code calls, in the transaction of what the message is about. From then on it is
delivered, or ends in a state that says why, whatever dies meanwhile. A worker (``manage.py ace_worker``) does the rest;
the database is all that it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edx_ace.outbox.breakers import circuits
    from edx_ace.outbox.enqueueing import Enqueued, enqueue, enqueue_references
    from edx_ace.outbox.health import Figures, figures
    from edx_ace.outbox.operations import Cancelled, Status, cancel, reconsider, requeue, status
    from edx_ace.outbox.retention import Purged, purge
    from edx_ace.outbox.sources import FromSource, Referred, Source
    from edx_ace.outbox.states import Priority, State

__all__ = [
    "Cancelled",
    "Enqueued",
    "Figures",
    "FromSource",
    "Priority",
    "Purged",
    "Referred",
    "Source",
    "State",
    "Status",
    "cancel",
    "circuits",
    "enqueue",
    "enqueue_references",
    "figures",
    "purge",
    "reconsider",
    "requeue",
    "status",
]

_MODULE_OF = {
    "circuits": "breakers",
    "Enqueued": "enqueueing",
    "enqueue": "enqueueing",
    "enqueue_references": "enqueueing",
    "Figures": "health",
    "figures": "health",
    "Purged": "retention",
    "purge": "retention",
    "FromSource": "sources",
    "Referred": "sources",
    "Source": "sources",
    "Priority": "states",
    "State": "states",
}


def __getattr__(name: str) -> Any:
    # Django imports this package before it can import models.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULE_OF.get(name, 'operations')}"), name)
