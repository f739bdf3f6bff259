"""
Public: what is known about message types beyond their messages, by (app_label, name).

A class says it itself (CATEGORY, ESSENTIAL, ON_AMBIGUOUS, sample_context); for types that cannot be changed, and for
messages built without one, ACE_MESSAGE_TYPES says it. The JSON of a message carries none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from django.utils.module_loading import autodiscover_modules

from edx_ace.conf import settings
from edx_ace.errors import ConfigurationError, UnknownMessageTypeError, did_you_mean
from edx_ace.message import Message, MessageType
from edx_ace.recipient import Recipient


@attrs.frozen
class MessageTypeInfo:
    """
    What is known about one message type.

    Attributes:
        unique_name: ``app_label.name``.

        message_type: Its class, or None when only ACE_MESSAGE_TYPES or nothing knows it.

        category: Name of its category, or None.

        essential: Whether choices, caps and quiet hours do not apply; None: as the message's options say.

        on_ambiguous: What becomes of a message of which nobody knows whether it was accepted: ``"repeat"``, ``"hold"``
            or None, which is repeat.
    """

    unique_name: str
    message_type: type[MessageType] | None
    category: str | None
    essential: bool | None
    on_ambiguous: str | None
    _configured: Mapping[str, Any]

    @property
    def sample_context(self) -> dict[str, Any]:
        """A context with which its templates render; made anew each time, by the site's code."""
        if "sample_context" in self._configured:
            return dict(self._configured["sample_context"])
        return self.message_type.sample_context() if self.message_type else {}

    def is_essential(self, message: Message) -> bool:
        """Return whether choices, caps and quiet hours do not apply to *message*, which is of this type."""
        if self.essential is not None:
            return self.essential
        return self.category is None and bool(message.options.get("transactional"))

    def category_of(self, message: Message) -> str:
        """Return the name of the category of *message*, which is of this type; empty: it belongs to none."""
        if self.category is not None:
            return self.category
        if self.is_essential(message):
            return ""
        return str((message.options or {}).get("category") or settings.DEFAULT_CATEGORY)


def registered() -> dict[tuple[str, str], type[MessageType]]:
    """Return every imported subclass of `MessageType` that lives in an installed app, by (app_label, name)."""
    found = {}
    for message_type in _subclasses(MessageType):
        app_label = _app_label_of(message_type)
        if app_label is not None:
            found[app_label, message_type.default_name()] = message_type
    return found


def known() -> list[tuple[str, str]]:
    """Return (app_label, name) of every message type that is registered or that ACE_MESSAGE_TYPES names, in order."""
    configured = (unique_name.rpartition(".") for unique_name in settings.MESSAGE_TYPES)
    return sorted({*registered(), *((app_label, name) for app_label, _, name in configured)})


def discover() -> None:
    """
    Import the module ``message_types`` of every installed app that has one.

    A site need not keep its message types there; those in modules that its URLs or its AppConfig.ready import are
    registered by then, too. For commands and checks, which run where nothing has been sent yet.
    """
    autodiscover_modules("message_types")


def resolve(text: str) -> tuple[str, str]:
    """
    Return (app_label, name) of the message type that *text* names.

    Args:
        text: ``app_label.name`` or ``app_label.ClassName``.

    Raises:
        UnknownMessageTypeError: If no known message type is called that.
    """
    places = {f"{app_label}.{name}": (app_label, name) for app_label, name in known()}
    by_class = {f"{app_label}.{cls.__name__}": (app_label, name) for (app_label, name), cls in registered().items()}
    place = places.get(text) or by_class.get(text)
    if place is None:
        raise UnknownMessageTypeError(
            f"Expected a message type as app_label.name, given {text!r}.{did_you_mean(text, [*places, *by_class])} "
            f"Known: {', '.join(places) or 'none'}. One that is missing here lives in a module that nothing imports: "
            f"move it to the module message_types of an installed app, or import it in AppConfig.ready."
        )
    return place


def info(app_label: str, name: str) -> MessageTypeInfo:
    """Return what is known about the message type (*app_label*, *name*); the setting wins over the class."""
    return _info(_class_at(app_label, name), app_label, name)


def sample(
    message_type: type[MessageType] | str,
    recipient: Recipient | None,
    language: str | None = None,
    context: Mapping[str, Any] | None = None,
) -> Message:
    """
    Return a message with which the templates of *message_type* render, whether or not it is registered.

    Args:
        message_type: Its class, or ``"app_label.name"``.

        recipient: Whom the message is for.

        language: Language of the message; None: the active one.

        context: Goes over the type's sample context.

    Raises:
        UnknownMessageTypeError: If *message_type* is a text without an app_label.
    """
    if isinstance(message_type, str):
        app_label, _, name = message_type.rpartition(".")
        if not app_label:
            raise UnknownMessageTypeError(f"Expected a message type as app_label.name, given {message_type!r}.")
        known = info(app_label, name)
    else:
        app_label, name = message_type.default_app_label(), message_type.default_name()
        known = _info(message_type, app_label, name)
    context = {**known.sample_context, **(context or {})}
    if known.message_type is None:
        return Message(app_label, name, recipient, context=context, language=language)
    return known.message_type().personalize(recipient, language, context)


def is_base(unique_name: str) -> bool:
    """Return whether other registered message types derive from the class called ``app_label.name``."""
    app_label, _, name = unique_name.rpartition(".")
    message_type = _class_at(app_label, name)
    return message_type is not None and bool(message_type.__subclasses__())


def is_essential(message: Message) -> bool:
    """Return whether choices, caps and quiet hours do not apply to *message*."""
    return info(message.app_label, message.name).is_essential(message)


def _info(message_type: type[MessageType] | None, app_label: str, name: str) -> MessageTypeInfo:
    unique_name = f"{app_label}.{name}"
    configured = settings.MESSAGE_TYPES.get(unique_name, {})
    return MessageTypeInfo(
        unique_name=unique_name,
        message_type=message_type,
        category=configured.get("category", message_type.CATEGORY if message_type else None),
        essential=configured.get("essential", message_type.ESSENTIAL if message_type else None),
        on_ambiguous=configured.get("on_ambiguous", message_type.ON_AMBIGUOUS if message_type else None),
        configured=configured,
    )


def _class_at(app_label: str, name: str) -> type[MessageType] | None:
    # Asked for every message that is sent. The name comes first, as finding a class's app goes through all apps.
    found = None
    for message_type in _subclasses(MessageType):
        if message_type.default_name() == name and _app_label_of(message_type) == app_label:
            found = message_type
    return found


def _app_label_of(message_type: type[MessageType]) -> str | None:
    try:
        return message_type.default_app_label()
    except ConfigurationError:
        return None  # It can only be used with an explicit app_label, so it has no place of its own.


def _subclasses(cls: type[MessageType]) -> list[type[MessageType]]:
    """Return all subclasses of *cls*; each comes after those that it derives from."""
    found = cls.__subclasses__()
    for subclass in found:
        found += subclass.__subclasses__()
    return found
