"""
Internal: the doorbell, by which whoever enqueues tells Celery's workers that something is due.

A broker takes a millisecond for a task, and a task that a broker loses is gone. So there is no task for each message: a
ring asks for one *drain* (`edx_ace.outbox.tasks`), which delivers whatever is due. The row `Doorbell` says whether a
ring is on its way or somebody is draining already; then nobody rings again. Whoever drains looks once more after it
has said that it leaves, so that what is committed at that moment is either seen or rung for.

The row decides how many tasks there are and never what is delivered: a ring too many finds nothing, and what a
lost one was for is found by the sweep.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.db import router, transaction
from django.db.models import DurationField, Q, QuerySet, Value

from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.conf import settings
from edx_ace.outbox.models import Doorbell

LOG = logging.getLogger(__name__)

#: For how long a ring that nobody has answered is waited for. After that it counts as lost, with its broker perhaps; so
#: this is also how often a broker that does not answer is tried, by the whole site.
RING = timedelta(seconds=30)

#: For how long somebody who drains counts as there without a word. It says so with each batch.
PRESENCE = timedelta(seconds=10)

_PK = 1


def ring_on_commit(using: str) -> None:
    """Ring when the transaction on *using* is committed, if the site delivers by Celery."""
    if settings.OUTBOX_CELERY:
        # Robust: what has been committed must not look as if it had failed.
        transaction.on_commit(ring, using=using, robust=True)


def ring() -> None:
    """Ask for a drain, unless one has been asked for or is going on."""
    if not _bell().filter(_is_rung() | Q(attended_until__gt=DatabaseNow())).exists():
        _ask()


def call_another() -> None:
    """Ask for a drain beside those that are going on, unless one has been asked for."""
    if not _bell().filter(_is_rung()).exists():
        _ask()


def answer() -> None:
    """Say that a drain begins: nobody needs to ring while it goes on."""
    _note(rung_at=None, attended_until=_in(PRESENCE))


def stay() -> None:
    """Say that a drain goes on."""
    _note(attended_until=_in(PRESENCE))


def leave() -> None:
    """Say that a drain ends; look once more afterwards."""
    _note(attended_until=None)


def _ask() -> None:
    _note(rung_at=DatabaseNow())
    # Celery takes a while to import, which is for nothing where it is not used.
    from edx_ace.outbox import tasks

    try:
        tasks.send(tasks.drain)
    except Exception as error:  # each broker has its own
        LOG.warning("The doorbell cannot be rung; the sweep will find what is due. Celery's broker says: %s", error)


def _is_rung() -> Q:
    return Q(rung_at__gt=_in(-RING))


def _note(**changes: Any) -> None:
    if not _bell().update(**changes):
        _bell().bulk_create([Doorbell(pk=_PK, **changes)], ignore_conflicts=True)


def _bell() -> QuerySet[Doorbell]:
    return Doorbell.objects.using(router.db_for_write(Doorbell)).filter(pk=_PK)


def _in(delay: timedelta) -> Any:
    return DatabaseNow() + Value(delay, output_field=DurationField())
