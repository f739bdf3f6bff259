"""
Public: actions, which say when a message should exist, to whom it goes and with what.

A host writes one for each kind of message in the module ``actions`` of any of its apps, where it is found by itself::

    class FollowUp(Action):
        signal = "follow_up"
        label = _("A week after a workshop")
        track = [Workshop, Task]
        template = {"en": {"subject": "{{ workshop.title }}", "body": "How was it, {{ recipient.name }}?"}}

        def should_exist(self, workshop):
            return workshop.is_public

        def scheduled_at(self, workshop):
            return moments.after(workshop.ends_at, days=7)

        def context(self, workshop):
            return {"workshop": workshop}

        def recipients(self, workshop):
            return [task.host for task in workshop.tasks.all()]

From then on its messages are scheduled, brought up to date and cancelled whenever such an object, or one that belongs
to it, has changed. With no ``track`` that is done where the host calls `Action.run_strategy`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

from django.apps import apps
from django.db.models import Model
from django.db.models.fields.reverse_related import ForeignObjectRel
from django.dispatch import Signal
from django.utils.module_loading import autodiscover_modules

from edx_ace.automation.errors import AutomationError, UnknownActionError
from edx_ace.errors import ConfigurationError, did_you_mean
from edx_ace.recipient import Recipient

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet
    from django.utils.functional import _StrOrPromise

    from edx_ace.automation.moments import Rule
    from edx_ace.automation.strategy import Decision, StrategyEnum
    from edx_ace.message import MessageType


class Action:
    """
    One kind of message that schedules, updates and cancels itself.

    A subclass with a `signal` of its own is registered by being defined; there is one object of it. Its methods are
    given the object, and by name what `run_strategy` was given beside it; of an action by a rule, ``occurrence``, too.

    Attributes:
        create, update, cancel: Signals that let a message of it be scheduled, brought up to date and cancelled. They
            are sent with the object as sender; a host may connect more to them.
    """

    #: Its name. Stands in tables, so it outlives its label.
    signal: ClassVar[str]
    #: What staff know it by. Empty: its name.
    label: ClassVar[_StrOrPromise] = ""
    #: When it writes to whom, for staff.
    description: ClassVar[_StrOrPromise] = ""
    #: Of which model its objects are. None: the first of `track`.
    model: ClassVar[type[Model] | None] = None
    #: Of which model what its messages are about is, where `related_object` says what. None: of any, for which the
    #: deletion of each object of the site is listened to.
    related_model: ClassVar[type[Model] | None] = None
    #: When an object of these models is saved or deleted, or its relations change, it is looked at what should exist.
    track: ClassVar[Sequence[type[Model]]] = ()
    #: What the messages say, if files do. None: what staff edit.
    message_type: ClassVar[type[MessageType] | None] = None
    #: Of which category its messages are, which people can turn off. Empty: of that of the type, or the site's default.
    category: ClassVar[str] = ""
    #: What staff find there first: by language, ``{"subject": …, "body": …}``.
    template: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    #: A TypedDict of what `context` returns: its names are listed where staff edit the template.
    Context: ClassVar[Any] = None
    #: Whether all recipients stand in one message; otherwise each gets their own.
    to_all: ClassVar[bool] = False
    #: Whether a worker outside sends it, over the endpoints.
    external: ClassVar[bool] = False
    #: Whether an update replaces what somebody changed by hand.
    overwrite_edits: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "signal" in vars(cls):
            register(cls)

    def __init__(self) -> None:
        from edx_ace.automation import receivers

        self.create, self.update, self.cancel = Signal(), Signal(), Signal()
        receivers.connect(self)

    def __str__(self) -> str:
        return str(self.label or self.signal)

    def should_exist(self, obj: Any, *args: Any, **params: Any) -> bool:
        """Return whether there should be a message because of *obj*, if none was sent yet."""
        raise NotImplementedError(f"{type(self).__name__} must define should_exist(obj).")

    def scheduled_at(self, obj: Any, *args: Any, **params: Any) -> datetime:
        """Return when it goes (aware), see `edx_ace.automation.moments`; by default at the occurrence of the rule."""
        if "occurrence" in params:
            occurrence: datetime = params["occurrence"]
            return occurrence
        raise NotImplementedError(f"{type(self).__name__} must define scheduled_at(obj).")

    def rule(self, obj: Any, *args: Any, **params: Any) -> Rule | None:
        """Return when there is one again and again; None, as by default: there is one message."""
        return None

    def context(self, obj: Any, *args: Any, **params: Any) -> Mapping[str, Any]:
        """
        Return the values of the template: objects in the database, text, numbers, dates, and lists of these.

        What is kept are references: the objects are as they are when the message is sent.
        """
        return {}

    def recipients(self, obj: Any, *args: Any, **params: Any) -> Sequence[Any]:
        """Return whom it goes to: objects for `person`, email addresses, or `edx_ace.Recipient`; nobody: to none."""
        raise NotImplementedError(f"{type(self).__name__} must define recipients(obj).")

    def attachments(self, obj: Any, **params: Any) -> Iterable[tuple[str, bytes]]:
        """Return the files that go with it, as names and contents, made when it is scheduled."""
        return ()

    def related_object(self, obj: Any, *args: Any, **params: Any) -> Any:
        """Return what the message is about: one at a time is open for each, and it is cancelled once that is gone."""
        return obj

    def person(self, value: Any) -> Recipient:
        """
        Return the recipient that *value* stands for, one of `recipients` as it is by now.

        By default a user, or any object with an ``email``.

        Raises:
            AutomationError: If it is none of these.
        """
        if isinstance(value, Recipient):
            return value
        if isinstance(value, str):
            return Recipient(None, value)
        from django.contrib.auth.base_user import AbstractBaseUser

        if isinstance(value, AbstractBaseUser):
            return Recipient(value.pk, getattr(value, value.get_email_field_name()))
        if not hasattr(value, "email"):
            raise AutomationError(
                f"A {type(value).__name__} has no `email`. Define person(value) of {type(self).__name__}.",
                code="bad_recipient",
            )
        return Recipient(None, value.email)

    def language(self, value: Any) -> str | None:
        """Return the language code of that recipient, by default their ``language``; None: the site's."""
        found = getattr(value, "language", None)
        return found if isinstance(found, str) and found else None

    def zone(self, value: Any) -> str | None:
        """Return the name of the time zone in which times are shown to that recipient. None: the site's."""
        return None

    def objects(self) -> QuerySet[Any]:
        """Return all objects because of which there may be a message, with what the methods look up prefetched."""
        return self.model_of_objects._default_manager.all()

    def objects_of(self, instance: Model) -> Iterable[Any]:
        """
        Return the objects to look at again now that *instance*, of a model of `track`, was saved or deleted.

        By default itself, or those of the model that it refers to, or that refer to it.
        """
        model = self.model_of_objects
        if isinstance(instance, model):
            return [instance]
        found: list[Any] = []
        for name, is_many in relations(type(instance), model):
            value = getattr(instance, name, None)
            if value is not None:
                found += value.all() if is_many else [value]
        return found

    @property
    def mapping(self) -> dict[StrategyEnum, Signal | None]:
        """The signal for each strategy; None: then nothing is done."""
        from edx_ace.automation.strategy import StrategyEnum

        return {
            StrategyEnum.CREATE: self.create,
            StrategyEnum.UPDATE: self.update,
            StrategyEnum.CANCEL: self.cancel,
            StrategyEnum.NOOP: None,
        }

    @property
    def model_of_objects(self) -> type[Model]:
        """
        The model of its objects.

        Raises:
            AutomationError: If it does not say.
        """
        model = self.model or next(iter(self.track), None)
        if model is None:
            raise AutomationError(f"{type(self).__name__} says neither `model` nor `track`.", code="no_model")
        return model

    @property
    def model_of_messages(self) -> type[Model] | None:
        """The model of what its messages are about; None: any."""
        if self.related_model is not None or self.is_about_another:
            return self.related_model
        return self.model or next(iter(self.track), None)

    @property
    def is_about_another(self) -> bool:
        """Whether its messages are about something else than the object because of which there are such."""
        return type(self).related_object is not Action.related_object

    def objects_about(self, about: Model) -> list[Any]:
        """Return the objects because of which there may be a message about *about*."""
        objects = list(self.objects_of(about))
        return [one for one in objects if self.related_object(one) == about] if self.is_about_another else objects

    @property
    def has_conditions(self) -> bool:
        """Whether it says what should exist: otherwise receivers of the site's own schedule its messages."""
        return type(self).should_exist is not Action.should_exist

    @property
    def is_recurring(self) -> bool:
        """Whether it goes by a rule."""
        return type(self).rule is not Action.rule

    @property
    def variables(self) -> dict[str, Any] | None:
        """The type of each variable of the template, by name, as `Context` says; None: it does not say."""
        return None if self.Context is None else get_type_hints(self.Context)

    def decide(self, obj: Any, **params: Any) -> Decision:
        """Return what `run_strategy` would do, and why; nothing is changed."""
        from edx_ace.automation import strategy

        return strategy.decide(self, obj, params)

    def run_strategy(
        self, obj: Any, request: Any = None, *, dry_run: bool = False, suppress_messages: bool = False, **params: Any
    ) -> Decision:
        """
        Compare what should exist because of *obj* with what does, schedule, update or cancel, and return what was done.

        Args:
            obj: The object.

            request: Its user stands in the log, and is warned, if of the staff, if nothing could be scheduled.

            dry_run: Change nothing.

            suppress_messages: Warn nobody.

            params: For the methods of this class; kept with the message.

        Raises:
            AutomationError: If what the methods return cannot be used.
        """
        from edx_ace.automation import strategy

        return strategy.run(self, obj, params, request, dry_run=dry_run, suppress_messages=suppress_messages)


def relations(model: type[Model], to: type[Model]) -> list[tuple[str, bool]]:
    """Return the attributes by which an object of *model* knows those of the model *to*, and whether there are many."""
    return [
        (name, bool(field.one_to_many or field.many_to_many))
        for field in model._meta.get_fields()
        if isinstance(field.related_model, type) and issubclass(to, field.related_model)
        # Of a relation that the other has, the name on this side.
        for name in [field.get_accessor_name() if isinstance(field, ForeignObjectRel) else field.name]
        if name
    ]


_registered: dict[str, Action] = {}
#: Further ones of the same name, which a check names.
_doubles: list[type[Action]] = []


def register(action: type[Action]) -> type[Action]:
    """
    Let *action* be one from now on; done for every class with a `signal`, of two of the same name for the first.

    Raises:
        ConfigurationError: If its name is no text of 1 to 100 characters, or a model none.
    """
    _check(action)
    there = _registered.get(action.signal)
    if there is None:
        _registered[action.signal] = made = action()
        if apps.models_ready:
            from edx_ace.automation import changes

            changes.follow(made)
    elif type(there) is not action:
        _doubles.append(action)
    return action


def _check(action: type[Action]) -> None:
    from edx_ace.automation.models import MAX_ACTION_LENGTH

    name = action.signal
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ACTION_LENGTH:
        raise ConfigurationError(
            f"{action.__qualname__}.signal must be a text of 1 to {MAX_ACTION_LENGTH} characters, given {name!r}."
        )
    if not isinstance(action.track, list | tuple):
        raise ConfigurationError(f"{action.__qualname__}.track must list models, given {action.track!r}.")
    for model in (action.model, action.related_model, *action.track):
        if model is not None and not (isinstance(model, type) and issubclass(model, Model)):
            raise ConfigurationError(f"{action.__qualname__} names {model!r}, which is no model.")


def unregister(name: str) -> None:
    """Let there be no action called *name* any more."""
    del _registered[name]
    _doubles[:] = [action for action in _doubles if action.signal != name]


def doubles() -> list[type[Action]]:
    """Return the actions that have a name which another had first."""
    return list(_doubles)


def all_actions() -> dict[str, Action]:
    """Return every action by name."""
    return dict(_registered)


def get(name: str) -> Action:
    """
    Return the action called *name*.

    Raises:
        UnknownActionError: If there is none.
    """
    if name not in _registered:
        known = ", ".join(_registered) or "none is registered"
        raise UnknownActionError(
            f"Expected the name of an action, given {name!r}.{did_you_mean(name, list(_registered))} Known: {known}."
        )
    return _registered[name]


def discover() -> None:
    """Import the module ``actions`` of every installed app that has one, and follow what each action tracks."""
    from edx_ace.automation import changes

    autodiscover_modules("actions")
    for action in _registered.values():
        changes.follow(action)
