"""
Public: custom attributes for the site's application monitoring.
"""

from __future__ import annotations

from edx_ace.utils.once import once


@once
def _set_custom_attribute():  # type: ignore[no-untyped-def]  # the package is optional and untyped
    try:
        from edx_django_utils.monitoring import set_custom_attribute
    except ImportError:
        return None
    return set_custom_attribute


def report(key: str, value: object) -> None:
    """Set the attribute *key* to *value* on the current transaction, when edx-django-utils is installed."""
    set_custom_attribute = _set_custom_attribute()
    if set_custom_attribute is not None:
        set_custom_attribute(key, value)
