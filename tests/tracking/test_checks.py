"""
Internal: the system checks of links, opens, clicks and copies.
"""

from __future__ import annotations

import pytest

from edx_ace.tracking.checks import check_links

GOOD = {
    "ACE_CATEGORIES": {"news": {"track": True, "keep_copy_days": 30}},
    "ACE_CONTENT_STEPS": ["track", "keep_copy"],
    "ACE_BASE_URL": "https://example.com",
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        # Nothing is asked for.
        ({"ACE_CATEGORIES": {}, "ACE_CONTENT_STEPS": [], "ACE_BASE_URL": None}, []),
        ({"ACE_CATEGORIES": {"news": {"track": "yes"}}}, ["ace_tracking.E010"]),
        ({"ACE_CATEGORIES": {"news": {"keep_copy_days": 0}}}, ["ace_tracking.E010"]),
        ({"ACE_CATEGORIES": {"news": {"keep_copy_days": True}}}, ["ace_tracking.E010"]),
        ({"ACE_CONTENT_STEPS": []}, ["ace_tracking.W010", "ace_tracking.W010"]),
        ({"ACE_BASE_URL": None}, ["ace_tracking.E011"]),
        ({"ROOT_URLCONF": "edx_ace.outbox.urls"}, ["ace_tracking.E012"]),
        ({"ACE_TRACKING_CONSENT": "tests.nowhere"}, ["ace_tracking.E014"]),
        # The core says so.
        ({"ACE_CATEGORIES": []}, []),
    ],
)
def test_what_is_missing_is_said(settings, changes, expected):
    """
    Before the first mail goes out untracked.
    """
    for name, value in {**GOOD, **changes}.items():
        setattr(settings, name, value)

    assert [message.id for message in check_links()] == expected
