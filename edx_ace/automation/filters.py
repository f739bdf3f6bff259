"""
Internal: the filters of templates, within bounds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.db.models import Model
from django.utils import formats
from jinja2.filters import FILTERS as _JINJA
from jinja2.runtime import Undefined

from edx_ace.automation.bounds import MAX_PLACES, LimitError, NotGivenError, run
from edx_ace.automation.bounds import told as _
from edx_ace.automation.values import admitted, moment, text_of

#: Names of filters that the language is made of; nobody can write them.
EACH, CONCAT, FLAT = "each of", "one after another", "flat list"


def each(value: Any) -> Iterator[Any]:
    """Yield the items of *value*, each of which is a turn of a loop."""
    value = value if isinstance(value, Iterator | range) else admitted(value)
    if isinstance(value, Model) or not isinstance(value, Iterable):
        raise NotGivenError(_("“%(value)s” is nothing to loop over.") % {"value": text_of(value)})
    counted = run.get()
    for one in value:
        counted.turn()
        yield tuple(map(admitted, one)) if isinstance(one, tuple) else admitted(one)


def flat(value: Sequence[Any]) -> list[Any]:
    """Return a list that is written in a template. Lists in lists would be small to hold and large to read."""
    for one in value:
        if isinstance(one, Iterable) and not isinstance(one, str | Model | Undefined):
            raise NotGivenError(_("A list in a list cannot be written."))
        run.get().make(len(one) if isinstance(one, str) else 1)
    return list(value)


def join(value: Iterable[Any], between: Any = "") -> str:
    """Return the texts of the items of *value*, with *between* between them."""
    texts, counted, between = [], run.get(), text_of(between)
    for one in value:
        texts.append(text_of(one))
        counted.make(len(texts[-1]) + len(between))
    return str(between.join(texts))


def _default(value: Any, default: Any = "", boolean: bool = False) -> Any:
    """Unlike Jinja's, also of nothing, which would be put out as nothing."""
    return default if isinstance(value, Undefined) or value is None or (boolean and not value) else value


def _replace(value: Any, old: Any, new: Any) -> str:
    text, old, new = text_of(value), text_of(old), text_of(new)
    run.get().make(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _places(given: Any) -> int:
    if not isinstance(given, int) or abs(given) > MAX_PLACES:
        raise LimitError(_("A number has at most %(most)d places.") % {"most": MAX_PLACES})
    return given


def _round(value: Any, precision: int = 0, method: str = "common") -> Any:
    return _JINJA["round"](value, _places(precision), method)


def _number(value: Any, places: int | None = None) -> str:
    if isinstance(value, Undefined) or value is None:
        return text_of(value)
    if not isinstance(value, int | float | Decimal):
        raise NotGivenError(_("“%(value)s” is no number.") % {"value": text_of(value)})
    return formats.number_format(value, None if places is None else _places(places), force_grouping=True)


def _moment(default: str, kinds: tuple[type[date | time], ...]) -> Callable[..., str]:
    def filtered(value: Any, format: str | None = None, zone: str | None = None) -> str:
        if isinstance(value, Undefined) or value is None:
            return text_of(value)
        if not isinstance(value, kinds):
            raise NotGivenError(_("“%(value)s” is no date or time.") % {"value": text_of(value)})
        return moment(value, format or default, zone)

    return filtered


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return *function*, a filter of Jinja's that takes a text, for any value that can be put out."""
    place = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def of_text(*args: Any, **kwargs: Any) -> Any:
        return function(*args[:place], text_of(args[place]), *args[place + 1 :], **kwargs)

    return of_text


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return *function*, a filter, so that what it makes counts."""

    @functools.wraps(function)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        counted = run.get()
        counted.check_time()
        return counted.bounded(function(*args, **kwargs))

    return bounded


_OF_TEXT = ("capitalize", "lower", "title", "trim", "truncate", "upper", "wordcount")
_OF_ANY = (
    *("abs", "count", "dictsort", "first", "float", "int", "items", "last", "length", "list", "map", "max", "min"),
    *("reject", "rejectattr", "reverse", "select", "selectattr", "sort", "sum", "unique"),
)
_OWN: Mapping[str, Callable[..., Any]] = {
    "d": _default,
    "date": _moment("DATE_FORMAT", (date,)),
    "datetime": _moment("DATETIME_FORMAT", (datetime,)),
    "default": _default,
    "join": join,
    "number": _number,
    "replace": _replace,
    "round": _round,
    "time": _moment("TIME_FORMAT", (datetime, time)),
    EACH: each,
    CONCAT: join,
    FLAT: flat,
}

#: All of them by name.
FILTERS: Mapping[str, Callable[..., Any]] = {
    name: _bounded(function)
    for name, function in {
        **{name: _of_text(_JINJA[name]) for name in _OF_TEXT},
        **{name: _JINJA[name] for name in _OF_ANY},
        **_OWN,
    }.items()
}
