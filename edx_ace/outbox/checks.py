"""
Internal: the system checks of the outbox.
"""

from __future__ import annotations

from typing import Any, get_type_hints

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, register

from edx_ace.outbox.conf import Settings, settings


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
    own = {name for name in vars(Settings) if name.isupper()}
    for name, kind in get_type_hints(Settings).items():
        if name in own and (expected := _expected(kind, getattr(settings, name))):
            found.append(
                Error(
                    f"ACE_{name} must be {expected}, given {getattr(settings, name)!r}.",
                    hint="Correct it, or leave it out for its default.",
                    id="ace_outbox.E002",
                )
            )
    return found


def _expected(kind: type, value: Any) -> str:
    """Return what a setting of this type has to be; nothing, if *value* is."""
    if kind is bool:
        return "" if isinstance(value, bool) else "True or False"
    allowed = (int, float) if kind is float else (int,)
    is_number = isinstance(value, allowed) and not isinstance(value, bool)
    return "" if is_number and value > 0 else f"a number above 0 ({kind.__name__})"
