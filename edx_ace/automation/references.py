"""
Public: typed references, the JSON in which scheduled messages keep what they are about; looked up when they are sent.

``str``, ``int``, ``float``, ``bool``, ``None`` and lists stand for themselves; an object of a model is ``{"model":
"shop.Order", "pk": "7"}``; the rest is ``{"$date": …}``, ``{"$datetime": …}`` and ``{"$decimal": …}``, with the text of
ISO 8601, or the number.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import attrs
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import router
from django.db.models import Model

from edx_ace.automation.errors import AutomationError, GoneError
from edx_ace.text import is_sendable, shown

#: How deep lists may stand in lists.
MAX_DEPTH = 10

_ACCEPTED = "an object of a model, text, a number, a date, a datetime, a bool, None, or a list of these"

#: How what JSON has no form for is read, by its key.
_READERS: Mapping[str, Callable[[str], Any]] = {
    "$date": date.fromisoformat,
    "$datetime": datetime.fromisoformat,
    "$decimal": Decimal,
}


@attrs.frozen
class Gone:
    """
    Stands where there is no such object any more.

    Attributes:
        model: Label of the model, such as ``"shop.Order"``.

        pk: The primary key, as text.
    """

    model: str
    pk: str

    def __str__(self) -> str:
        return f"{self.model} {self.pk}"


def dump(value: object, path: str = "value") -> Any:
    """
    Return *value* as a typed reference.

    Args:
        value: An object that is in the database, a value, a list or tuple of such, or what this function returned.

        path: Where it stands, for errors.

    Raises:
        AutomationError: If it can be none, naming where: ``hosts[2]``.
    """
    return _dump(value, path, 0)


def dump_context(values: Mapping[str, object]) -> dict[str, Any]:
    """
    Return *values*, by the names that templates know them by, as typed references.

    Raises:
        AutomationError: If a name is none that templates can use, or a value can be no reference, naming it.
    """
    if not isinstance(values, Mapping):
        raise AutomationError(f"A context maps names to values, given {shown(values)}.", code="bad_reference")
    for name in values:
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise AutomationError(
                f"A name in a context is a letter, then letters, digits and underscores, given {shown(name)}.",
                code="bad_reference",
            )
    if values.keys() == {"model", "pk"}:
        raise AutomationError(
            'A context of "model" and "pk" alone would be taken for an object. Call one otherwise.',
            code="bad_reference",
        )
    return {name: _dump(value, name, 0) for name, value in values.items()}


def resolve(dumped: Sequence[Any]) -> list[Any]:
    """
    Return what *dumped* refers to, as it is now, in the same order and shape.

    Takes one query a model for all of them together; where an object stands twice, it is one and the same.

    Args:
        dumped: Of `dump` and `dump_context`, mixed as you like.

    Returns:
        Where there is no such object any more, or no such model, a `Gone`; see `check_there`.
    """
    wanted: dict[str, set[str]] = defaultdict(set)
    for label, pk in _references(dumped):
        wanted[label].add(pk)
    found = {label: _objects(label, pks) for label, pks in wanted.items()}
    return [_read(one, found) for one in dumped]


def check_there(resolved: object) -> None:
    """
    Look whether all of *resolved* is there.

    Raises:
        GoneError: If some of it is gone, naming what and under which name.
    """
    gone = [f"{path} ({one})" if path else str(one) for path, one in _gone(resolved, "")]
    if gone:
        raise GoneError(f"Gone since it was scheduled: {', '.join(gone)}.")


def _dump(value: object, path: str, depth: int) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            # The text alone, of a choice or a safe string, too.
            text = str.__str__(value)
            if not is_sendable(text):
                raise _refused(path, value, "text without NUL and halves of surrogate pairs")
            return text
        case int():
            return int(value)
        case float():
            if not math.isfinite(value):
                raise _refused(path, value, "a finite number")
            return float(value)
        case Decimal():
            if not value.is_finite():
                raise _refused(path, value, "a finite number")
            return {"$decimal": str(value)}
        case datetime():
            return {"$datetime": value.isoformat()}
        case date():
            return {"$date": value.isoformat()}
        case list() | tuple():
            if depth == MAX_DEPTH:
                raise AutomationError(f"{path}: lists stand in lists deeper than {MAX_DEPTH}.", code="bad_reference")
            return [_dump(one, f"{path}[{number}]", depth + 1) for number, one in enumerate(value)]
        case Model():
            return {"model": value._meta.label, "pk": _key_of(value, path)}
        case Mapping() if _is_dumped(value):
            return dict(value)
    raise _refused(path, value, _ACCEPTED)


def _key_of(instance: Model, path: str) -> str:
    """Return the primary key of *instance* as text."""
    pk = instance.pk
    if pk is None or instance._state.adding:
        # No `shown`: how an object reads may need that it is saved.
        raise AutomationError(
            f"{path}: a {instance._meta.label} that is not in the database cannot be referred to. Save it first.",
            code="bad_reference",
        )
    if not isinstance(pk, int | str) and _parsed(type(instance), str(pk)) != pk:
        raise _refused(path, pk, "a primary key that can be read back from its text")
    return str(pk)


def _refused(path: str, value: object, expected: str) -> AutomationError:
    # Not what it is, which may be a query, or somebody's.
    return AutomationError(f"{path}: expected {expected}, given a {type(value).__name__}.", code="bad_reference")


def _is_reference(value: Mapping[str, Any]) -> bool:
    return value.keys() == {"model", "pk"}


def _is_dumped(value: Mapping[Any, Any]) -> bool:
    """Return whether *value* is what `_dump` makes of something that JSON has no form for."""
    is_known = _is_reference(value) or (len(value) == 1 and next(iter(value)) in _READERS)
    return is_known and all(isinstance(part, str) for part in value.values())


def _references(dumped: Any) -> Iterator[tuple[str, str]]:
    """Yield label and primary key of each object in *dumped*."""
    match dumped:
        case Mapping() if _is_reference(dumped):
            yield dumped["model"], dumped["pk"]
        case Mapping():
            yield from _references(list(dumped.values()))
        case list() | tuple():
            for one in dumped:
                yield from _references(one)


def _objects(label: str, pks: Iterable[str]) -> dict[str, Model]:
    """Return the objects of the model *label* that are there, by primary key as it is in references."""
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        return {}
    keys = {pk: key for pk in pks if (key := _parsed(model, pk)) is not None}
    # Of all objects, also those that the model's own manager hides; and where they are written, as a replica may lag.
    manager = model._base_manager.using(router.db_for_write(model))
    there = manager.in_bulk(list(set(keys.values())))
    return {pk: there[key] for pk, key in keys.items() if key in there}


def _parsed(model: type[Model], pk: str) -> Any:
    """Return the primary key of *model* that reads *pk*, or None if none can."""
    try:
        return model._meta.pk.to_python(pk)
    except (ValidationError, ValueError, TypeError):
        return None


def _read(dumped: Any, found: Mapping[str, Mapping[str, Model]]) -> Any:
    match dumped:
        case Mapping() if _is_reference(dumped):
            label, pk = dumped["model"], dumped["pk"]
            return found[label].get(pk, Gone(label, pk))
        case Mapping():
            if len(dumped) == 1:
                [(key, text)] = dumped.items()
                if key in _READERS:
                    return _READERS[key](text)
            return {name: _read(one, found) for name, one in dumped.items()}
        case list() | tuple():
            return [_read(one, found) for one in dumped]
    return dumped


def _gone(resolved: object, path: str) -> Iterator[tuple[str, Gone]]:
    match resolved:
        case Gone():
            yield path, resolved
        case Mapping():
            for name, one in resolved.items():
                yield from _gone(one, f"{path}.{name}" if path else str(name))
        case list() | tuple():
            for number, one in enumerate(resolved):
                yield from _gone(one, f"{path}[{number}]")
