"""
Internal: the system checks of links, opens, clicks and copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from edx_ace import categories
from edx_ace.tracking import copies, links
from edx_ace.tracking.conf import settings

#: Most days that anything may be kept: a calendar has fewer than ten thousand years.
_MOST_DAYS = 1_000_000


@register("edx_ace")
def check_links(**kwargs: object) -> list[CheckMessage]:
    """Check what tracked and kept mails need of the site's settings."""
    if not isinstance(settings.CATEGORIES, dict):
        return []  # The core says so.
    return [*_check_values(), *_check_steps(), *_check_tracked()]


def _check_values() -> Iterator[CheckMessage]:
    """E010: the keys of categories that this app reads."""
    hint = "Correct it, or leave it out for its default."
    for name, category in categories.all_categories().items():
        if not isinstance(category.more.get(links.CATEGORY_KEY, False), bool):
            text = f"ACE_CATEGORIES[{name!r}][{links.CATEGORY_KEY!r}] must be True or False."
            yield Error(text, hint=hint, id="ace_tracking.E010")
        if not _are_days(category.more.get(copies.CATEGORY_KEY, 1)):
            text = f"ACE_CATEGORIES[{name!r}][{copies.CATEGORY_KEY!r}] must be a number of days above 0."
            yield Error(text, hint=hint, id="ace_tracking.E010")


def _check_steps() -> Iterator[CheckMessage]:
    """W010: a category wants what no content step does."""
    for key, step in ((links.CATEGORY_KEY, "track"), (copies.CATEGORY_KEY, "keep_copy")):
        wanting = [name for name, one in categories.all_categories().items() if one.more.get(key)]
        if wanting and step not in settings.CONTENT_STEPS:
            text = f"The category {wanting[0]!r} has {key!r}, but ACE_CONTENT_STEPS does not name {step!r}."
            yield Warning(text, hint=f"Add {step!r} at its end.", id="ace_tracking.W010")


def _check_tracked() -> Iterator[CheckMessage]:
    """E011 to E014: what the addresses of tracked links are made with."""
    is_on = any(one.more.get(links.CATEGORY_KEY) for one in categories.all_categories().values())
    if not is_on or "track" not in settings.CONTENT_STEPS:
        return
    if not settings.BASE_URL:
        text = "Opens and clicks are to be counted, but ACE_BASE_URL is unset: messages go out untracked."
        yield Error(text, hint="Set it to the address of the site.", id="ace_tracking.E011")
    try:
        reverse("ace_tracking:click", args=["token"])
    except NoReverseMatch:
        text = "Opens and clicks are to be counted, but the site has no addresses for links: messages go out untracked."
        hint = "Add to its URLs: path('mail/', include('edx_ace.tracking.urls'))."
        yield Error(text, hint=hint, id="ace_tracking.E012")
    if find_spec("cryptography") is None:
        text = "Opens and clicks are to be counted, but links need tokens: messages go out untracked."
        yield Error(text, hint='Run: pip install "edx-ace[links]".', id="ace_tracking.E013")
    if settings.TRACKING_CONSENT is not None:
        try:
            import_string(settings.TRACKING_CONSENT)
        except ImportError as error:
            text = f"ACE_TRACKING_CONSENT cannot be imported, so that nobody is tracked: {error}"
            yield Error(text, hint="Give the dotted path of a function.", id="ace_tracking.E014")


def _are_days(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _MOST_DAYS
