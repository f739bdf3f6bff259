"""
Internal: what the tests of the pages share.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django import Settings

from edx_ace.channel import ChannelType
from edx_ace.preferences import links
from tests.pipeline import Recorder, welcome

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture(autouse=True)
def site(settings: Settings, use_channels: Callable[..., None]) -> None:
    """A site with four categories, and mail and push."""
    settings.ACE_BASE_URL = "https://news.example"
    settings.ACE_ENABLED_POLICIES = ["preference", "digest"]
    settings.ACE_CATEGORIES = {
        "news": {"label": "News", "description": "What is new, once a month.", "digest": True},
        "offers": {"label": "Offers", "default": False, "channels": ["email"]},
        "security": {"label": "Security", "can_be_turned_off": False},
    }
    settings.ACE_DEFAULT_CATEGORY = "news"
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}}
    use_channels(mail=Recorder(), push=Recorder(ChannelType.PUSH))


@pytest.fixture
def path() -> Callable[..., str]:
    """Return a function that returns the path of the page for a purpose, as a message to person 7 links to it."""

    def make(purpose: str = links.UNSUBSCRIBE, **fields: object) -> str:
        mandate = links.Mandate.of(welcome(**fields), ChannelType.EMAIL)
        assert mandate is not None
        return mandate.path(purpose)

    return make
