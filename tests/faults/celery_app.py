"""
Internal: the Celery app of that site.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.signals import worker_before_create_process, worker_init
from django.conf import settings

app = Celery("faults")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def _wait_less(**_: Any) -> None:
    """Let a ring count as lost sooner, as tests wait for it."""
    from edx_ace.outbox import doorbell

    doorbell.RING = settings.RING


@worker_before_create_process.connect
def _open_connections(**_: Any) -> None:
    """Let the parent use the database, the mail server and the broker, as a site's own code may, just before a fork."""
    if settings.OPENS_CONNECTIONS:
        from django.db import connection

        from edx_ace import ace
        from edx_ace.outbox import tasks
        from tests.pipeline import welcome

        connection.ensure_connection()
        assert ace.send(welcome(name="greeting", context={"name": "parent"}))
        tasks.send(tasks.sweep)
