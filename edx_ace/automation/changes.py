"""
Internal: what changes in the site's objects: those that actions track are looked at again, those that are gone cancel.

Once their transaction is committed, and never within it: each object once, however often it changed. What goes wrong
then is logged and breaks nothing; ``manage.py ace_reconcile`` finds what is missing.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import apps
from django.db import router, transaction
from django.db.models import ManyToManyField, ManyToManyRel, Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.utils.translation import gettext as _

from edx_ace.automation import actions, controller, strategy
from edx_ace.automation.actions import Action
from edx_ace.automation.errors import ConflictError
from edx_ace.automation.models import ScheduledMessage

LOG = logging.getLogger(__name__)

_UID = "edx_ace.automation"

#: Where an object that is being saved holds what it was.
_BEFORE = "_ace_before"

_local = threading.local()


class _Changed:
    """
    What changed in one transaction.

    Held by the callbacks of the transaction alone, so that nothing is left of one that is rolled back.
    """

    def __init__(self) -> None:
        #: Primary keys of the objects to look at, by the name of the action and their model.
        self.objects: dict[tuple[str, type[Model]], dict[Any, None]] = defaultdict(dict)
        #: Those of what messages are about, where that is not the object itself, in the same way: because of that
        #: object the message may be about something else by now.
        self.abouts: dict[tuple[str, type[Model]], dict[Any, None]] = defaultdict(dict)
        #: Those of objects that were deleted, by their model and what messages call it.
        self.deleted: dict[tuple[type[Model], str], dict[Any, None]] = defaultdict(dict)
        self.is_done = False

    def __call__(self) -> None:
        """Do what is to be done, once, with the first callback that is called."""
        if self.is_done:
            return
        self.is_done = True
        # A part may have been rolled back to a savepoint. So each object is looked at as it is now.
        for (model, label), pks in self.deleted.items():
            for some in _in_batches(pks):
                try:
                    _cancel_gone(model, label, some)
                except Exception:
                    LOG.exception("Messages about %s that are gone cannot be cancelled.", model._meta.label)
        for (name, model), pks in self.objects.items():
            for some in _in_batches(pks):
                _settle(name, model, some)
        for (name, model), pks in self.abouts.items():
            for some in _in_batches(pks):
                _settle_abouts(name, model, some)


def follow(action: Action) -> None:
    """Listen to what happens to the objects that *action* tracks, and to those that its messages are about."""
    for model in _with_subclasses(*action.track):
        pre_save.connect(_before_save, model, dispatch_uid=_UID)
        post_save.connect(_saved, model, dispatch_uid=_UID)
        pre_delete.connect(_before_delete, model, dispatch_uid=_UID)
        for _name, through in _many_to_many(model):
            m2m_changed.connect(_related, through, dispatch_uid=_UID)
    about = action.model_of_messages
    for about_one in [None] if about is None else _with_subclasses(about):
        post_delete.connect(_deleted, about_one, dispatch_uid=_UID)


def cancel(message: ScheduledMessage, code: str) -> None:
    """Cancel *message*, as *code* says; one that was sent meanwhile stays as it is."""
    gone = _("What it was about is gone.")
    why = gone if code == strategy.OBJECT_GONE else _("Its conditions do not hold any more.")
    try:
        controller.cancel(message, why=why, code=code)
    except ConflictError as error:
        LOG.info("The scheduled message %s was not cancelled: %s", message.uuid, error)


def _cancel_gone(model: type[Model], label: str, pks: Sequence[Any]) -> None:
    """Cancel the messages about those objects of *model* that are not there any more."""
    messages = ScheduledMessage.objects.filter(
        object_type=label,
        object_key__in=[str(pk) for pk in pks],
        open_key__isnull=False,
    )
    if waiting := list(messages):
        objects = model._base_manager.using(router.db_for_write(model))
        there = {str(pk) for pk in objects.filter(pk__in=pks).values_list("pk", flat=True)}
        for message in waiting:
            if message.object_key not in there:
                cancel(message, strategy.OBJECT_GONE)


def _before_save(sender: type[Model], instance: Model, raw: bool, using: str, **kwargs: Any) -> None:
    # What it refers to may be about to change: those that it referred to before are looked at, too.
    if not raw and not instance._state.adding and not _is_object_of_all(instance):
        setattr(instance, _BEFORE, sender._base_manager.using(using).filter(pk=instance.pk).first())


def _saved(sender: type[Model], instance: Model, raw: bool, using: str, **kwargs: Any) -> None:
    if not raw:
        before = instance.__dict__.pop(_BEFORE, None)
        _look_at([instance] if before is None else [before, instance], using)


def _before_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    _look_at([instance], using)


def _related(
    sender: Any, instance: Model, action: str, model: type[Model], pk_set: set[Any] | None, using: str, **kwargs: Any
) -> None:
    if action in ("post_add", "post_remove", "pre_clear"):
        others: Iterable[Model] = ()
        if any(issubclass(model, tuple(one.track)) for one in actions.all_actions().values()):
            others = (
                _others(sender, instance) if pk_set is None else model._base_manager.using(using).filter(pk__in=pk_set)
            )
        _look_at([instance, *others], using)


def _others(through: Any, instance: Model) -> Iterator[Model]:
    for name, one in _many_to_many(type(instance)):
        if one is through and name:
            yield from getattr(instance, name).all()


def _deleted(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    changed = _changed(using)
    changed.deleted[sender, controller.place_of(instance)[0]][instance.pk] = None
    transaction.on_commit(changed, using, robust=True)


def _look_at(instances: Iterable[Model], using: str) -> None:
    """Look once it is committed at the objects because of which there may be a message that concerns *instances*."""
    changed = _changed(using)
    for action in actions.all_actions().values():
        for instance in instances:
            if not isinstance(instance, tuple(action.track)):
                continue
            try:
                for obj in action.objects_of(instance):
                    changed.objects[action.signal, type(obj)][obj.pk] = None
                if action.is_about_another and isinstance(instance, action.model_of_objects):
                    about = action.related_object(instance)
                    changed.abouts[action.signal, type(about)][about.pk] = None
            except Exception:
                LOG.exception("The action %s does not say which objects a change concerns.", action.signal)
    if changed.objects or changed.abouts:
        transaction.on_commit(changed, using, robust=True)


def _changed(using: str) -> _Changed:
    """Return what changed so far in the transaction that is open."""
    held: dict[str, weakref.ref[_Changed]] = _local.__dict__.setdefault("changed", {})
    found = held[using]() if using in held else None
    if found is None or found.is_done:
        found = _Changed()
        held[using] = weakref.ref(found)
    return found


def _settle(name: str, model: type[Model], pks: Sequence[Any]) -> None:
    try:
        action = actions.get(name)
        objects = list(model._base_manager.using(router.db_for_write(model)).filter(pk__in=pks))
        for obj, found in strategy.settle(action, objects):
            if isinstance(found, Exception):
                LOG.error("%s %s cannot be looked at by the action %s.", *place(obj), action.signal, exc_info=found)
    except Exception:
        LOG.exception("The action %s cannot look at what changed.", name)


def _settle_abouts(name: str, model: type[Model], pks: Sequence[Any]) -> None:
    """Cancel the messages about those objects of *model* because of which there is no object of the action any more."""
    try:
        action = actions.get(name)
        for about in model._base_manager.using(router.db_for_write(model)).filter(pk__in=pks):
            message = controller.open_for(action, about)
            if message is not None and not action.objects_about(about):
                cancel(message, strategy.CONDITIONS_GONE)
    except Exception:
        LOG.exception("The action %s cannot look at what changed.", name)


def place(obj: Any) -> tuple[str, Any]:
    """Return what *obj* is known by in logs, which its text, somebody's name perhaps, should not be."""
    return obj._meta.label, obj.pk


def _is_object_of_all(instance: Model) -> bool:
    """Return whether *instance* is an object of all actions that track it, and what their messages are about."""
    tracking = [action for action in actions.all_actions().values() if isinstance(instance, tuple(action.track))]
    return all(isinstance(instance, action.model_of_objects) and not action.is_about_another for action in tracking)


def _with_subclasses(*models: type[Model]) -> list[type[Model]]:
    # Signals are sent with the very class, and a proxy is one.
    return [model for model in apps.get_models() if issubclass(model, models)]


def _many_to_many(model: type[Model]) -> Iterator[tuple[str | None, Any]]:
    """Yield by which attribute an object of *model* knows many others, and the model between them."""
    for field in model._meta.get_fields(include_hidden=True):
        if isinstance(field, ManyToManyRel):
            yield field.get_accessor_name(), field.through
        elif isinstance(field, ManyToManyField):
            yield field.name, field.remote_field.through


def _in_batches(pks: Iterable[Any]) -> Iterator[list[Any]]:
    found = list(pks)
    for start in range(0, len(found), strategy.BATCH_SIZE):
        yield found[start : start + strategy.BATCH_SIZE]
