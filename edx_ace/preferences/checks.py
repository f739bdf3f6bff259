"""
Internal: the system checks of preferences.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from edx_ace.channel.base import ALL_TYPES
from edx_ace.errors import did_you_mean
from edx_ace.preferences.caps import ALL, parse
from edx_ace.preferences.conf import settings
from edx_ace.preferences.digests import WEEKDAYS
from edx_ace.preferences.lookup import is_enabled
from edx_ace.preferences.send_time import SEND_TIME_NAMESPACE
from edx_ace.utils.plugins import known_names, unknown_name_text


@register("edx_ace")
def check_preferences(**kwargs: object) -> list[CheckMessage]:
    """Check what preferences need of the site's settings."""
    return [*_check_people(), *_check_hours(), *_check_caps(), *_check_send_time()]


def _check_people() -> Iterator[CheckMessage]:
    hint = "For example: ACE_PEOPLE = 'shop.people.places', a function that takes a list of recipients."
    hook: Any = settings.PEOPLE
    if hook is None:
        return
    try:
        is_callable = callable(import_string(hook))
    except Exception as error:
        yield Error(
            f"ACE_PEOPLE cannot be imported: {type(error).__name__}: {error}", hint=hint, id="ace_preferences.E001"
        )
    else:
        if not is_callable:
            yield Error(f"ACE_PEOPLE names {hook!r}, which cannot be called.", hint=hint, id="ace_preferences.E001")


def _check_hours() -> Iterator[CheckMessage]:
    def error(text: str) -> Error:
        return Error(text, hint="Times of the day are written '08:00'.", id="ace_preferences.E002")

    hours: Any = settings.QUIET_HOURS
    if hours is not None and not (
        isinstance(hours, tuple | list) and len(hours) == 2 and all(map(_is_time, hours)) and hours[0] != hours[1]
    ):
        yield error(f"ACE_QUIET_HOURS must be two times of the day, such as ('22:00', '07:00'), given {hours!r}.")
    if not _is_time(settings.DIGEST_TIME):
        yield error(f"ACE_DIGEST_TIME must be a time of the day, given {settings.DIGEST_TIME!r}.")
    weekday: Any = settings.DIGEST_WEEKDAY
    if not isinstance(weekday, str) or weekday.lower() not in WEEKDAYS:
        yield error(f"ACE_DIGEST_WEEKDAY must be one of {', '.join(WEEKDAYS)}, given {weekday!r}.")


def _check_caps() -> Iterator[CheckMessage]:
    def error(text: str) -> Error:
        hint = "For example: ACE_FREQUENCY_CAPS = {'all': '5/day', 'email': '3/day, 10/week'}."
        return Error(text, hint=hint, id="ace_preferences.E003")

    caps: Any = settings.FREQUENCY_CAPS
    if not isinstance(caps, dict):
        yield error(f"ACE_FREQUENCY_CAPS must be a dict, given {caps!r}.")
        return
    known = [ALL, *map(str, ALL_TYPES)]
    for place, text in caps.items():
        if place not in known:
            suggestion = did_you_mean(place, known) if isinstance(place, str) else ""
            yield error(f"ACE_FREQUENCY_CAPS names {place!r}, which is neither a channel type nor 'all'.{suggestion}")
        try:
            parse(text)
        except (TypeError, ValueError) as problem:
            yield error(f"ACE_FREQUENCY_CAPS[{place!r}]: {problem}")


def _check_send_time() -> Iterator[CheckMessage]:
    name: Any = settings.SEND_TIME
    hint = "Install the package that provides it, or take it out."
    if name is not None and name not in known_names(SEND_TIME_NAMESPACE):
        yield Error(
            unknown_name_text("ACE_SEND_TIME", str(name), SEND_TIME_NAMESPACE), hint=hint, id="ace_preferences.E004"
        )
    if name is None and is_enabled("send_time"):
        hint = "Name in ACE_SEND_TIME what it is to ask."
        yield Error("The policy send_time is enabled and has nothing to ask.", hint=hint, id="ace_preferences.E004")
    hours: Any = settings.SEND_TIME_HOURS
    if not isinstance(hours, int | float) or isinstance(hours, bool) or not 0 < hours <= 24 * 7:
        yield Error(
            f"ACE_SEND_TIME_HOURS must be a number above 0, and at most a week, given {hours!r}.",
            hint="For example 24.",
            id="ace_preferences.E004",
        )


def _is_time(given: object) -> bool:
    try:
        return isinstance(given, str) and time.fromisoformat(given).tzinfo is None
    except ValueError:
        return False
