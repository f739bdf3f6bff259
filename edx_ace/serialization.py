"""
Public: how values become JSON and come back; knows none of the values.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any, Self
from uuid import UUID

import attr
from django.utils.functional import Promise

from edx_ace.errors import InvalidMessageError

_AS_TEXT = (UUID, Promise)
_AS_LIST = (set, frozenset)


class MessageEncoder(json.JSONEncoder):
    """
    Encodes what contexts are known to hold beside plain data.

    Objects with ``to_json()``, attrs instances, sets, aware and naive datetimes, UUIDs and lazy translations (evaluated
    in the active language).
    """

    def default(self, o: Any) -> Any:
        """Return something plainer for *o*, or raise TypeError."""
        # First what every message holds.
        if isinstance(o, _AS_TEXT):
            return str(o)
        if isinstance(o, datetime):
            return o.isoformat()
        if hasattr(o, "to_json"):
            return o.to_json()
        if isinstance(o, _AS_LIST):
            return list(o)
        if attr.has(type(o)):
            return _fields_of(o)
        return super().default(o)


_encode = MessageEncoder().encode


class MessageAttributeSerializationMixin:
    """
    Gives an attrs class ``str(x)`` as JSON, and ``X.from_string(text)`` back.

    A key that the class does not know is ignored, so that a message written by a newer release can be read.
    """

    def __str__(self) -> str:
        return _encode(self.to_json())

    @classmethod
    def from_string(cls, string_value: str) -> Self:
        """
        Return the instance that *string_value* was made from.

        Raises:
            InvalidMessageError: If *string_value* is not JSON of such an object, or is nested too deeply to be read.
        """
        try:
            fields = json.loads(string_value)
        except RecursionError:
            raise InvalidMessageError(
                f"A {cls.__name__} is JSON nested at most some hundreds of levels deep; this one is deeper. "
                f"Flatten its context."
            ) from None
        except ValueError as error:
            raise InvalidMessageError(
                f"A {cls.__name__} is read from the JSON that str() made of one, but this is not JSON: {error}."
            ) from error
        if not isinstance(fields, dict):
            raise InvalidMessageError(
                f"A {cls.__name__} is read from a JSON object, but this is a {type(fields).__name__}."
            )
        try:
            return cls.from_json(fields)
        except KeyError as error:
            raise InvalidMessageError(f"A {cls.__name__} cannot be made of this JSON: it lacks {error}.") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise InvalidMessageError(f"A {cls.__name__} cannot be made of these fields: {error}.") from error

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, as `MessageEncoder` takes them."""
        return _fields_of(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return the instance that has *fields*, as JSON gives them."""
        return cls(**{name: fields[name] for name in _constructor_names(cls) if name in fields})  # type: ignore[arg-type]  # as above


def _fields_of(value: Any) -> dict[str, Any]:
    # Not attr.asdict: that copies every nested list and dict, of contexts too, before the encoder walks them again.
    return {name: getattr(value, name) for name in _names(type(value))}  # type: ignore[arg-type]  # a class is hashable


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in attr.fields(cls))


@cache
def _constructor_names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in attr.fields(cls) if field.init)
