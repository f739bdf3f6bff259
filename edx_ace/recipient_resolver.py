"""
Public: `RecipientResolver`, for code that finds the recipients of a message type and sends to each.
"""

from abc import ABC, abstractmethod
from typing import Any


class RecipientResolver(ABC):
    """Finds recipients and sends them messages of a type."""

    @abstractmethod
    def send(self, msg_type: Any, *args: Any, **kwargs: Any) -> None:
        """Send a message of *msg_type* (a MessageType) to each recipient; subclasses name the further arguments."""
