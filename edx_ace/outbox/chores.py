"""
Public: chores, the small regular work of other sub-apps that workers do when they sweep, every few seconds.

A sub-app that has some registers it in ``AppConfig.ready``. A chore is short, a transaction of its own, and done by
several workers at once without harm.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import OperationalError

LOG = logging.getLogger(__name__)

Chore = Callable[[], object]

_chores: list[Chore] = []


def register(chore: Chore) -> None:
    """Do *chore* with every sweep from now on; once, however often it is registered."""
    if chore not in _chores:
        _chores.append(chore)


def unregister(chore: Chore) -> None:
    """Do *chore* no more."""
    _chores.remove(chore)


def do_all() -> None:
    """Do every chore; one that fails is logged and keeps no other from being done."""
    for chore in _chores:
        try:
            chore()
        except OperationalError as error:
            # It lost to the same chore of another worker (a deadlock), or the database is away.
            LOG.info("A chore is done again with the next sweep: %s", type(error).__name__)
        except Exception:
            LOG.exception(
                "The chore %s failed; it is done again with the next sweep.", getattr(chore, "__name__", chore)
            )
