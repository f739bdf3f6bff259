"""
Public: ``{% load ace_preferences %}``, the links of preferences in the templates of messages.

Each tag gives a URL, or an empty text where there is nothing to link to: nobody unsubscribes from what is essential::

    {% unsubscribe_url as url %}{% if url %}<a href="{{ url }}">Unsubscribe</a>{% endif %}
"""

from __future__ import annotations

from django import template
from django.template import Context

from edx_ace.preferences import links

register = template.Library()


@register.simple_tag(takes_context=True)
def unsubscribe_url(context: Context) -> str:
    """Return where the recipient unsubscribes from messages like this one."""
    return _url(context, links.UNSUBSCRIBE)


@register.simple_tag(takes_context=True)
def preferences_url(context: Context) -> str:
    """Return where the recipient chooses what reaches them."""
    return _url(context, links.PREFERENCES)


@register.simple_tag(takes_context=True)
def view_url(context: Context) -> str:
    """Return where the recipient sees this message in a browser, as long as the outbox keeps it."""
    return _url(context, links.VIEW)


def _url(context: Context, purpose: str) -> str:
    return links.url(context["message"], context["channel"].channel_type, purpose)
