"""
Public: what existing tests of host sites import; new tests use `edx_ace.testing`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from unittest.mock import patch

from edx_ace.policy import Policy, PolicyResult

if TYPE_CHECKING:
    from unittest import TestCase

    from edx_ace.channel import ChannelType
    from edx_ace.message import Message


class StubPolicy(Policy):
    """
    Denies the same channel types for every message.

    Args:
        deny_value: The channel types.
    """

    def __init__(self, deny_value: Iterable[ChannelType]) -> None:
        self.deny_value = frozenset(deny_value)

    def check(self, message: Message) -> PolicyResult:
        """Deny what the constructor was given."""
        return PolicyResult(deny=self.deny_value)


def patch_policies(test_case: TestCase, policies: Iterable[Policy]) -> None:
    """Make *policies* the only ones until the end of the running test of *test_case*."""
    patcher = patch("edx_ace.policy.policies", return_value=list(policies))
    patcher.start()
    test_case.addCleanup(patcher.stop)
