"""
Public: receivers, which schedule, update and cancel a message when a signal is sent.

Those of an action are connected by themselves. The long form is for code that decides on its own: an `Action` in
``actions.py`` says what the messages are (``signal``, ``label``, ``template``), and three classes what is done::

    class FollowUpCreate(BaseAction):
        signal = "follow_up"

        def get_scheduled_at(self, workshop, **kwargs):
            return moments.after(workshop.ends_at, days=7)

        def get_context(self, workshop, **kwargs):
            return {"workshop": workshop}

        def get_generic_relation_object(self, context, **kwargs):
            return context["workshop"]

        def get_recipients(self, context, **kwargs):
            return [task.host for task in context["workshop"].tasks.all()]

    create = Signal()
    create.connect(FollowUpCreate(), weak=False)
    run_strategy(strategy, {StrategyEnum.CREATE: create, …}, request, sender=workshop, workshop=workshop)

Every method is given by name what the signal carries, with ``sender`` and ``request``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db import router, transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _

from edx_ace.automation import actions, addressing, controller, moments, references, templates
from edx_ace.automation.errors import ConflictError
from edx_ace.automation.models import ScheduledMessage
from edx_ace.automation.states import State
from edx_ace.automation.strategy import BY_ITSELF, CONDITIONS_GONE, NO_RECIPIENTS
from edx_ace.utils.date import as_utc

if TYPE_CHECKING:
    from edx_ace.automation.actions import Action

LOG = logging.getLogger(__name__)


class _Receiver:
    """Does something about a message when it is called, as Django calls receivers."""

    #: Name of the action.
    signal: str

    def __call__(
        self, sender: Any, request: Any = None, suppress_messages: bool = False, **kwargs: Any
    ) -> ScheduledMessage | None:
        # Of Django: the signal that was sent.
        kwargs.pop("signal", None)
        action = actions.get(self.signal)
        warn = _Warner(action, None if suppress_messages else request)
        return self._do(action, warn, _author(request), {"sender": sender, "request": request, **kwargs})

    def get_context(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """Return the values of the template."""
        return {}

    def get_generic_relation_object(self, context: Mapping[str, Any], *args: Any, **kwargs: Any) -> Model:
        """Return what the message is about: one at a time is open for each."""
        raise NotImplementedError(f"{type(self).__name__} must define get_generic_relation_object(context).")

    def _do(self, action: Action, warn: _Warner, author: Any, given: dict[str, Any]) -> ScheduledMessage | None:
        raise NotImplementedError


class BaseAction(_Receiver):
    """Schedules a message when it is called, and returns it; None: nobody would get it, or its action is off."""

    def get_scheduled_at(self, *args: Any, **kwargs: Any) -> datetime:
        """Return when it goes (aware)."""
        raise NotImplementedError(f"{type(self).__name__} must define get_scheduled_at().")

    def get_context_json(self, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return *context* as its row keeps it, as typed references."""
        return references.dump_context(context)

    def get_recipients(self, context: Mapping[str, Any], *args: Any, **kwargs: Any) -> Sequence[Any]:
        """Return whom it goes to, as `edx_ace.automation.actions.Action.recipients` does."""
        raise NotImplementedError(f"{type(self).__name__} must define get_recipients(context).")

    def get_recipients_context_json(self, context: Mapping[str, Any], *args: Any, **kwargs: Any) -> Sequence[Any]:
        """Return the recipients as its row keeps them, as typed references."""
        return addressing.dump(self.get_recipients(context, **kwargs))

    def _do(self, action: Action, warn: _Warner, author: Any, given: dict[str, Any]) -> ScheduledMessage | None:
        if not templates.is_on(action):
            warn(_("No “%(action)s” was scheduled: it is switched off."))
            return None
        context = self.get_context(**given)
        recipients = self.get_recipients_context_json(context, **given)
        if not recipients:
            warn(_("No “%(action)s” was scheduled: nobody would get it."))
            return None
        with moments.counted_from(timezone.now()):
            return self._schedule(action, author, given, context, recipients)

    def _schedule(
        self, action: Action, author: Any, given: dict[str, Any], context: Mapping[str, Any], recipients: Sequence[Any]
    ) -> ScheduledMessage | None:
        about = self.get_generic_relation_object(context, **given)
        what: dict[str, Any] = {
            "scheduled_at": self.get_scheduled_at(**given),
            "context": self.get_context_json(context),
            "recipients": recipients,
            "arguments": self._arguments(given),
            "author": author,
        }
        occurrence = self._occurrence(given)
        # There is no message without its files.
        with transaction.atomic(router.db_for_write(ScheduledMessage)):
            try:
                made = controller.schedule(action, about=about, occurrence=occurrence, **what)
            except ConflictError:
                # Another was faster, and looked at the same object.
                return controller.open_for(action, about)
            if made is None:
                return _revived(action, about, occurrence, what)
            for name, content in self._attachments(given):
                controller.add_attachment(made, name, content, author=author)
        return made

    def _attachments(self, given: Mapping[str, Any]) -> Iterable[tuple[str, bytes]]:
        return ()

    def _arguments(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {}

    def _occurrence(self, given: Mapping[str, Any]) -> datetime | None:
        return None


class BaseActionUpdate(BaseAction):
    """Brings the message that is open up to date when it is called, and returns it; None: there is none."""

    def _do(self, action: Action, warn: _Warner, author: Any, given: dict[str, Any]) -> ScheduledMessage | None:
        context = self.get_context(**given)
        message = controller.open_for(action, self.get_generic_relation_object(context, **given))
        if message is None:
            return None
        recipients = self.get_recipients_context_json(context, **given)
        try:
            if not recipients:
                warn(_("“%(action)s” was cancelled: nobody would get it any more."))
                return controller.cancel(message, author=author, why=_("Nobody would get it."), code=NO_RECIPIENTS)
            with moments.counted_from(message.began_at):
                scheduled_at = self.get_scheduled_at(**given)
            return controller.update(
                message,
                scheduled_at=scheduled_at,
                context=self.get_context_json(context),
                recipients=recipients,
                arguments=self._arguments(given),
                author=author,
            )
        except ConflictError as error:
            LOG.info("The scheduled message %s was not updated: %s", message.uuid, error)
            return None


class BaseActionCancel(_Receiver):
    """Cancels the message that is open when it is called, and returns it; None: there is none."""

    def _do(self, action: Action, warn: _Warner, author: Any, given: dict[str, Any]) -> ScheduledMessage | None:
        context = self.get_context(**given)
        message = controller.open_for(action, self.get_generic_relation_object(context, **given))
        if message is None:
            return None
        why = _("Its conditions do not hold any more.")
        try:
            return controller.cancel(message, author=author, why=why, code=CONDITIONS_GONE)
        except ConflictError as error:
            LOG.info("The scheduled message %s was not cancelled: %s", message.uuid, error)
            return None


class _OfAction(_Receiver):
    """Asks the methods of an action."""

    def __init__(self, action: Action) -> None:
        self.signal = action.signal
        self._action = action

    def get_generic_relation_object(self, context: Any, sender: Any, **kwargs: Any) -> Any:
        return self._action.related_object(sender, **_params(kwargs, "occurrence"))


class _Create(_OfAction, BaseAction):
    def get_context(self, sender: Any, **kwargs: Any) -> Any:
        return self._action.context(sender, **_params(kwargs))

    def get_scheduled_at(self, sender: Any, **kwargs: Any) -> datetime:
        return self._action.scheduled_at(sender, **_params(kwargs))

    def get_recipients(self, context: Any, sender: Any, **kwargs: Any) -> Sequence[Any]:
        return self._action.recipients(sender, **_params(kwargs))

    def _attachments(self, given: Mapping[str, Any]) -> Iterable[tuple[str, bytes]]:
        return self._action.attachments(given["sender"], **_params(given, "sender"))

    def _arguments(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return _params(given, "sender", "occurrence")

    def _occurrence(self, given: Mapping[str, Any]) -> datetime | None:
        return given.get("occurrence") if self._action.is_recurring else None


class _Update(_Create, BaseActionUpdate):
    pass


class _Cancel(_OfAction, BaseActionCancel):
    pass


class _Warner:
    """Tells whoever sent *request*, if of the staff, that nothing came of it."""

    def __init__(self, action: Action, request: Any) -> None:
        self._action = action
        self._request = request

    def __call__(self, text: str) -> None:
        said = text % {"action": self._action}
        LOG.info("%s", said)
        if getattr(getattr(self._request, "user", None), "is_staff", False):
            messages.warning(self._request, said, fail_silently=True)


def connect(action: Action) -> None:
    """Let the signals of *action* do what they say."""
    for signal, receiver in ((action.create, _Create), (action.update, _Update), (action.cancel, _Cancel)):
        signal.connect(receiver(action), weak=False)


def of_the_site() -> list[type[Any]]:
    """Return the receivers of the long form that the site has defined."""
    found: list[type[Any]] = []
    waiting: list[type[Any]] = [_Receiver]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.__module__ != __name__ and hasattr(one, "signal"):
            found.append(one)
    return found


def _revived(
    action: Action, about: Model, occurrence: datetime | None, what: dict[str, Any]
) -> ScheduledMessage | None:
    """Bring the message of *occurrence* back, if it was cancelled by itself, and return it; None: it was not."""
    label, key = controller.place_of(about)
    there = ScheduledMessage.objects.filter(
        action=action.signal, object_type=label, object_key=key, occurrence=occurrence, occurrence_key__isnull=False
    )
    message = there.filter(state=State.CANCELLED, code__in=BY_ITSELF).first()
    if message is None:
        return None
    # By nobody: a time that somebody sets is kept for ever. And not in the past, which an update may put it to.
    moment = max(as_utc(what["scheduled_at"]), timezone.now() + timedelta(minutes=1))
    return controller.update(controller.reschedule(message, moment, why=_("Its conditions hold again.")), **what)


def _params(given: Mapping[str, Any], *without: str) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in ("request", *without)}


def _author(request: Any) -> Any:
    user = getattr(request, "user", None)
    return user if getattr(user, "is_authenticated", False) else None
