"""
Internal: the system checks of campaigns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

from edx_ace import categories
from edx_ace.campaigns.conf import settings
from edx_ace.campaigns.host import Host
from edx_ace.channel.mailbox import parse_mailbox
from edx_ace.errors import InvalidMessageError, MissingExtraError

#: A host that pictures may come from, or all hosts below one.
_HOST = re.compile(r"(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.I | re.A)
_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]*", re.A)
_LIMITS = ("bounced", "complained", "failed")


@register("edx_ace")
def check_campaigns(**kwargs: object) -> list[CheckMessage]:
    """Check what campaigns need of the site's settings."""
    return [
        *_check_extra(),
        *_check_host(),
        *_check_numbers(),
        *_check_pictures(),
        *_check_tests(),
        *_check_limits(),
        *_check_types(),
        *_check_category(),
    ]


def _check_extra() -> Iterator[CheckMessage]:
    missing = [module for module in ("nh3", "markdown_it") if find_spec(module) is None]
    if missing:
        text = str(MissingExtraError("Writing campaigns", "campaigns"))
        yield Error(text, hint="Run what it says.", id="ace_campaigns.E001")


def _check_host() -> Iterator[CheckMessage]:
    given: Any = settings.CAMPAIGN_HOST
    hint = "For example: ACE_CAMPAIGN_HOST = 'shop.campaigns.ShopHost', a subclass of edx_ace.campaigns.host.Host."
    if given is None:
        return
    try:
        found = import_string(given)
    except Exception as error:
        text = f"ACE_CAMPAIGN_HOST cannot be imported: {type(error).__name__}: {error}"
        yield Error(text, hint=hint, id="ace_campaigns.E002")
    else:
        if not (isinstance(found, type) and issubclass(found, Host)):
            text = f"ACE_CAMPAIGN_HOST names {given!r}, which is no subclass of Host."
            yield Error(text, hint=hint, id="ace_campaigns.E002")


def _check_numbers() -> Iterator[CheckMessage]:
    for name in ("CAMPAIGN_APPROVAL_SIZE", "CAMPAIGN_MAX_ATTACHMENT_BYTES", "CAMPAIGN_MAX_HTML_BYTES"):
        value: Any = getattr(settings, name)
        if name == "CAMPAIGN_APPROVAL_SIZE" and value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            yield Error(
                f"ACE_{name} must be a whole number from 0 on, given {value!r}.",
                hint="Correct it, or leave it out for its default.",
                id="ace_campaigns.E003",
            )
    most, of_a_message = settings.CAMPAIGN_MAX_ATTACHMENT_BYTES, settings.EMAIL_MAX_ATTACHMENT_BYTES
    if isinstance(most, int) and isinstance(of_a_message, int) and most > of_a_message:
        yield Error(
            f"ACE_CAMPAIGN_MAX_ATTACHMENT_BYTES ({most:,}) is more than a mail may have "
            f"(ACE_EMAIL_MAX_ATTACHMENT_BYTES, {of_a_message:,}).",
            hint="Lower the one or raise the other.",
            id="ace_campaigns.E003",
        )


def _check_pictures() -> Iterator[CheckMessage]:
    example = "['img.example.com', '*.cdn.example.com']"
    return _check_list("CAMPAIGN_IMAGE_HOSTS", _HOST, "hosts", example, "ace_campaigns.E004")


def _check_tests() -> Iterator[CheckMessage]:
    given: Any = settings.CAMPAIGN_TEST_ADDRESSES
    for one in given if isinstance(given, list | tuple) else [given]:
        try:
            parse_mailbox(one, "address for tests")
        except InvalidMessageError as error:
            yield Error(f"ACE_CAMPAIGN_TEST_ADDRESSES: {error}", hint="Correct it.", id="ace_campaigns.E005")


def _check_limits() -> Iterator[CheckMessage]:
    given: Any = settings.CAMPAIGN_LIMITS
    hint = "For example: ACE_CAMPAIGN_LIMITS = {'bounced': 0.05, 'failed': 0.2, 'of': 200, 'in_a_row': 50}."
    if not isinstance(given, dict):
        yield Error(f"ACE_CAMPAIGN_LIMITS must be a dict, given {given!r}.", hint=hint, id="ace_campaigns.E006")
        return
    for name, value in given.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if name in ("of", "in_a_row"):
            is_right = isinstance(value, int) and is_number and value > 0
        else:
            is_right = name in _LIMITS and is_number and 0 < value <= 1
        if not is_right:
            text = (
                f"ACE_CAMPAIGN_LIMITS[{name!r}] is {value!r}: expected shares above 0 and up to 1, 'of' and "
                f"'in_a_row' whole numbers above 0."
            )
            yield Error(text, hint=hint, id="ace_campaigns.E006")


def _check_types() -> Iterator[CheckMessage]:
    example = "['application/pdf', 'image/png']"
    return _check_list("CAMPAIGN_ATTACHMENT_TYPES", _TYPE, "types of files", example, "ace_campaigns.E007")


def _check_list(name: str, pattern: re.Pattern[str], what: str, example: str, id: str) -> Iterator[CheckMessage]:
    given: Any = getattr(settings, name)
    for one in given if isinstance(given, list | tuple) else [given]:
        if not isinstance(one, str) or not pattern.fullmatch(one):
            yield Error(
                f"ACE_{name} must list {what}, given {one!r}.", hint=f"For example: ACE_{name} = {example}.", id=id
            )


def _check_category() -> Iterator[CheckMessage]:
    if not isinstance(settings.CATEGORIES, dict):
        return  # The core says so.
    try:
        own = categories.all_categories().keys() - set(categories.brought())
        can_be_chosen = any(categories.get(name).can_be_turned_off for name in own)
    except Exception:
        return  # The core says so.
    if not can_be_chosen:
        yield Warning(
            "People can turn off none of ACE_CATEGORIES, so that no campaign can be of any.",
            hint="Add one, for example: 'announcements': {'label': 'Announcements'}.",
            id="ace_campaigns.W001",
        )
