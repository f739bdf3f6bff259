"""
Public: which channels there are, and which of them a message of a given type goes over.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from stevedore.extension import Extension

# `channels` is looked up on the package at each call: existing tests replace it there.
import edx_ace.channel as package
from edx_ace.channel.base import ALL_TYPES, Channel, ChannelType
from edx_ace.conf import settings
from edx_ace.errors import UnknownChannelError, UnsupportedChannelError, did_you_mean
from edx_ace.text import shown
from edx_ace.utils.plugins import get_plugins, known_names, load

if TYPE_CHECKING:
    from edx_ace.message import Message

LOG = logging.getLogger(__name__)

CHANNEL_EXTENSION_NAMESPACE = "openedx.ace.channel"


class ChannelMap:
    """
    Channels by type and name, in order of preference.

    Args:
        channels_list: Pairs of name and channel.
    """

    def __init__(self, channels_list: Iterable[tuple[str, Channel]]) -> None:
        self.channel_type_to_channel_impl: defaultdict[ChannelType, dict[str, Channel]] = defaultdict(dict)
        for name, channel in channels_list:
            self.register_channel(channel, name)

    def register_channel(self, channel: Channel, channel_name: str) -> None:
        """Add *channel* under *channel_name*, after those of its type that are there already."""
        self.channel_type_to_channel_impl[channel.channel_type][channel_name] = channel

    def get_channel_by_name(self, channel_type: ChannelType, channel_name: str) -> Channel:
        """
        Return the channel of *channel_type* called *channel_name*.

        Raises:
            KeyError: If there is none.
        """
        return self.channel_type_to_channel_impl.get(channel_type, {})[channel_name]

    def get_default_channel(self, channel_type: ChannelType) -> Channel:
        """
        Return the first channel of *channel_type*.

        Raises:
            UnsupportedChannelError: If there is none.
        """
        for channel in self.channel_type_to_channel_impl.get(channel_type, {}).values():
            return channel
        registered = ", ".join(sorted(self.names())) or "none"
        raise UnsupportedChannelError(
            f"No channel for {channel_type} is registered (registered: {registered}). "
            f"Name one in ACE_ENABLED_CHANNELS, or leave {channel_type} out with limit_to_channels."
        )

    def names(self) -> Iterator[str]:
        """Yield the name of every registered channel."""
        for implementations in self.channel_type_to_channel_impl.values():
            yield from implementations

    def name_of(self, channel: Channel) -> str:
        """Return the name under which *channel* is registered, else its class's name."""
        for implementations in self.channel_type_to_channel_impl.values():
            for name, registered in implementations.items():
                if registered is channel:
                    return name
        return type(channel).__name__


def channels() -> ChannelMap:
    """Return the channels that ACE_ENABLED_CHANNELS names and that are enabled now, in that order."""
    return _map_of(*get_plugins(CHANNEL_EXTENSION_NAMESPACE, settings.ENABLED_CHANNELS))


@lru_cache(maxsize=64)
def _map_of(*plugins: Extension[Any]) -> ChannelMap:
    return ChannelMap((plugin.name, cast(Channel, plugin.obj)) for plugin in plugins)


def name_of(channel: Channel) -> str:
    """Return the name under which *channel* is registered, else its class's name."""
    return package.channels().name_of(channel)


def get_channel_for_message(channel_type: ChannelType, message: Message) -> Channel:
    """
    Return the channel that *message* goes over as *channel_type*.

    Of the candidates (see `candidate_names`) one that claims the message wins, else the first that is registered, else
    the first registered channel of the type.

    Raises:
        UnsupportedChannelError: If no channel of the type is registered.
    """
    registered = package.channels()
    candidates = []
    for setting, name in candidate_names(channel_type, message):
        try:
            candidates.append(registered.get_channel_by_name(channel_type, name))
        except KeyError:
            _log_unknown_candidate(setting, name, channel_type, registered)
    return choose(candidates, message) if candidates else registered.get_default_channel(channel_type)


def choose(candidates: Sequence[Channel], message: Message) -> Channel:
    """
    Return the one of *candidates* that claims *message*, else the first.

    Raises:
        UnsupportedChannelError: If there are none: the channels that were named are not enabled.
    """
    if not candidates:
        raise UnsupportedChannelError(
            "The channel that limit_to_channels names is installed but not enabled. "
            "Name it in ACE_ENABLED_CHANNELS, and set what it needs."
        )
    for candidate in candidates:
        if candidate.overrides_delivery_for_message(message):
            return candidate
    return candidates[0]


#: The channel types that a send is limited to, each with the channels to choose from (None: as without a limit; empty:
#: those that were named are not enabled). Empty: no limit.
Limits = dict[ChannelType, list[Channel] | None]


def limits_of(limit_to_channels: Iterable[ChannelType | str] | None) -> Limits:
    """
    Return what *limit_to_channels* admits.

    Args:
        limit_to_channels: Channel types, their values (``"push"``) or names of channels (``"braze_push"``).

    Raises:
        UnknownChannelError: If an item is none of these.
    """
    if limit_to_channels is None:
        return {}
    if isinstance(limit_to_channels, str | ChannelType) or not isinstance(limit_to_channels, Iterable):
        raise UnknownChannelError(
            f"limit_to_channels must be a list of channel types or names, given {limit_to_channels!r}. "
            f"Write [{limit_to_channels!r}]."
        )
    limits: Limits = {}
    for item in limit_to_channels:
        if isinstance(item, ChannelType):
            limits.setdefault(item, None)
        elif isinstance(item, str) and item in (types := {str(member): member for member in ALL_TYPES}):
            limits.setdefault(types[item], None)
        else:
            channel_type, channels_of_that_name = _by_name(item)
            limits[channel_type] = [*(limits.get(channel_type) or ()), *channels_of_that_name]
    return limits


def _by_name(name: str) -> tuple[ChannelType, list[Channel]]:
    registered = package.channels()
    for channel_type, implementations in registered.channel_type_to_channel_impl.items():
        if isinstance(name, str) and name in implementations:
            return channel_type, [implementations[name]]
    if name in known_names(CHANNEL_EXTENSION_NAMESPACE):
        # Installed but not enabled: existing sites name such channels, so messages are skipped and nothing is raised.
        for extension in load(CHANNEL_EXTENSION_NAMESPACE, (name,)):
            return extension.plugin.channel_type, []
        raise UnknownChannelError(
            f"limit_to_channels names {name!r}, which is installed but cannot be loaded; the log says why."
        )
    types = [str(member) for member in ALL_TYPES]
    raise UnknownChannelError(
        f"limit_to_channels must hold ChannelType members, their values ({', '.join(types)}) or names of channels, "
        f"given {shown(name)}.{did_you_mean(str(name).lower(), [*registered.names(), *types])}"
    )


def candidate_names(channel_type: ChannelType, message: Message) -> list[tuple[str, str]]:
    """
    Return where each candidate's name comes from and the name itself, in order of preference.

    Email: ``options["override_default_channel"]`` alone; else, when ``options["transactional"]``,
    ACE_CHANNEL_TRANSACTIONAL_EMAIL before ACE_CHANNEL_DEFAULT_EMAIL. Push: ACE_CHANNEL_DEFAULT_PUSH, else
    ACE_PUSH_CHANNELS. Other types have no candidates.
    """
    names: list[tuple[str, str | None]] = []
    if channel_type is ChannelType.EMAIL:
        override = message.options.get("override_default_channel")
        if override:
            names = [("options['override_default_channel']", override)]
        else:
            if message.options.get("transactional"):
                names.append(("ACE_CHANNEL_TRANSACTIONAL_EMAIL", settings.CHANNEL_TRANSACTIONAL_EMAIL))
            names.append(("ACE_CHANNEL_DEFAULT_EMAIL", settings.CHANNEL_DEFAULT_EMAIL))
    elif channel_type is ChannelType.PUSH:
        if settings.CHANNEL_DEFAULT_PUSH:
            names = [("ACE_CHANNEL_DEFAULT_PUSH", settings.CHANNEL_DEFAULT_PUSH)]
        else:
            names = [("ACE_PUSH_CHANNELS", name) for name in settings.PUSH_CHANNELS or ()]
    return [(setting, name) for setting, name in names if name]


def _log_unknown_candidate(setting: str, name: str, channel_type: ChannelType, registered: ChannelMap) -> None:
    if name in known_names(CHANNEL_EXTENSION_NAMESPACE) and not registered.channel_type_to_channel_impl.get(
        channel_type
    ):
        return  # A site may name a channel that it does not enable (yet): nothing is to be chosen, as the report says.
    LOG.error(
        "%s names %r, which is no registered %s channel.%s",
        setting,
        name,
        channel_type,
        did_you_mean(name, registered.names()),
    )
