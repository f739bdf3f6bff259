"""
Public: automation, messages that schedule, update and cancel themselves.

A host declares in ``actions.py`` when a message should exist, to whom it goes and what it says; strategies compare that
with what is scheduled, and the outbox sends it when its time has come, with the data of that moment.

What is done with a scheduled message is a function of this package, and asks nobody's permission: see
`edx_ace.automation.access`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edx_ace.automation.actions import Action
    from edx_ace.automation.controller import (
        add_attachment,
        cancel,
        edit,
        fail,
        lock,
        open_for,
        remove_attachment,
        reschedule,
        resend,
        schedule,
        send_now,
        succeed,
        update,
    )
    from edx_ace.automation.examining import Preview, preview, send_test
    from edx_ace.automation.receivers import BaseAction, BaseActionCancel, BaseActionUpdate
    from edx_ace.automation.strategy import StrategyEnum, run_strategy

__all__ = [
    "Action",
    "BaseAction",
    "BaseActionCancel",
    "BaseActionUpdate",
    "Preview",
    "StrategyEnum",
    "add_attachment",
    "cancel",
    "edit",
    "fail",
    "lock",
    "open_for",
    "preview",
    "remove_attachment",
    "reschedule",
    "resend",
    "run_strategy",
    "schedule",
    "send_now",
    "send_test",
    "succeed",
    "update",
]

_MODULE_OF = {
    "Action": "actions",
    "Preview": "examining",
    "preview": "examining",
    "send_test": "examining",
    "BaseAction": "receivers",
    "BaseActionCancel": "receivers",
    "BaseActionUpdate": "receivers",
    "StrategyEnum": "strategy",
    "run_strategy": "strategy",
}


def __getattr__(name: str) -> Any:
    # Django imports this package before it can import models.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULE_OF.get(name, 'controller')}"), name)
