"""
Internal: what the tests of tracking share.
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


@pytest.fixture
def tracked(settings: Settings) -> None:
    """Opens and clicks of news are counted; the messages of the tests are news."""
    settings.ACE_BASE_URL = "https://example.com"
    settings.ACE_CONTENT_STEPS = ["track"]
    settings.ACE_CATEGORIES = {"news": {"label": "News", "track": True}, "offers": {"label": "Offers"}}
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}}
