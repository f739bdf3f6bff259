"""
Public: ``{% load acetags %}``, the tags that message templates use.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

register = template.Library()


@register.simple_tag(takes_context=True)
def get_action_links(
    context: Context, channel: Any, omit_unsubscribe_link: bool | None = None
) -> list[tuple[str, str]]:
    """
    Return (href, title) of the links that *channel* offers for the foot of a message; an empty list if it offers none.

    ::

        {% get_action_links channel omit_unsubscribe_link=False as links %}
        {% for href, title in links %}<a href="{{ href }}">{{ title }}</a>{% endfor %}

    Args:
        context: Its ``omit_unsubscribe_link`` counts where the tag itself says nothing.

        channel: The message's channel.

        omit_unsubscribe_link: Whether to leave the link for unsubscribing out.
    """
    if not hasattr(channel, "get_action_links"):
        return []
    if omit_unsubscribe_link is None:
        omit_unsubscribe_link = bool(context.get("omit_unsubscribe_link"))
    return channel.get_action_links(omit_unsubscribe_link=bool(omit_unsubscribe_link))  # type: ignore[no-any-return]
