"""
Internal: tests of the system checks of campaigns.
"""

from __future__ import annotations

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from edx_ace.campaigns import checks
from edx_ace.campaigns.host import Host


class AHost(Host):
    """A host."""


def found() -> list[str]:
    return [check.id for check in run_checks(tags=["edx_ace"]) if check.id.startswith("ace_campaigns.")]


def test_the_defaults_are_right():
    """
    And so is a site that sets everything.
    """
    assert found() == []


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("HOST", f"{__name__}.AHost", []),
        ("HOST", "nowhere.Host", ["ace_campaigns.E002"]),
        ("HOST", f"{__name__}.found", ["ace_campaigns.E002"]),
        ("HOST", 7, ["ace_campaigns.E002"]),
        ("APPROVAL_SIZE", 0, []),
        ("APPROVAL_SIZE", "many", ["ace_campaigns.E003"]),
        ("MAX_HTML_BYTES", None, ["ace_campaigns.E003"]),
        ("MAX_ATTACHMENT_BYTES", True, ["ace_campaigns.E003"]),
        ("MAX_ATTACHMENT_BYTES", 10**9, ["ace_campaigns.E003"]),
        ("IMAGE_HOSTS", ["img.example.com", "*.cdn.example.com"], []),
        ("IMAGE_HOSTS", ["https://img.example.com"], ["ace_campaigns.E004"]),
        ("IMAGE_HOSTS", ["*"], ["ace_campaigns.E004"]),
        ("IMAGE_HOSTS", "img.example.com/x", ["ace_campaigns.E004"]),
        ("TEST_ADDRESSES", ["team@example.com"], []),
        ("TEST_ADDRESSES", ["team"], ["ace_campaigns.E005"]),
        ("LIMITS", {"bounced": 1}, []),
        ("LIMITS", {"bounced": 0.1, "of": 100, "in_a_row": 20}, []),
        ("LIMITS", {"bounced": 5, "of": 0, "opened": 0.1}, ["ace_campaigns.E006"] * 3),
        ("LIMITS", None, ["ace_campaigns.E006"]),
        ("ATTACHMENT_TYPES", ["application/pdf"], []),
        ("ATTACHMENT_TYPES", [".pdf"], ["ace_campaigns.E007"]),
    ],
)
def test_settings_are_checked(settings: Settings, setting, value, expected):
    """
    Each by an error of its own.
    """
    setattr(settings, f"ACE_CAMPAIGN_{setting}", value)

    assert found() == expected


def test_a_site_without_a_category_for_campaigns_is_told(settings: Settings):
    """
    No campaign could be written.
    """
    settings.ACE_CATEGORIES = {"general": {"can_be_turned_off": False}}

    assert "ace_campaigns.W001" in found()


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch):
    """
    With what to type.
    """
    monkeypatch.setattr(checks, "find_spec", lambda module: None)

    [check] = [check for check in run_checks(tags=["edx_ace"]) if check.id == "ace_campaigns.E001"]

    assert 'pip install "edx-ace[campaigns]"' in check.msg
