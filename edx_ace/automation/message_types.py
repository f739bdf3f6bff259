"""
Public: the message type of what staff write for actions.
"""

from __future__ import annotations

from typing import Any

from edx_ace.message import MessageType


class Scheduled(MessageType):
    """
    What an action sends to one recipient, or to all in one; of the category that ``options["category"]`` names.

    Its templates see ``email``, a dict of ``subject``, ``html`` (sanitised, and put in as it is) and ``text``.
    """

    @classmethod
    def sample_context(cls) -> dict[str, Any]:
        """Return a short email."""
        return {"email": {"subject": "Hello", "html": "<p>This is new.</p>", "text": "This is new."}}
