"""
Internal: what the tests of preferences share.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django import Settings

from tests.pipeline import Recorder


@pytest.fixture
def channel(use_channels: Callable[..., None]) -> Recorder:
    """An email channel that accepts everything."""
    channel = Recorder()
    use_channels(mail=channel)
    return channel


@pytest.fixture(autouse=True)
def categories(settings: Settings) -> None:
    """The messages of the tests are news; what people choose counts."""
    settings.ACE_ENABLED_POLICIES = ["preference"]
    settings.ACE_CATEGORIES = {
        "news": {"label": "News", "digest": True},
        "offers": {"label": "Offers", "default": False, "channels": ["email"]},
        "security": {"label": "Security", "can_be_turned_off": False},
    }
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}}
