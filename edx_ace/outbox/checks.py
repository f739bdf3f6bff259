"""
Internal: the system checks of the outbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register

from edx_ace.checks import check_by_channel
from edx_ace.errors import MissingExtraError
from edx_ace.outbox.conf import Settings, settings
from edx_ace.outbox.costs import parsed_price
from edx_ace.outbox.rates import parse
from edx_ace.outbox.usage import redis_at

#: Largest number that a setting may be: of days, a calendar has fewer, of seconds, nothing waits longer.
LARGEST = 1_000_000

#: How the names of settings begin that are neither a number nor a switch.
_CHECKED_APART = ("RATE_LIMITS", "ADDRESS_KEYS", "PRICES")


@register("edx_ace")
def check_outbox(**kwargs: object) -> list[CheckMessage]:
    """Check what the outbox needs of the site's settings."""
    found: list[CheckMessage] = []
    if not django_settings.USE_TZ:
        found.append(
            Error(
                "The outbox compares moments with the database's clock, but USE_TZ is False.",
                hint="Set USE_TZ = True, or take edx_ace.outbox out of INSTALLED_APPS.",
                id="ace_outbox.E001",
            )
        )
    # Those of the core are checked by the core.
    own = {name for name in vars(Settings) if name.isupper() and not name.startswith(_CHECKED_APART)}
    for name, kind in get_type_hints(Settings).items():
        if name in own and (expected := _expected(kind, getattr(settings, name))):
            found.append(
                Error(
                    f"ACE_{name} must be {expected}, given {getattr(settings, name)!r}.",
                    hint="Correct it, or leave it out for its default.",
                    id="ace_outbox.E002",
                )
            )
    if not found and settings.OUTBOX_HANDOVER_SECONDS >= settings.OUTBOX_LEASE_SECONDS:
        found.append(
            Error(
                f"ACE_OUTBOX_HANDOVER_SECONDS must be below ACE_OUTBOX_LEASE_SECONDS, given "
                f"{settings.OUTBOX_HANDOVER_SECONDS} and {settings.OUTBOX_LEASE_SECONDS}: another worker would repeat "
                f"what is still being handed over.",
                hint="Shorten the one or lengthen the other.",
                id="ace_outbox.E004",
            )
        )
    found.extend(_check_address_keys())
    found.extend(_check_rates())
    found.extend(_check_prices())
    if settings.OUTBOX_CELERY is True:
        found.extend(_check_celery())
    return found


def _check_address_keys() -> Iterator[CheckMessage]:
    keys: Any = settings.ADDRESS_KEYS
    if not isinstance(keys, list | tuple) or not all(isinstance(key, str) and key for key in keys):
        # Its value is a secret.
        yield Error(
            f"ACE_ADDRESS_KEYS must be a list of texts that are not empty, given a {type(keys).__name__}.",
            hint="For example: ACE_ADDRESS_KEYS = [os.environ['ADDRESS_KEY']].",
            id="ace_outbox.E006",
        )


def _check_prices() -> Iterator[CheckMessage]:
    hint = "For example: ACE_PRICES = {'django_email': '0.0001'}."
    return check_by_channel("ACE_PRICES", settings.PRICES, _parse_prices, hint=hint, identifier="ace_outbox.E007")


def _parse_prices(given: Any) -> None:
    for price in given.values() if isinstance(given, dict) else [given]:
        parsed_price(price)


def _check_celery() -> Iterator[CheckMessage]:
    from celery import current_app

    from edx_ace.outbox import tasks

    if not current_app.conf.broker_url:
        yield Error(
            "ACE_OUTBOX_CELERY is on, but no Celery app here says where its broker is.",
            hint="Import your Celery app in the __init__.py of your project, and set its broker_url "
            "(CELERY_BROKER_URL).",
            id="ace_outbox.E005",
        )
    scheduled = {entry.get("task") for entry in current_app.conf.beat_schedule.values()}
    if tasks.sweep.name not in scheduled:
        yield Warning(
            "ACE_OUTBOX_CELERY is on, but Celery's beat_schedule has no sweep: nothing finds what is to be tried "
            "again, comes due later, or was left behind.",
            hint=f"Add {{'task': {tasks.sweep.name!r}, 'schedule': 10}} to it; if it stands elsewhere, silence this.",
            id="ace_outbox.W001",
        )


def _expected(kind: type, value: Any) -> str:
    """Return what a setting of this type has to be; nothing, if *value* is."""
    if kind is bool:
        return "" if isinstance(value, bool) else "True or False"
    allowed = (int, float) if kind is float else (int,)
    is_number = isinstance(value, allowed) and not isinstance(value, bool)
    if not is_number or not value > 0:
        return f"a number above 0 ({kind.__name__})"
    return "" if value <= LARGEST else f"at most {LARGEST}"


def _check_rates() -> list[CheckMessage]:
    """E003: rate limits that cannot be kept."""
    found: list[CheckMessage] = []

    def add(text: str, hint: str) -> None:
        found.append(Error(text, hint=hint, id="ace_outbox.E003"))

    limits: Any = settings.RATE_LIMITS
    hint = "For example: ACE_RATE_LIMITS = {'django_email': '14/s, 50000/day'}."
    found.extend(check_by_channel("ACE_RATE_LIMITS", limits, parse, hint=hint, identifier="ace_outbox.E003"))
    reserve = settings.RATE_LIMITS_RESERVE
    if not isinstance(reserve, int | float) or isinstance(reserve, bool) or not 0 <= reserve < 1:
        add(
            f"ACE_RATE_LIMITS_RESERVE must be a number from 0 to below 1, given {reserve!r}.",
            "For example 0.1: a tenth of each limit is kept for essential messages.",
        )
    if settings.RATE_LIMITS_REDIS:
        try:
            redis_at(settings.RATE_LIMITS_REDIS)
        except MissingExtraError as error:
            add(str(error), 'Run: pip install "edx-ace[ratelimit]", or take ACE_RATE_LIMITS_REDIS out.')
        except Exception as error:
            # Its text may quote the URL, which may have a password.
            add(
                f"ACE_RATE_LIMITS_REDIS must be the URL of a Redis database ({type(error).__name__}).",
                "For example: 'redis://127.0.0.1:6379/3'.",
            )
    return found
