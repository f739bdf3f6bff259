"""
Public: `render`, which turns a message into the fields that a channel needs. Applies no content step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.utils import translation
from django.utils.module_loading import import_string

from edx_ace.channel import Channel, ChannelType
from edx_ace.conf import settings
from edx_ace.errors import UnsupportedChannelError
from edx_ace.renderers import AbstractRenderer, EmailRenderer, PushNotificationRenderer, lookups_kept_in

if TYPE_CHECKING:
    from edx_ace.message import Message

#: The renderer of each channel type whose channels bring none of their own.
RENDERERS: dict[ChannelType, AbstractRenderer] = {
    ChannelType.EMAIL: EmailRenderer(),
    ChannelType.PUSH: PushNotificationRenderer(),
}

_NOTHING: AbstractContextManager[None] = nullcontext()

#: Templates found so far in a batch, by place and language; None outside a batch.
_shared_lookups: ContextVar[dict[Any, dict[str, Any]] | None] = ContextVar("edx_ace_shared_lookups", default=None)


def render(channel: Channel | type[Channel], message: Message) -> Any:
    """
    Return what the renderer of *channel* (a class or an instance) makes of *message*, in the message's language.

    Raises:
        UnsupportedChannelError: If neither the channel nor its type has a renderer.
        MessageTemplateMissing: If a template is missing.
    """
    renderer = renderer_of(channel)
    with host_context(message) as place, language_of(message), _lookups_of(place, message):
        return renderer.render(channel, message)


@contextmanager
def lookups_shared_in(lookups: dict[Any, dict[str, Any]]) -> Iterator[None]:
    """
    Look each template up once per message type and language and keep it in *lookups*, a dict that starts empty.

    Where the host's ACE_RENDER_CONTEXT may choose another template (a site's theme), lookups are kept apart by the
    hashable value that its context manager yields; while it yields None, each message is looked up by itself.
    """
    token = _shared_lookups.set(lookups)
    try:
        yield
    finally:
        _shared_lookups.reset(token)


def renderer_of(channel: Channel | type[Channel]) -> AbstractRenderer:
    """
    Return the renderer of *channel*: its own, else the one of its type.

    Raises:
        UnsupportedChannelError: If there is neither.
    """
    channel_class = channel if isinstance(channel, type) else type(channel)
    renderer = getattr(channel_class, "renderer", None) or RENDERERS.get(channel.channel_type)
    if renderer is None:
        raise UnsupportedChannelError(
            f"{channel_class.__name__} cannot render: there is no renderer for {channel.channel_type} "
            f"(there is one for {', '.join(sorted(map(str, RENDERERS)))}). Set `renderer` on the channel's class."
        )
    return renderer


def host_context(message: Message) -> AbstractContextManager[Any]:
    """Return what the host's ACE_RENDER_CONTEXT puts around the rendering of *message*."""
    hook = settings.RENDER_CONTEXT
    return import_string(hook)(message) if hook else _NOTHING


def language_of(message: Message) -> AbstractContextManager[Any]:
    """Return what makes the language of *message*, if it names one, the active one."""
    return translation.override(message.language) if message.language else _NOTHING


def _lookups_of(place: Any, message: Message) -> AbstractContextManager[None]:
    shared = _shared_lookups.get()
    if shared is None or (place is None and settings.RENDER_CONTEXT):
        return _NOTHING
    return lookups_kept_in(shared.setdefault((place, message.language), {}))
