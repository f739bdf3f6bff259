"""
Internal: what templates may look at, and how that reads.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import Manager, Model, QuerySet
from django.db.models.fields.files import FieldFile
from django.utils import formats, timezone, translation
from django.utils.functional import Promise, cached_property
from jinja2.runtime import LoopContext, Undefined

from edx_ace.automation.bounds import MAX_ITEMS, LimitError, NotGivenError
from edx_ace.automation.bounds import told as _
from edx_ace.automation.conf import settings
from edx_ace.recipient import Recipient

#: Names that are not read unless the site names them: what they hold is for machines, or a secret.
_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|cookie"
    r"|(?:^|_)(?:api|auth|access|private|session|signing|encryption)_?key|(?:^|_)(?:otp|totp|mfa|salt|hash|pin)(?:_|$)",
    re.I,
)
#: Methods that are asked by their name, beside those that Django adds for choices.
_METHODS = ("get_absolute_url", "get_full_name", "get_short_name")

_LOOP = ("index", "index0", "first", "last", "length", "revindex", "revindex0", "previtem", "nextitem")
#: What can be read of values that are no objects of models.
_ATTRIBUTES: Sequence[tuple[type[Any], frozenset[str]]] = (
    (datetime, frozenset({"year", "month", "day", "hour", "minute", "second"})),
    (date, frozenset({"year", "month", "day"})),
    (time, frozenset({"hour", "minute", "second"})),
    (timedelta, frozenset({"days", "seconds"})),
    (FieldFile, frozenset({"name", "url"})),
    (Recipient, frozenset({"email_address", "lms_user_id"})),
    (LoopContext, frozenset({*_LOOP, "cycle", "changed"})),
)
#: How that reads of which nobody said how it reads.
_NO_TEXT: Any = object.__str__
#: Values that templates see as they are.
_PLAIN = (bool, int, float, Decimal, date, time, timedelta, UUID, Model, Mapping, FieldFile, Recipient, Undefined)


def readable(model: type[Model]) -> frozenset[str]:
    """Return what templates can read of objects of *model*: names of fields, properties, methods, what a site names."""
    named = {label.lower(): names for label, names in settings.AUTOMATION_READABLE.items()}
    return _readable(model) | frozenset(named.get(model._meta.label_lower, ()))


@cache
def _readable(model: type[Model]) -> frozenset[str]:
    meta = model._meta
    found = {"pk"}
    for field in meta.concrete_fields:
        found |= {field.name, field.attname}
        if field.choices:
            found.add(f"get_{field.name}_display")
    found |= {field.name for field in meta.private_fields if field.many_to_one}
    found |= {name for one in meta.related_objects if one.one_to_one and (name := one.get_accessor_name())}
    for name in dir(model):
        if name in _METHODS or isinstance(_static(model, name), property | functools.cached_property | cached_property):
            found.add(name)
    return frozenset(name for name in found if not name.startswith("_") and not _SECRET.search(name))


def _static(model: type[Model], name: str) -> object:
    """Return what *name* is on the class *model*, without asking it."""
    return next((vars(one)[name] for one in model.__mro__ if name in vars(one)), None)


def admitted(value: Any) -> Any:
    """
    Return *value* as templates see it: plain values, objects, and lists of them; nothing that can be called.

    Raises:
        LimitError: If it is a relation to too many.
        NotGivenError: If it is no value that templates may see.
    """
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, str):
        # Text alone: one that is marked as safe would escape what is added to it.
        return str.__str__(value)
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, Manager | QuerySet):
        found = list(value.all()[: MAX_ITEMS + 1])
        if len(found) > MAX_ITEMS:
            raise LimitError(_("There are more than %(most)d of these.") % {"most": MAX_ITEMS})
        return found
    if isinstance(value, list | tuple | set | frozenset):
        return [admitted(one) for one in value]
    if callable(value) or type(value).__str__ is _NO_TEXT:
        raise NotGivenError(_("Templates cannot use a value of the kind “%(kind)s”.") % {"kind": _kind(value)})
    return value  # Of which nothing but its text can be had.


def attribute(value: Any, name: Any) -> tuple[bool, Any]:
    """Return whether there is a *name* of *value*, by ``value.name`` or ``value[name]``, and what it is."""
    if isinstance(value, Mapping):
        if isinstance(name, str | int) and name in value:
            return True, admitted(value[name])
    elif isinstance(value, str | list | tuple):
        if isinstance(name, int) and -len(value) <= name < len(value):
            return True, admitted(value[name])
    elif isinstance(value, Model):
        if isinstance(name, str) and name in readable(type(value)):
            return True, admitted(_of_model(value, name))
    elif isinstance(name, str) and name in _names(value):
        found = getattr(value, name)
        # Methods of a loop are called by the sandbox itself.
        return True, found if isinstance(value, LoopContext) else admitted(found)
    return False, None


def _of_model(instance: Model, name: str) -> Any:
    try:
        value = getattr(instance, name)
    except ObjectDoesNotExist:
        return None  # Nothing is at the other end of a relation to one.
    if isinstance(value, Manager | QuerySet) or not callable(value):
        return value
    if getattr(value, "alters_data", False):
        raise NotGivenError(_("“%(name)s” changes what it is asked of.") % {"name": name})
    return value()


def missing(value: Any, name: object) -> str:
    """Return a sentence that says that there is no *name* of *value*."""
    if value is None:
        return _("There is no “%(name)s”, as what it would be of is empty.") % {"name": name}
    text = _("There is no “%(name)s” of “%(kind)s”.")
    if isinstance(value, Model) and not str(name).startswith("_") and _has(type(value), str(name)):
        text = _("“%(name)s” of “%(kind)s” is not for templates, unless the site's ACE_AUTOMATION_READABLE names it.")
    return with_nearest(text % {"name": name, "kind": _kind(value)}, name, _names(value))


def with_nearest(text: str, name: object, known: Collection[str]) -> str:
    """Return *text* and, if one of *known* looks like *name*, that."""
    nearest = difflib.get_close_matches(str(name), list(known), n=1)
    if not nearest:
        return text
    question = _("Did you mean “%(nearest)s”?") % {"nearest": nearest[0]}
    return f"{text} {question}"


def _names(value: Any) -> Collection[str]:
    if isinstance(value, Model):
        return readable(type(value))
    if isinstance(value, Mapping):
        return [key for key in value if isinstance(key, str)]
    return next((names for kind, names in _ATTRIBUTES if isinstance(value, kind)), frozenset())


def _kind(value: Any) -> str:
    return str(value._meta.verbose_name) if isinstance(value, Model) else type(value).__name__


def _has(model: type[Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return _static(model, name) is not None
    return True


def text_of(value: Any) -> str:
    """
    Return *value* as people read it, in the active language and time zone.

    Raises:
        NotGivenError: If it is a list, or no value at all.
        UndefinedError: If it is undefined.
    """
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        # Django's own, which it has in all its languages.
        return translation.gettext("yes,no,maybe").split(",")[0 if value else 1]
    if isinstance(value, date | time):
        return moment(value)
    if isinstance(value, float | Decimal):
        return str(formats.localize(value))
    if isinstance(value, Mapping) or (isinstance(value, Iterable) and not isinstance(value, Model | FieldFile)):
        raise NotGivenError(_("A list cannot be put out as it is. Write a loop, or |join(', ') behind it."))
    if callable(value) or isinstance(value, Recipient):
        raise NotGivenError(_("This cannot be put out: it is no value."))
    return str(value)


def moment(value: date | time, format: str | None = None, zone: str | None = None) -> str:
    """
    Return *value* as text.

    Args:
        value: A datetime, a date or a time.

        format: As Django's filter ``date`` has it, or the name of a format; None: what is usual for *value*.

        zone: Name of a time zone; None: the active one.
    """
    if isinstance(value, time):
        return formats.time_format(value, format or "TIME_FORMAT")
    if isinstance(value, datetime):
        if timezone.is_aware(value):
            value = timezone.localtime(value, ZoneInfo(zone) if zone else None)
        return formats.date_format(value, format or "DATETIME_FORMAT")
    return formats.date_format(value, format or "DATE_FORMAT")
