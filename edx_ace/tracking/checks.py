"""
Internal: the system checks of tracking.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from edx_ace.channel.registry import CHANNEL_EXTENSION_NAMESPACE
from edx_ace.conf import settings as core_settings
from edx_ace.errors import ConfigurationError
from edx_ace.tracking import bounces
from edx_ace.tracking.conf import Settings, settings
from edx_ace.tracking.policies import Budget
from edx_ace.utils.plugins import known_names, unknown_name_text


@register("edx_ace")
def check_tracking(**kwargs: object) -> list[CheckMessage]:
    """Check what tracking needs of the site's settings."""
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
    budgets: Any = settings.BUDGETS
    if not isinstance(budgets, dict):
        yield Error(f"ACE_BUDGETS must be a dict, given {budgets!r}.", hint=hint, id="ace_tracking.E003")
        return
    installed = known_names(CHANNEL_EXTENSION_NAMESPACE)
    for name, about in budgets.items():
        if name not in installed:
            yield Error(
                unknown_name_text("ACE_BUDGETS", name, CHANNEL_EXTENSION_NAMESPACE),
                hint=hint,
                id="ace_tracking.E003",
            )
        try:
            Budget.parse(about)
        except ValueError as error:
            yield Error(f"ACE_BUDGETS[{name!r}]: {error}", hint=hint, id="ace_tracking.E003")


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
