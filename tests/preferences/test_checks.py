"""
Internal: what the system checks say about a site on which people cannot unsubscribe.
"""

from __future__ import annotations

import pytest
from django.core.checks import ERROR, WARNING, run_checks
from django.test import override_settings

SITE = {
    "DEBUG": False,
    "ACE_ENABLED_CHANNELS": ["django_email"],
    "ACE_CHANNEL_DEFAULT_EMAIL": "django_email",
    "ACE_ENABLED_POLICIES": ["preference", "digest"],
    "ACE_CONTENT_STEPS": ["unsubscribe", "absolute_urls", "inline_css", "plain_text"],
    "ACE_POSTAL_ADDRESS": "Northwind\n1 Harbour Street",
    "ACE_BASE_URL": "https://news.example",
    "ACE_ADDRESS_KEYS": ["secret"],
}


def address_of(message):
    """Return the postal address of whoever sends *message*."""
    return "Northwind"


def check(**settings):
    """Return what the checks of preferences say about the site with *settings*."""
    with override_settings(**{**SITE, **settings}):
        return [one for one in run_checks(tags=["edx_ace"]) if one.id.startswith("ace_preferences.")]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ACE_POSTAL_ADDRESS": f"{__name__}.address_of"},
        {"ACE_BASE_URL": f"{__name__}.address_of"},
        # A link need not work for mailbox providers where nobody but the developer gets it.
        {"DEBUG": True, "ACE_BASE_URL": "http://localhost:8000"},
        # Without mail there is nothing to unsubscribe from by a header.
        {"ACE_ENABLED_CHANNELS": [], "ACE_CONTENT_STEPS": []},
        # A site that does not use preferences.
        {"ACE_ENABLED_POLICIES": [], "ACE_CONTENT_STEPS": [], "ACE_POSTAL_ADDRESS": None, "ACE_ADDRESS_KEYS": []},
    ],
)
def test_a_site_that_is_set_up_has_no_faults(changes):
    """
    Nor one that needs no setting up.
    """
    assert check(**changes) == []


@pytest.mark.parametrize(
    ("changes", "check_id", "text"),
    [
        ({"ACE_CONTENT_STEPS": ["absolute_urls"]}, "E001", "does not name 'unsubscribe'"),
        ({"ACE_CONTENT_STEPS": ["inline_css", "unsubscribe"]}, "E001", "'unsubscribe' after 'inline_css'"),
        ({"ACE_POSTAL_ADDRESS": None}, "E002", "ACE_POSTAL_ADDRESS is not set"),
        ({"ACE_POSTAL_ADDRESS": "  "}, "E002", "ACE_POSTAL_ADDRESS is not set"),
        ({"ACE_POSTAL_ADDRESS": 7}, "E002", "must be text, but it is 7"),
        ({"ACE_POSTAL_ADDRESS": "no.such.function"}, "E002", "'no.such.function' is neither"),
        ({"ACE_POSTAL_ADDRESS": "django.VERSION"}, "E002", "names 'django.VERSION', which is no callable"),
        ({"ACE_BASE_URL": None}, "E003", "must be an https URL"),
        ({"ACE_BASE_URL": "http://news.example"}, "E003", "but it is 'http://news.example'"),
        ({"ROOT_URLCONF": "django.contrib.auth.urls"}, "E004", "have no address on this site"),
    ],
)
def test_what_is_missing_is_an_error(changes, check_id, text):
    """
    Mail in bulk must not go without it.
    """
    (found,) = check(**changes)

    assert (found.id, found.level) == (f"ace_preferences.{check_id}", ERROR)
    assert text in found.msg
    assert found.hint


def test_choices_that_hang_on_the_secret_key_are_warned_of():
    """
    Those of people without an account.
    """
    (found,) = check(ACE_ADDRESS_KEYS=[])

    assert (found.id, found.level) == ("ace_preferences.W001", WARNING)


def test_the_extra_that_is_missing_is_named(monkeypatch):
    """
    Sealing needs a library.
    """
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives.ciphers.aead", None)

    (found,) = check(ACE_TOKEN_KEYS=["only here"])

    assert found.id == "ace_preferences.E005"
    assert 'pip install "edx-ace[links]"' in found.msg
