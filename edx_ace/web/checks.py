"""
Internal: the system checks of the pages.
"""

from __future__ import annotations

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, register
from django.urls import NoReverseMatch, reverse

#: The first page of each set of pages for the staff, what includes the set, and the apps whose tables it reads.
_PAGES = (
    ("ace_staff:search", "edx_ace.web.staff.urls", ("edx_ace.outbox", "edx_ace.preferences", "edx_ace.tracking")),
    ("ace_campaigns_web:list", "edx_ace.web.campaigns.urls", ("edx_ace.outbox", "edx_ace.campaigns")),
    ("ace_automation_web:list", "edx_ace.web.automation.urls", ("edx_ace.outbox", "edx_ace.automation")),
)


@register("edx_ace")
def check_staff_pages(**kwargs: object) -> list[CheckMessage]:
    """Check that the apps are installed whose pages the site includes."""
    if not getattr(django_settings, "ROOT_URLCONF", None):
        return []
    found: list[CheckMessage] = []
    for page, urls, needed in _PAGES:
        missing = [name for name in needed if not apps.is_installed(name)]
        if missing and _has_address(page):
            text = (
                f"{urls} is included, but INSTALLED_APPS lacks {' and '.join(missing)}: the pages would find no tables."
            )
            found.append(Error(text, hint="Add it, and run manage.py migrate.", id="ace_web.E001"))
    return found


def _has_address(page: str) -> bool:
    try:
        reverse(page)
    except NoReverseMatch:
        return False
    return True
