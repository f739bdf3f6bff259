"""
Internal: the system checks of preferences.

Without a way to unsubscribe no mail goes to many: that concerns a site that uses preferences, which names the policy
``preference`` or the content step ``unsubscribe``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from edx_ace import categories
from edx_ace.channel import ChannelType, channels
from edx_ace.channel.base import ALL_TYPES
from edx_ace.errors import MissingExtraError, did_you_mean
from edx_ace.outbox.conf import settings as outbox_settings
from edx_ace.preferences.caps import ALL, parse
from edx_ace.preferences.conf import settings
from edx_ace.preferences.digests import WEEKDAYS
from edx_ace.preferences.lookup import is_enabled
from edx_ace.preferences.send_time import SEND_TIME_NAMESPACE
from edx_ace.tokens import seal
from edx_ace.utils.plugins import known_names, unknown_name_text

_STEP = "unsubscribe"
#: Steps that have to see what it adds.
_LATER = ("absolute_urls", "inline_css", "plain_text")


@register("edx_ace")
def check_unsubscribing(**kwargs: object) -> list[CheckMessage]:
    """Check that people can choose, and unsubscribe from what they get by email."""
    steps = list(settings.CONTENT_STEPS or ())
    if "preference" not in (settings.ENABLED_POLICIES or ()) and _STEP not in steps:
        return []
    found = list(_check_address_keys())
    if channels().channel_type_to_channel_impl.get(ChannelType.EMAIL):
        found += [*_check_step(steps), *_check_postal_address(), *_check_base_url(), *_check_pages()]
    return found


def _check_address_keys() -> Iterator[CheckMessage]:
    if not outbox_settings.ADDRESS_KEYS:
        yield Warning(
            "ACE_ADDRESS_KEYS is not set: what people without an account chose is lost when SECRET_KEY changes.",
            hint="Set it to a list with one random text of its own, and never take that out.",
            id="ace_preferences.W001",
        )


def _check_step(steps: list[str]) -> Iterator[CheckMessage]:
    if _STEP not in steps:
        yield Error(
            "ACE_CONTENT_STEPS does not name 'unsubscribe', so that nobody can unsubscribe from mail in bulk.",
            hint=f"Write: ACE_CONTENT_STEPS = {[_STEP, *steps]}.",
            id="ace_preferences.E001",
        )
        return
    earlier = [step for step in steps[: steps.index(_STEP)] if step in _LATER]
    if earlier:
        yield Error(
            f"ACE_CONTENT_STEPS names 'unsubscribe' after {', '.join(map(repr, earlier))}, which would not see what it "
            "adds.",
            hint=f"Write: ACE_CONTENT_STEPS = {[_STEP, *(step for step in steps if step != _STEP)]}.",
            id="ace_preferences.E001",
        )


def _check_postal_address() -> Iterator[CheckMessage]:
    given: Any = settings.POSTAL_ADDRESS
    problem = ""
    if given is None or (isinstance(given, str) and not given.strip()):
        problem = "is not set"
    elif not isinstance(given, str):
        problem = f"must be text, but it is {given!r}"
    elif len(given.split()) == 1:
        try:
            if not callable(import_string(given)):
                problem = f"names {given!r}, which is no callable"
        except ImportError as error:
            problem = f"must be an address or the dotted path of a callable, but {given!r} is neither ({error})"
    if problem:
        yield Error(
            f"ACE_POSTAL_ADDRESS {problem}: mail in bulk has to say who sends it from where.",
            hint="For example: ACE_POSTAL_ADDRESS = 'Northwind Ltd\\n1 Harbour Street\\nDublin'.",
            id="ace_preferences.E002",
        )


def _check_base_url() -> Iterator[CheckMessage]:
    given: Any = settings.BASE_URL
    if given and not isinstance(given, str):
        return  # The core says so.
    is_url = bool(given) and "/" in given
    # On a developer's machine a link need not work for mailbox providers.
    if not given or (is_url and not given.lower().startswith("https://") and not django_settings.DEBUG):
        yield Error(
            f"ACE_BASE_URL must be an https URL for people to unsubscribe with one click, but it is {given!r}.",
            hint="For example: ACE_BASE_URL = 'https://example.com'.",
            id="ace_preferences.E003",
        )


def _check_pages() -> Iterator[CheckMessage]:
    try:
        reverse("ace_web:unsubscribe", args=[seal(_STEP, "")])
    except NoReverseMatch:
        yield Error(
            "The pages on which people unsubscribe have no address on this site.",
            hint="Add 'edx_ace.web' to INSTALLED_APPS, and path('messages/', include('edx_ace.web.urls')) to the URLs.",
            id="ace_preferences.E004",
        )
    except MissingExtraError as error:
        yield Error(str(error), hint="Run what it says.", id="ace_preferences.E005")


@register("edx_ace")
def check_settings(**kwargs: object) -> list[CheckMessage]:
    """Check that the settings of preferences can be used."""
    return [
        *_check_people(),
        *_check_scope_names(),
        *_check_hours(),
        *_check_caps(),
        *_check_send_time(),
        *_check_policies(),
    ]


def _check_people() -> Iterator[CheckMessage]:
    hint = "For example: ACE_PEOPLE = 'shop.people.places', a function that takes a list of recipients."
    yield from _check_hook("ACE_PEOPLE", settings.PEOPLE, hint, "ace_preferences.E006")


def _check_scope_names() -> Iterator[CheckMessage]:
    hint = "For example: ACE_SCOPE_NAMES = 'shop.courses.names', a function that takes a list of scopes."
    yield from _check_hook("ACE_SCOPE_NAMES", settings.SCOPE_NAMES, hint, "ace_preferences.E010")


def _check_hook(name: str, hook: Any, hint: str, id: str) -> Iterator[CheckMessage]:
    if hook is None:
        return
    try:
        is_callable = callable(import_string(hook))
    except Exception as error:
        yield Error(f"{name} cannot be imported: {type(error).__name__}: {error}", hint=hint, id=id)
    else:
        if not is_callable:
            yield Error(f"{name} names {hook!r}, which cannot be called.", hint=hint, id=id)


def _check_hours() -> Iterator[CheckMessage]:
    def error(text: str) -> Error:
        return Error(text, hint="Times of the day are written '08:00'.", id="ace_preferences.E007")

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
        return Error(text, hint=hint, id="ace_preferences.E008")

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
            unknown_name_text("ACE_SEND_TIME", str(name), SEND_TIME_NAMESPACE), hint=hint, id="ace_preferences.E009"
        )
    if name is None and is_enabled("send_time"):
        hint = "Name in ACE_SEND_TIME what it is to ask."
        yield Error("The policy send_time is enabled and has nothing to ask.", hint=hint, id="ace_preferences.E009")
    hours: Any = settings.SEND_TIME_HOURS
    if not isinstance(hours, int | float) or isinstance(hours, bool) or not 0 < hours <= 24 * 7:
        yield Error(
            f"ACE_SEND_TIME_HOURS must be a number above 0, and at most a week, given {hours!r}.",
            hint="For example 24.",
            id="ace_preferences.E009",
        )


def _check_policies() -> Iterator[CheckMessage]:
    set_for = {
        "quiet_hours": ("ACE_QUIET_HOURS", settings.QUIET_HOURS),
        "frequency_cap": ("ACE_FREQUENCY_CAPS", settings.FREQUENCY_CAPS),
        "send_time": ("ACE_SEND_TIME", settings.SEND_TIME),
    }
    problems = [
        (policy, f"{name} is set, but ACE_ENABLED_POLICIES lacks {policy!r}, so that nothing keeps to it.")
        for policy, (name, value) in set_for.items()
        if value and not is_enabled(policy)
    ]
    if _STEP in settings.CONTENT_STEPS and not is_enabled("preference"):
        text = "People may unsubscribe, but ACE_ENABLED_POLICIES lacks 'preference': they get all the same."
        problems.append(("preference", text))
    if is_enabled("preference") and not is_enabled("digest") and isinstance(settings.CATEGORIES, dict):
        in_digests = [name for name, one in categories.all_categories().items() if one.digest]
        if in_digests:
            text = (
                f"People may take {in_digests[0]!r} once a day or a week, but ACE_ENABLED_POLICIES lacks 'digest': "
                "they get its messages as they come."
            )
            problems.append(("digest", text))
    for policy, text in problems:
        yield Warning(text, hint=f"Add {policy!r} to it.", id="ace_preferences.W002")


def _is_time(given: object) -> bool:
    try:
        return isinstance(given, str) and time.fromisoformat(given).tzinfo is None
    except ValueError:
        return False
