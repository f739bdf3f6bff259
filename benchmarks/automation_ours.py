"""
Internal: automation as one side of a comparison, and a loop that does without it as the other: does what it is told and
says what it took.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import queue_ours
from django.contrib.auth.models import User
from django.core.mail import EmailMultiAlternatives
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone
from serving import peak_memory, serve, timed

from edx_ace.automation import actions, controller, rendering, sending, source
from edx_ace.automation.models import Entry, Letter, ScheduledMessage
from edx_ace.automation.reconciling import reconcile as reconcile_action
from edx_ace.automation.states import State
from edx_ace.automation.templates import Content
from edx_ace.outbox.worker import Worker
from workshops.actions import FollowUp
from workshops.models import Course, Place, Teacher, Workshop

FOLLOW_UP = actions.get(FollowUp.signal)

#: How many rows are written at a time.
CHUNK = 1_000


def migrate() -> None:
    """Make the tables."""
    queue_ours.migrate()
    with connection.schema_editor() as editor:
        for model in (Place, Course, Teacher, Workshop):
            editor.create_model(model)


def fill(count: int) -> None:
    """Make *count* workshops, each booked by somebody else."""
    for model, number in ((Place, 50), (Course, 20), (Teacher, 100)):
        field = "title" if model is Course else "name"
        model.objects.bulk_create(model(**{field: f"{model.__name__} {one}"}) for one in range(number))
    guests = User.objects.bulk_create(
        (User(username=f"user{one}", first_name=f"Ada {one}", email=f"user{one}@example.com") for one in range(count)),
        CHUNK,
    )
    places, courses, teachers = (list(model.objects.all()) for model in (Place, Course, Teacher))
    ends_at = timezone.now() + timedelta(days=30)
    Workshop.objects.bulk_create(
        (
            Workshop(
                title=f"Workshop {one}",
                ends_at=ends_at,
                place=places[one % len(places)],
                course=courses[one % len(courses)],
                teacher=teachers[one % len(teachers)],
                guest=guest,
            )
            for one, guest in enumerate(guests)
        ),
        CHUNK,
    )


def schedule(count: int) -> None:
    """Let a message about each of *count* workshops be due, in place of those that there were."""
    queue_ours.clear()
    for model in (Entry, Letter, ScheduledMessage):
        model.objects.all()._raw_delete(connection.alias)
    due_at = timezone.now() - timedelta(minutes=1)
    first: ScheduledMessage | None = None
    rows = []
    for workshop in FOLLOW_UP.objects().order_by("pk")[:count].iterator(CHUNK):
        if first is None:
            first = controller.schedule(
                FOLLOW_UP,
                scheduled_at=due_at,
                context=FOLLOW_UP.context(workshop),
                recipients=FOLLOW_UP.recipients(workshop),
                about=workshop,
            )
            assert first is not None
            continue
        message = ScheduledMessage(
            action=first.action,
            scheduled_at=due_at,
            due_at=due_at,
            began_at=due_at,
            object_type=first.object_type,
            object_key=str(workshop.pk),
            context={
                name: {**reference, "pk": str(FOLLOW_UP.context(workshop)[name].pk)}
                for name, reference in first.context.items()
            },
            recipients=[{**first.recipients[0], "pk": str(workshop.guest_id)}],
            content=first.content,
            template_version=first.template_version,
        )
        message.open_key = controller._open_key(message)
        rows.append(message)
    ScheduledMessage.objects.bulk_create(rows, CHUNK)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {ScheduledMessage._meta.db_table}")


def send() -> dict[str, float]:
    """Send all that is due, as a worker does."""
    began = timed(_until_done, [sending.tick])
    delivered = timed(lambda worker: worker.run(), [Worker(threads=1, once=True)])
    # It would look again in some seconds.
    ScheduledMessage.objects.filter(state=State.ENQUEUED).update(due_at=timezone.now() - timedelta(seconds=1))
    ended = timed(_until_done, [sending.tick])
    left = ScheduledMessage.objects.exclude(state=State.SUCCEEDED).count()
    assert not left, f"{left} messages were not sent."
    return {
        **{key: began[key] + delivered[key] + ended[key] for key in began},
        "begun": began["wall"],
        "delivered": delivered["wall"],
        "ended": ended["wall"],
        "peak": peak_memory(),
    }


def send_one_at_a_time() -> dict[str, float]:
    """Send all that is due by a loop that looks up, renders and sends each, and writes down that it has."""
    took = timed(_send_one, list(ScheduledMessage.objects.order_by("due_at").values_list("pk", flat=True)))
    assert not ScheduledMessage.objects.exclude(state=State.SUCCEEDED).exists()
    return took


def queries(batch: int) -> dict[str, int]:
    """Return how many queries it takes to put one *batch* into the outbox, and to load it from there."""
    counter = Counter()
    with connection.execute_wrapper(counter):
        rows = sending.leases.claim(sending._open(), batch, sending.LEASE)
        sending._send(rows)
    begun = counter.count
    uuids = list(Letter.objects.filter(message__in=rows).values_list("uuid", flat=True))
    assert len(uuids) == batch
    counter = Counter()
    with connection.execute_wrapper(counter):
        loaded = source.load(uuids)
    assert len(loaded) == batch
    return {"begun": begun, "loaded": counter.count}


def reconcile() -> dict[str, float]:
    """Look at all objects, for each of which there is a message, and at all messages."""
    counter, found = Counter(), 0
    with connection.execute_wrapper(counter):
        for one in reconcile_action(FOLLOW_UP, dry_run=True):
            assert one.error is None and one.decision is not None, one
            found += 1
    return {"found": found, "queries": counter.count, "peak": peak_memory()}


class Counter:
    """Counts queries."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        # A savepoint is not one that a server looks anything up for.
        self.count += "SAVEPOINT" not in sql
        return execute(sql, params, many, context)


def _until_done(act: Callable[[], object]) -> None:
    while act():
        pass


def _send_one(pk: int) -> None:
    models: dict[str, type[Model]] = {model._meta.label: model for model in (Workshop, Place, Course, Teacher, User)}
    with transaction.atomic():
        message = ScheduledMessage.objects.select_for_update().get(pk=pk)
        values = {
            name: models[reference["model"]].objects.get(pk=reference["pk"])
            for name, reference in message.context.items()
        }
        [reference] = message.recipients
        recipient = models[reference["model"]].objects.get(pk=reference["pk"])
        values["recipient"] = recipient
        rendered = rendering.render(Content.from_json(message.content), "en", values, None)
        email = EmailMultiAlternatives(rendered.subject, rendered.text, to=[recipient.email])
        email.attach_alternative(rendered.html, "text/html")
        email.send()
        message.state, message.ended_at, message.open_key = State.SUCCEEDED, timezone.now(), None
        message.save(update_fields=["state", "ended_at", "open_key"])
        Entry.objects.create(message=message, did="succeed", from_state=State.SCHEDULED, to_state=State.SUCCEEDED)


if __name__ == "__main__":
    serve(globals())
