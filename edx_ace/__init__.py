"""
Public: the names most code needs.

`send` is the function and `edx_ace.ace` the module it lives in.
"""

from edx_ace.ace import explain, send, send_many
from edx_ace.channel import Channel, ChannelType
from edx_ace.message import Message, MessageType
from edx_ace.policy import Policy, PolicyResult
from edx_ace.recipient import Recipient
from edx_ace.recipient_resolver import RecipientResolver

__version__ = "2.0.0"

__all__ = [
    "Channel",
    "ChannelType",
    "Message",
    "MessageType",
    "Policy",
    "PolicyResult",
    "Recipient",
    "RecipientResolver",
    "explain",
    "send",
    "send_many",
]
