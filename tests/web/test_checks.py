"""
Internal: the system checks of the pages.
"""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.checks import run_checks


@pytest.fixture
def uninstall(monkeypatch):
    """Return what takes an app away, as far as asking for it goes."""
    is_installed = apps.is_installed

    def take(app: str) -> None:
        monkeypatch.setattr(apps, "is_installed", lambda name: name != app and is_installed(name))

    return take


def found() -> list[str]:
    return [check.msg for check in run_checks(tags=["edx_ace"]) if check.id == "ace_web.E001"]


@pytest.mark.parametrize(
    ("app", "urls"),
    [
        ("edx_ace.tracking", "edx_ace.web.staff.urls"),
        ("edx_ace.campaigns", "edx_ace.web.campaigns.urls"),
        ("edx_ace.automation", "edx_ace.web.automation.urls"),
    ],
)
def test_pages_of_an_app_that_is_not_installed_are_an_error(uninstall, app, urls):
    """
    They would answer that there is no such table, to the first of the staff who opens one.
    """
    assert found() == []

    uninstall(app)
    [text] = found()

    assert text.startswith(f"{urls} is included, but INSTALLED_APPS lacks {app}")


def test_a_site_without_these_pages_needs_none_of_it(settings, uninstall):
    """
    Recipients alone may have pages.
    """
    settings.ROOT_URLCONF = "edx_ace.web.urls"
    uninstall("edx_ace.campaigns")

    assert found() == []
