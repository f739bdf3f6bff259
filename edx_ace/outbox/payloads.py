"""
Internal: how a message becomes text that a table keeps, and comes back as it was.

Beside plain data a message's context, options and headers may hold dates, times, Decimals, UUIDs, bytes, lazy and safe
texts, which come back equal, and model instances, which become references and are loaded again when the message is
sent. Anything else is refused with its place. A lazy text is evaluated in the message's language.
"""

from __future__ import annotations

import hashlib
import json
import logging
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, models
from django.utils import translation
from django.utils.functional import Promise
from django.utils.safestring import SafeString

from edx_ace.message import Message
from edx_ace.outbox.errors import ReferenceGoneError, SourceError, UnserializableError
from edx_ace.outbox.people import MAX_KEY_LENGTH, shortened
from edx_ace.outbox.sources import Reference
from edx_ace.text import is_sendable, shown

LOG = logging.getLogger(__name__)

#: The key of an object that stands for something which JSON has not.
_TAG = "$ace"

_TAGGED: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    datetime: ("datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("date", date.isoformat, date.fromisoformat),
    time: ("time", time.isoformat, time.fromisoformat),
    timedelta: (
        "timedelta",
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda parts: timedelta(*parts),
    ),
    Decimal: ("decimal", str, Decimal),
    UUID: ("uuid", str, UUID),
    bytes: ("bytes", lambda value: b64encode(value).decode(), b64decode),
    SafeString: ("safe", str.__str__, SafeString),
}
#: What JSON has as it is.
_JSON_TYPES = frozenset([str, bool, int, float, type(None)])

#: What subclasses (named tuples, members of TextChoices) are kept as.
_PLAINER: tuple[Any, ...] = (dict, list, tuple, str, int, float)

#: What the same message may have anew when its caller tries again.
_NOT_SAID = ("uuid", "send_uuid", "expiration_time", "log_level")

_READERS = {tag: read for tag, _, read in _TAGGED.values()}


@attrs.frozen
class _Reference:
    """A model instance that is yet to be loaded."""

    model: str
    key: Any


def dump(message: Message) -> str:
    """
    Return *message* as text.

    Raises:
        UnserializableError: If it holds what cannot come back, saying where.
    """
    fields = {**message.to_json(), "recipient": None if message.recipient is None else message.recipient.to_json()}
    # Without one it would be rendered in whatever language the worker has; `ace.send` takes the active one.
    language: Any = message.language or translation.get_language()
    if not isinstance(language, str | Promise | None):
        raise UnserializableError(f"language must be a language code such as 'pt-br', given {shown(language)}.")
    fields["language"] = None if language is None else str(language)
    fields |= {name: _text(fields[name]) for name in _AS_TEXT}
    with translation.override(fields["language"]):
        plain = {name: _plain(value, name) for name, value in fields.items()}
    try:
        return json.dumps(plain)
    except ValueError as error:
        # Python writes no whole number of thousands of digits.
        raise UnserializableError(f"The message cannot be written to be kept in the outbox: {error}.") from error


def about(message: Message) -> dict[str, Any]:
    """Return what a payload says of *message* beside its content, by column: what many are found by."""
    return {"message_type": shortened(message.unique_name), "batch": message.send_uuid}


def dump_reference(source: str, reference: Reference) -> str:
    """
    Return *reference* to a message of *source* as text.

    Raises:
        UnserializableError: If it is neither text, whole number nor UUID.
    """
    if not isinstance(reference, str | int | UUID) or isinstance(reference, bool):
        raise UnserializableError(
            f"A reference to a message of the source {source!r} must be text, a whole number or a UUID, given "
            f"{reference!r} ({type(reference).__name__})."
        )
    return str(reference) if type(reference) is int else json.dumps(_plain(reference, "reference"))


def load_reference(content: str) -> Reference:
    """
    Return the reference that `dump_reference` wrote.

    Raises:
        UnserializableError: If it is none.
    """
    reference = _parsed(content, set())
    if not isinstance(reference, str | int | UUID):
        raise UnserializableError(f"Expected a reference in the payload, found a {type(reference).__name__}.")
    return reference


def load(contents: Mapping[UUID, str]) -> dict[UUID, Message | Exception]:
    """
    Return the message of each of *contents*, or why there is none; each model is queried once.

    `ReferenceGoneError` stands for a message whose model instances no longer exist, `SourceError` for one whose model
    fails to load them, which it may not do later.
    """
    read: dict[UUID, Any] = {}
    found: dict[UUID, Message | Exception] = {}
    references: set[_Reference] = set()
    for uuid, content in contents.items():
        try:
            read[uuid] = _parsed(content, references)
        except UnserializableError as error:
            found[uuid] = error
    instances = _instances(references)
    for uuid, value in read.items():
        try:
            fields = _resolved(value, instances) if references else value
            found[uuid] = Message.from_json(fields)
        except Exception as error:
            found[uuid] = error
    return found


def fingerprint(source: str, content: str) -> str:
    """
    Return a text that is the same for what says the same to the same person.

    Args:
        source: Name of the source; empty for a message.

        content: What `dump` or `dump_reference` returned.
    """
    said = json.loads(content)
    if not source:
        said = {name: value for name, value in said.items() if name not in _NOT_SAID}
    return hashlib.sha256(json.dumps([source, said], sort_keys=True).encode()).hexdigest()


def checked_key(key: object) -> str:
    """
    Return *key*, a caller's name for a message.

    Raises:
        TypeError, ValueError: If it can be none.
    """
    if not isinstance(key, str):
        raise TypeError(f"An idempotency key must be text, given {shown(key)} ({type(key).__name__}). Write str(...).")
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise ValueError(f"An idempotency key has 1 to {MAX_KEY_LENGTH} characters, given {len(key)}.")
    if not is_sendable(key) or key.endswith(" "):
        raise ValueError(
            f"An idempotency key must not hold NUL or half of a surrogate pair, nor end with a space, as not every "
            f"database keeps them; given {shown(key)}."
        )
    return key


#: Fields that `Message.from_json` reads from text.
_AS_TEXT = ("uuid", "send_uuid", "expiration_time")


def _text(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else None if value is None else str(value)


def _plain(value: Any, path: str) -> Any:
    if isinstance(value, Promise):
        value = str(value)
    kind = type(value)
    if kind in _JSON_TYPES:
        return value
    if kind is dict:
        return _plain_dict(value, path)
    if kind in (list, tuple):
        # What JSON has is passed here without its path, which takes longer to write than all the rest.
        return [
            item if type(item) in _JSON_TYPES else _plain(item, f"{path}[{index}]") for index, item in enumerate(value)
        ]
    if isinstance(value, models.Model):
        return _plain_instance(value, path)
    for known, (tag, write, _) in _TAGGED.items():
        if isinstance(value, known):
            return {_TAG: tag, "value": write(value)}
    for plainer in _PLAINER:
        if isinstance(value, plainer):
            return _plain(plainer.__str__(value) if plainer is str else plainer(value), path)
    raise UnserializableError(
        f"{path} must be plain data, a date, time, Decimal, UUID, bytes, text or a saved model instance to be kept in "
        f"the outbox, given {kind.__module__}.{kind.__qualname__}. Pass an id and look the object up when rendering."
    )


def _plain_dict(value: dict[Any, Any], path: str) -> Any:
    for key in value:
        if not isinstance(key, str):
            raise UnserializableError(
                f"The keys of {path} must be text to be kept in the outbox, given {key!r} ({type(key).__name__})."
            )
    plain = {
        str.__str__(key): item if type(item) in _JSON_TYPES else _plain(item, f"{path}[{key!a}]")
        for key, item in value.items()
    }
    return {_TAG: "dict", "value": plain} if _TAG in plain else plain


def _plain_instance(value: models.Model, path: str) -> Any:
    if value.pk is None or value._state.adding:
        raise UnserializableError(
            f"{path} must be a saved model instance to be kept in the outbox, as it is loaded again when the message "
            f"is sent; given an unsaved {value._meta.label}. Save it first."
        )
    return {_TAG: "model", "value": [value._meta.label_lower, _plain(value.pk, f"{path}.pk")]}


def _parsed(content: str, references: set[_Reference]) -> Any:
    try:
        value = json.loads(content)
        # Of most messages all is plain data, which has to be looked at no more.
        return _read(value, references) if _TAG in content else value
    except Exception as error:
        raise UnserializableError(f"The payload cannot be read: {error!r}.") from error


def _read(value: Any, references: set[_Reference]) -> Any:
    """Return what `_plain` made plain; a `_Reference` for each model instance, which is added to *references*."""
    if isinstance(value, list):
        return [_read(item, references) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get(_TAG):
        case None:
            return {key: _read(item, references) for key, item in value.items()}
        case "dict":
            return {key: _read(item, references) for key, item in value["value"].items()}
        case "model":
            label, key = value["value"]
            reference = _Reference(label, _read(key, references))
            references.add(reference)
            return reference
        case tag:
            return _READERS[tag](value["value"])


def _instances(references: Iterable[_Reference]) -> dict[_Reference, models.Model | SourceError]:
    """Return what *references* stand for, as far as it exists, with one query a model."""
    keys: defaultdict[str, set[Any]] = defaultdict(set)
    for reference in references:
        keys[reference.model].add(reference.key)
    found = {}
    for label, keys_of_model in keys.items():
        # A new release of the site may have removed the model, or given it other keys.
        with suppress(LookupError):
            model = apps.get_model(label)
            possible = {key for key in keys_of_model if _is_key(model, key)}
            for key, instance in _in_bulk(model, possible).items():
                found[_Reference(label, key)] = instance
    return found


def _in_bulk(model: type[models.Model], keys: Collection[Any]) -> Mapping[Any, models.Model | SourceError]:
    try:
        return model._base_manager.in_bulk(keys)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(keys) > 1:
            return {key: one for each in keys for key, one in _in_bulk(model, [each]).items()}
        LOG.exception("An instance of %s could not be loaded.", model._meta.label_lower)
        said = f"An instance of {model._meta.label_lower} could not be loaded: {type(error).__name__}; see the log."
        return dict.fromkeys(keys, SourceError(said, code="load_error"))


def _is_key(model: type[models.Model], key: Any) -> bool:
    try:
        model._meta.pk.to_python(key)
    except ValidationError:
        return False
    return True


def _resolved(value: Any, instances: Mapping[_Reference, models.Model | SourceError]) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(item, instances) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, instances) for item in value]
    if isinstance(value, _Reference):
        instance = instances.get(value)
        if instance is None:
            raise ReferenceGoneError(
                f"The message refers to {value.model} {value.key}, which no longer exists; it cannot be sent any more."
            )
        if isinstance(instance, SourceError):
            raise instance
        return instance
    return value
