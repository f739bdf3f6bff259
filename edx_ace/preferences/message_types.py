"""
Public: the message type of digests.
"""

from __future__ import annotations

from typing import Any, ClassVar

from edx_ace.message import MessageType
from edx_ace.preferences.choices import DIGESTS


class Digest(MessageType):
    """
    What a person takes once a day or a week, in one email.

    Its templates see ``groups``, a list of dicts with the ``label`` of a category and its ``entries``, each with
    ``subject`` and ``text``; ``number``, how many entries there are; and of the latest message what
    ``edx_ace/email/base.html`` knows: ``site_name``, ``site_url``, ``logo_url``, ``postal_address``.
    """

    CATEGORY: ClassVar[str | None] = DIGESTS

    @classmethod
    def sample_context(cls) -> dict[str, Any]:
        """Return two messages of one category."""
        entries = [{"subject": "Hello", "text": "This is new."}, {"subject": "One more", "text": "And this."}]
        return {"groups": [{"label": "News", "entries": entries}], "number": 2}
