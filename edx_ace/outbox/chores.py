"""
Public: chores, the small regular work of other sub-apps that workers do when they sweep, every few seconds.

A sub-app that has some registers it in ``AppConfig.ready``. A chore is short, a transaction of its own, and done by
several workers at once without harm. One that has much to do does a part of it, for a second, and returns `AGAIN`. One
that has things to begin at their second is *prompt*: the embedded worker does it whenever it looks what is due. By
Celery it is done as the others are, as often as beat asks for `edx_ace.outbox.tasks.sweep`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from django.db import OperationalError

LOG = logging.getLogger(__name__)

#: What a chore returns that has more to do: it is called again once the worker has delivered what it finds.
AGAIN: Final = "again"

Chore = Callable[[], object]

#: Each, and whether it is prompt.
_chores: dict[Chore, bool] = {}


def register(chore: Chore, *, is_prompt: bool = False) -> None:
    """Do *chore* with every sweep from now on, and if it *is_prompt*, more often; however often it is registered."""
    _chores[chore] = is_prompt


def unregister(chore: Chore) -> None:
    """Do *chore* no more."""
    del _chores[chore]


def do_all() -> bool:
    """
    Do every chore, and return whether one has more to do; one that fails is logged and keeps no other from being done.
    """
    return _do(list(_chores))


def do_prompt() -> bool:
    """Do those that are prompt, as `do_all` does all of them."""
    return _do([chore for chore, is_prompt in _chores.items() if is_prompt])


def _do(chosen: list[Chore]) -> bool:
    is_left = False
    for chore in chosen:
        try:
            is_left |= chore() == AGAIN
        except OperationalError as error:
            # It lost to the same chore of another worker (a deadlock), or the database is away.
            LOG.info("A chore is done again with the next sweep: %s", type(error).__name__)
        except Exception:
            LOG.exception(
                "The chore %s failed; it is done again with the next sweep.", getattr(chore, "__name__", chore)
            )
    return is_left
