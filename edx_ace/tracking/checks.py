"""
Internal: the system checks of tracking.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, get_type_hints

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from edx_ace import categories
from edx_ace.checks import check_by_channel, mail_backend
from edx_ace.conf import settings as core_settings
from edx_ace.errors import ConfigurationError
from edx_ace.tracking import bounces, copies, links
from edx_ace.tracking.conf import Settings, settings
from edx_ace.tracking.policies import Budget

#: Most days that anything may be kept: a calendar has fewer than ten thousand years.
_MOST_DAYS = 1_000_000


@register("edx_ace")
def check_tracking(**kwargs: object) -> list[CheckMessage]:
    """Check what events, suppressions and budgets need of the site's settings."""
    return [
        *_check_numbers(),
        *_check_mailbox(),
        *_check_budgets(),
        *_check_policies(),
        *_check_webhook(),
    ]


def _check_numbers() -> Iterator[CheckMessage]:
    for name, kind in get_type_hints(Settings).items():
        if name not in vars(Settings) or kind not in (int, float):
            continue
        value: Any = getattr(settings, name)
        is_number = isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
        if not is_number or not 0 < value <= 1_000_000:
            yield Error(
                f"ACE_{name} must be a number above 0 and up to a million ({kind.__name__}), given {value!r}.",
                hint="Correct it, or leave it out for its default.",
                id="ace_tracking.E001",
            )


def _check_mailbox() -> Iterator[CheckMessage]:
    if settings.BOUNCE_MAILBOX:
        try:
            bounces.Mailbox.configured()
        except ConfigurationError as error:
            yield Error(str(error), hint="Correct it, or leave it out.", id="ace_tracking.E002")


def _check_budgets() -> Iterator[CheckMessage]:
    hint = "For example: ACE_BUDGETS = {'sms': {'amount': '500', 'then': 'deny'}}."
    return check_by_channel("ACE_BUDGETS", settings.BUDGETS, Budget.parse, hint=hint, identifier="ace_tracking.E003")


def _check_policies() -> Iterator[CheckMessage]:
    enabled = core_settings.ENABLED_POLICIES
    if "suppression" not in enabled:
        yield Warning(
            "ACE_ENABLED_POLICIES lacks 'suppression': addresses that bounced are only noticed at the last moment, and "
            "those that were erased not at all.",
            hint="Add 'suppression' to it, or take edx_ace.tracking out of INSTALLED_APPS.",
            id="ace_tracking.W001",
        )
    if settings.BUDGETS and "budget" not in enabled:
        yield Error(
            "ACE_BUDGETS is set, but ACE_ENABLED_POLICIES lacks 'budget', so that nothing keeps to it.",
            hint="Add 'budget' to it.",
            id="ace_tracking.E004",
        )


def _check_webhook() -> Iterator[CheckMessage]:
    given = getattr(django_settings, "ANYMAIL", None)
    if given is None and mail_backend().startswith("anymail."):
        given = {}
    if given is None or not getattr(django_settings, "ROOT_URLCONF", None):
        # The same addresses are there for links alone.
        return
    try:
        reverse("ace_tracking:webhook", args=["postmark"])
    except NoReverseMatch:
        return
    try:
        from anymail.utils import get_anymail_setting
    except ImportError:
        yield Error(
            "ANYMAIL is set and edx_ace.tracking.urls is included, but django-anymail is not installed.",
            hint='Run: pip install "edx-ace[anymail]".',
            id="ace_tracking.E005",
        )
        return
    try:
        secrets: Any = get_anymail_setting("webhook_secret", default=[])
    except ImproperlyConfigured:
        secrets = []
    keys = ("_SIGNING_KEY", "_SECRET", "_WEBHOOK_KEY", "_VERIFICATION_KEY")
    is_signed = any(value for name, value in given.items() if name.endswith(keys) and name != "WEBHOOK_SECRET")
    if not (all(secrets) if secrets else is_signed):
        yield Warning(
            "edx_ace.tracking.urls is included, but ANYMAIL has neither a WEBHOOK_SECRET nor a provider's signing key: "
            "webhooks without a secret are refused.",
            hint="Set ANYMAIL = {'WEBHOOK_SECRET': 'a-user:a-long-random-password'}, and tell the provider.",
            id="ace_tracking.W002",
        )


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
