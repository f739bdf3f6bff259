"""
Internal: the outbox as one side of a comparison: does what it is told and says what it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import F  # noqa: E402
from django.utils import timezone  # noqa: E402
from messages import messages  # noqa: E402
from serving import peak_memory, serve, timed  # noqa: E402

from edx_ace.channel import ChannelType  # noqa: E402
from edx_ace.outbox import claiming, enqueue, leases, payloads, people  # noqa: E402
from edx_ace.outbox.clock import DatabaseNow  # noqa: E402
from edx_ace.outbox.models import Attempt, Count, Delivery, OnAmbiguous, Payload  # noqa: E402
from edx_ace.outbox.states import Priority, State  # noqa: E402
from edx_ace.outbox.worker import Worker  # noqa: E402

LEASE = timedelta(minutes=2)


def migrate() -> None:
    """Make the tables."""
    call_command("migrate", verbosity=0)


def clear() -> None:
    """Empty the tables, and those of sub-apps that refer to them."""
    tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in (Attempt, Count, Delivery, Payload))
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} CASCADE")


def deliver(threads: int = 1) -> dict[str, float]:
    """Deliver all that is due."""
    took = timed(lambda worker: worker.run(), [Worker(threads=threads, once=True)])
    left = Delivery.objects.exclude(state=State.SENT).count()
    assert not left, f"{left} deliveries were not sent."
    return took | {"peak": peak_memory()}


def put_in(count: int) -> dict[str, float]:
    """Enqueue *count* messages."""
    return timed(enqueue, [messages(count)])


def put_in_and_deliver(count: int, threads: int) -> dict[str, float]:
    """Enqueue *count* messages and deliver them."""
    enqueued, delivered = put_in(count), deliver(threads)
    return {key: enqueued[key] + delivered[key] for key in enqueued}


def create(count: int) -> dict[str, float]:
    """Write the same rows as `put_in`, each with ``create``."""

    def write(message: Any) -> None:
        now = timezone.now()
        payload = Payload.objects.create(
            uuid=message.uuid, content=payloads.dump(message), created_at=now, **payloads.about(message)
        )
        Delivery.objects.create(
            payload=payload,
            batch=message.send_uuid,
            recipient=people.person_key(message.recipient),
            address=people.address_key(ChannelType.EMAIL, message.recipient.email_address),
            category="general",
            channel_type="email",
            channel="django_email",
            due_at=now,
            created_at=now,
            expires_at=message.expiration_time,
            on_ambiguous=OnAmbiguous.REPEAT,
        )

    return timed(write, messages(count))


def fill(count: int) -> None:
    """Let *count* deliveries wait, one in ten of which is due."""
    now = timezone.now()
    payload = Payload.objects.create(uuid=uuid4(), content="{}", created_at=now)
    Delivery.objects.create(
        payload=payload,
        channel_type="email",
        channel="django_email",
        due_at=now,
        created_at=now,
        on_ambiguous=OnAmbiguous.REPEAT,
    )
    columns = [field.column for field in Delivery._meta.concrete_fields if field.column not in ("id", "due_at")]
    names = ", ".join(map(connection.ops.quote_name, columns))
    table = connection.ops.quote_name(Delivery._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}, due_at) SELECT {names}, "
            "due_at + CASE WHEN n % 10 = 0 THEN -n * interval '1 ms' ELSE n * interval '1 h' END "
            f"FROM {table}, generate_series(1, {count - 1}) AS n"
        )
        cursor.execute(f"VACUUM ANALYZE {table}")


def plan() -> str:
    """Return the plan of the database for finding what is due."""
    return _due().order_by("due_at")[:500].explain()


def claim(limit: int) -> dict[str, float]:
    """Claim *limit* deliveries."""
    return _timed_claim(lambda: leases.claim(_waiting(), limit, LEASE), limit)


def claim_by_orm(limit: int) -> dict[str, float]:
    """Claim *limit* deliveries by a SELECT FOR UPDATE and an UPDATE."""

    def act() -> list[Delivery]:
        with transaction.atomic():
            rows = list(_due().select_for_update(skip_locked=True).order_by("due_at")[:limit])
            Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
                state=State.CLAIMED,
                lease_until=DatabaseNow() + LEASE,
                fence=F("fence") + 1,
                claims=F("claims") + 1,
            )
            return rows

    return _timed_claim(act, limit)


def poll(count: int) -> dict[str, float]:
    """Ask *count* times for what is due when nothing is."""
    return timed(lambda _: claiming.claim(100), range(count))


def _waiting() -> Any:
    return Delivery.objects.filter(channel="django_email", priority=Priority.NORMAL)


def _due() -> Any:
    return _waiting().filter(state=State.QUEUED, due_at__lte=DatabaseNow())


def _timed_claim(act: Callable[[], list[Delivery]], limit: int) -> dict[str, float]:
    started = time.perf_counter()
    rows = act()
    took = time.perf_counter() - started
    assert len(rows) == limit
    return {"wall": took}


if __name__ == "__main__":
    serve(globals())
