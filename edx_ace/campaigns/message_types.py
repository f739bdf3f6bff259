"""
Public: the message type of campaigns.
"""

from __future__ import annotations

from typing import Any, ClassVar

from edx_ace.message import MessageType


class Campaign(MessageType):
    """
    What a campaign sends to one person; of the category that ``options["category"]`` names.

    Its templates see, by the value of each channel type, what is written for it with keywords replaced: for ``email`` a
    dict of ``subject``, ``preheader``, ``html`` (sanitised, and put in as it is) and ``text``; for others of ``title``,
    ``text`` and ``url``. Beside these they see the values of the scope that ``edx_ace/email/base.html`` knows:
    ``site_name``, ``site_url``, ``logo_url``, ``postal_address``.
    """

    # No campaign can be.
    ESSENTIAL: ClassVar[bool | None] = False

    @classmethod
    def sample_context(cls) -> dict[str, Any]:
        """Return a short email, and the same for other channel types."""
        short = {"title": "Hello", "text": "This is new.", "url": "https://example.com/"}
        email = {"subject": "Hello", "preheader": "", "html": "<p>This is new.</p>", "text": "This is new."}
        return {"email": email, **dict.fromkeys(("push", "sms", "in_app", "chat", "webhook"), short)}
