"""
Public: what people call the things that messages belong to, as the host's ACE_SCOPE_NAMES says.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.module_loading import import_string

from edx_ace.errors import ConfigurationError
from edx_ace.preferences.conf import settings


def names_of(scopes: Sequence[str]) -> list[str | None]:
    """
    Return what each of *scopes* is called in the active language, None for what has no name; the host is asked once.

    Raises:
        ConfigurationError: If ACE_SCOPE_NAMES answers with anything but one name for each.
    """
    if not scopes or not settings.SCOPE_NAMES:
        return [None] * len(scopes)
    given = import_string(settings.SCOPE_NAMES)(scopes)
    if not isinstance(given, list | tuple) or len(given) != len(scopes):
        raise ConfigurationError(
            f"ACE_SCOPE_NAMES must return one name for each of {len(scopes)} scopes, in order, given "
            f"{len(given) if isinstance(given, list | tuple) else 'a'} {type(given).__name__}."
        )
    return [str(name) if name else None for name in given]


def name_of(scope: str) -> str | None:
    """Return what *scope* is called; None: it has no name, or there is no scope."""
    return names_of([scope])[0] if scope else None
