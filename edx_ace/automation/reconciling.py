"""
Public: reconciling, which finds what should exist and does not, or exists and should not, and repairs it.

For what no signal told: objects that were there before the action, ``QuerySet.update``, rows written by other programs,
time that has passed. ``manage.py ace_reconcile`` does it; once a day is a good habit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from edx_ace.automation import actions, changes, references, strategy
from edx_ace.automation.actions import Action
from edx_ace.automation.models import ScheduledMessage
from edx_ace.automation.strategy import BATCH_SIZE, Decision, StrategyEnum
from edx_ace.outbox.chores import AGAIN

LOG = logging.getLogger(__name__)


@attrs.frozen
class Found:
    """
    What was found about one object.

    Attributes:
        label, key: Label of its model, and its primary key.

        decision: What was done, or would be.

        error: Why that could not be said, or done.
    """

    label: str
    key: Any
    decision: Decision | None = None
    error: Exception | None = None


def reconcile(action: Action, *, dry_run: bool = False) -> Iterator[Found]:
    """
    Go through all objects of *action* and through its open messages, repair, and yield what was found about each.

    Reads `edx_ace.automation.strategy.BATCH_SIZE` at a time, so that many need no more memory, and as many take a
    bounded number of queries; each change takes some of its own.

    Args:
        action: One that `has_conditions`.

        dry_run: Change nothing.
    """
    for objects in _pages(action.objects()):
        yield from _settled(action, objects, dry_run)
    for messages in _pages(ScheduledMessage.objects.filter(action=action.signal, open_key__isnull=False)):
        for label in sorted({message.object_type for message in messages}):
            some = [message for message in messages if message.object_type == label]
            yield from _unseen(action, label, some, dry_run)


def follow_up() -> str | None:
    """Schedule what follows the occurrences of rules that have ended; a chore of the sweep."""
    ended = ScheduledMessage.objects.filter(awaits_next=True, ended_at__isnull=False).order_by("ended_at")
    messages = list(ended[:BATCH_SIZE])
    for name, label in sorted({(message.action, message.object_type) for message in messages}):
        some = [message for message in messages if (message.action, message.object_type) == (name, label)]
        try:
            action = actions.get(name)
            there = _there(label, some)
            objects = [obj for about in there.values() for obj in action.objects_about(about)]
            for found in _settled(action, objects, dry_run=False):
                if found.error is not None:
                    LOG.error("What follows for %s %s is not scheduled.", found.label, found.key, exc_info=found.error)
        except Exception:
            LOG.exception("What follows the messages of the action %s is not scheduled.", name)
    # Those that failed, too: reconciling finds them, and here they would fail with every sweep.
    ScheduledMessage.objects.filter(pk__in=[message.pk for message in messages]).update(awaits_next=False)
    return AGAIN if len(messages) == BATCH_SIZE else None


def _settled(action: Action, objects: Sequence[Any], dry_run: bool) -> Iterator[Found]:
    for start in range(0, len(objects), BATCH_SIZE):
        for obj, found in strategy.settle(action, objects[start : start + BATCH_SIZE], dry_run=dry_run):
            if isinstance(found, Exception):
                yield Found(obj._meta.label, obj.pk, error=found)
            else:
                yield Found(obj._meta.label, obj.pk, found)


def _unseen(action: Action, label: str, messages: Sequence[ScheduledMessage], dry_run: bool) -> Iterator[Found]:
    """Look at *messages* about objects of the model *label* that `Action.objects` does not have, or that are gone."""
    there = _there(label, messages)
    objects: dict[Any, Any] = {}
    for message in messages:
        about = there.get(message.object_key)
        because = [] if about is None else action.objects_about(about)
        if because:
            objects |= {obj.pk: obj for obj in because}
            continue
        code = strategy.OBJECT_GONE if about is None else strategy.CONDITIONS_GONE
        if not dry_run:
            changes.cancel(message, code)
        reason = _("There is nothing any more because of which it should exist.")
        yield Found(label, message.object_key, Decision(StrategyEnum.CANCEL, code, reason, message))
    seen = set(action.objects().filter(pk__in=list(objects)).values_list("pk", flat=True))
    yield from _settled(action, [obj for pk, obj in objects.items() if pk not in seen], dry_run)


def _there(label: str, messages: Sequence[ScheduledMessage]) -> dict[str, Model]:
    """Return what *messages* are about that is there, objects of the model *label*, by primary key as text."""
    objects = references.resolve([{"model": label, "pk": message.object_key} for message in messages])
    return {str(obj.pk): obj for obj in objects if isinstance(obj, Model)}


def _pages(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """Yield all *rows*, a page at a time, in the order of their primary keys."""
    rows = rows.order_by("pk")
    page = list(rows[:BATCH_SIZE])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1].pk)[:BATCH_SIZE])
