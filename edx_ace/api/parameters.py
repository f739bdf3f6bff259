"""
Internal: the parameters of an audience, which are a form, as a JSON Schema.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import islice
from typing import Any

from django import forms

#: The type of what a field takes; the first class that fits counts.
_TYPES: tuple[tuple[type[forms.Field], dict[str, Any]], ...] = (
    (forms.ModelMultipleChoiceField, {"type": "array", "items": {}}),
    (forms.ModelChoiceField, {}),
    (forms.MultipleChoiceField, {"type": "array", "items": {}}),
    # Of whatever type its choices are.
    (forms.ChoiceField, {}),
    (forms.NullBooleanField, {"type": ["boolean", "null"]}),
    (forms.BooleanField, {"type": "boolean"}),
    (forms.FloatField, {"type": "number"}),
    (forms.DecimalField, {"type": "number"}),
    (forms.IntegerField, {"type": "integer"}),
    (forms.DateTimeField, {"type": "string", "format": "date-time"}),
    (forms.DateField, {"type": "string", "format": "date"}),
    (forms.TimeField, {"type": "string", "format": "time"}),
    (forms.EmailField, {"type": "string", "format": "email"}),
    (forms.UUIDField, {"type": "string", "format": "uuid"}),
    (forms.URLField, {"type": "string", "format": "uri"}),
    (forms.Field, {"type": "string"}),
)

#: How many choices are told at most.
MAX_CHOICES = 1000

#: What a field limits, by the keyword of JSON Schema.
_LIMITS = {
    "minimum": "min_value",
    "maximum": "max_value",
    "minLength": "min_length",
    "maxLength": "max_length",
}


def schema_of(form: forms.Form | None) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what *form* takes; None: it takes nothing."""
    fields = form.fields if form is not None else {}
    return {
        "type": "object",
        "properties": {name: _property(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.required],
        "additionalProperties": False,
    }


def _property(field: forms.Field) -> dict[str, Any]:
    found = deepcopy(next(about for kind, about in _TYPES if isinstance(field, kind)))
    if field.label:
        found["title"] = str(field.label)
    if field.help_text:
        found["description"] = str(field.help_text)
    if isinstance(field.initial, str | int | float | bool):
        found["default"] = field.initial
    for keyword, attribute in _LIMITS.items():
        limit = getattr(field, attribute, None)
        if isinstance(limit, int | float):
            found[keyword] = limit
    if isinstance(field, forms.ChoiceField | forms.ModelChoiceField):
        choices = [{"const": value, "title": str(label)} for value, label in _choices(field) if value != ""]
        if len(choices) <= MAX_CHOICES:
            (found["items"] if found.get("type") == "array" else found)["oneOf"] = choices
    return found


def _choices(field: Any) -> list[tuple[Any, Any]]:
    """Return the choices of *field*, those of groups among them."""
    found: list[tuple[Any, Any]] = []
    # Of rows, no more are read than are told, and the empty choice.
    for value, label in islice(field.choices, MAX_CHOICES + 2):
        if isinstance(label, list | tuple):
            found += label
        else:
            # Of rows, Django gives the key in a wrapper.
            found.append((getattr(value, "value", value), label))
    return found
