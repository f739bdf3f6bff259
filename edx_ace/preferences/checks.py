"""
Internal: the system checks of preferences: without a way to unsubscribe no mail goes to many.

They concern a site that uses preferences: it names the policy ``preference`` or the content step ``unsubscribe``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from edx_ace.channel import ChannelType, channels
from edx_ace.errors import MissingExtraError
from edx_ace.outbox.conf import settings as outbox_settings
from edx_ace.preferences.conf import settings
from edx_ace.tokens import seal

_STEP = "unsubscribe"
#: Steps that have to see what it adds.
_LATER = ("absolute_urls", "inline_css", "plain_text")


@register("edx_ace")
def check_preferences(**kwargs: object) -> list[CheckMessage]:
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
