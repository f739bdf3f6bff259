"""
Public: channels, their kinds, and how the channel of a message is chosen.
"""

from edx_ace.channel.base import Channel, ChannelType
from edx_ace.channel.registry import (
    CHANNEL_EXTENSION_NAMESPACE,
    ChannelMap,
    channels,
    get_channel_for_message,
)

__all__ = [
    "CHANNEL_EXTENSION_NAMESPACE",
    "Channel",
    "ChannelMap",
    "ChannelType",
    "channels",
    "get_channel_for_message",
]
