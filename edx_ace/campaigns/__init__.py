"""
Public: campaigns, one content for many recipients: bulk communication that staff write, schedule and follow.
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
    from edx_ace.campaigns.preview import find_people, send_test

__all__ = [
    "Imported",
    "attach",
    "create",
    "delete",
    "detach",
    "duplicate",
    "find_people",
    "from_template",
    "import_addresses",
    "save",
    "save_template",
    "send_test",
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
    "find_people": "preview",
    "send_test": "preview",
}


def __getattr__(name: str) -> Any:
    # Django imports this package before it can import models.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
