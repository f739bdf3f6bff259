"""
Internal: what the tests of tracking share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from edx_ace import outbox
from edx_ace.outbox.models import Delivery
from tests.outbox.test_worker import work
from tests.pipeline import Recorder, welcome


@pytest.fixture
def channel(use_channels: Callable[..., None]) -> Recorder:
    """An email channel that accepts everything, as id-1, id-2 and so on."""
    channel = Recorder()
    use_channels(mail=channel)
    return channel


@pytest.fixture(autouse=True)
def policies(settings: Settings) -> None:
    """Suppression counts."""
    settings.ACE_ENABLED_POLICIES = ["suppression"]


@pytest.fixture
def sent(channel: Recorder) -> Callable[..., Delivery]:
    """Return a function that enqueues a message, delivers what is due and returns the message's delivery."""

    def send(**fields: Any) -> Delivery:
        message = welcome(**fields)
        outbox.enqueue(message)
        work()
        return Delivery.objects.get(payload=message.uuid)

    return send


@pytest.fixture
def tracked(settings: Settings) -> None:
    """Opens and clicks of news are counted; the messages of the tests are news."""
    settings.ACE_BASE_URL = "https://example.com"
    settings.ACE_CONTENT_STEPS = ["track"]
    settings.ACE_CATEGORIES = {"news": {"label": "News", "track": True}, "offers": {"label": "Offers"}}
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}}
