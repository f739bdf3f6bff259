"""
Public: chores, the small regular work of other sub-apps that workers do when they sweep, every few seconds.

A sub-app that has some registers it in ``AppConfig.ready``. A chore is short, a transaction of its own, and done by
several workers at once without harm. One that has much to do does a part of it, for a second, and returns `AGAIN`.
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

_chores: list[Chore] = []


def register(chore: Chore) -> None:
    """Do *chore* with every sweep from now on; once, however often it is registered."""
    if chore not in _chores:
        _chores.append(chore)


def unregister(chore: Chore) -> None:
    """Do *chore* no more."""
    _chores.remove(chore)


def do_all() -> bool:
    """
    Do every chore, and return whether one has more to do; one that fails is logged and keeps no other from being done.
    """
    is_left = False
    for chore in _chores:
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
