"""
The template tags of message templates.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.template import Context, Template, TemplateSyntaxError

from edx_ace.channel.braze import BrazeEmailChannel
from edx_ace.channel.file import FileEmailChannel
from edx_ace.channel.sailthru import SailthruEmailChannel


def links(channel: Any, argument: str = "", **context: Any) -> str:
    """Return the links that a template shows for *channel*."""
    template = Template(
        "{% load acetags %}{% get_action_links channel " + argument + " as links %}"
        "{% for href, title in links %}<a href='{{ href }}'>{{ title }}</a>{% endfor %}"
    )
    return template.render(Context({"channel": channel, **context}))


VIEW = "<a href='{view_url}'>View on Web</a>"
UNSUBSCRIBE = "<a href='{optout_confirm_url}'>Unsubscribe from this list</a>"


@pytest.mark.parametrize(
    ("argument", "context", "expected"),
    [
        ("", {}, VIEW + UNSUBSCRIBE),
        # What the tag says counts,
        ("omit_unsubscribe_link=True", {}, VIEW),
        ("omit_unsubscribe_link=False", {}, VIEW + UNSUBSCRIBE),
        # also against the context,
        ("omit_unsubscribe_link=True", {"omit_unsubscribe_link": False}, VIEW),
        ("omit_unsubscribe_link=False", {"omit_unsubscribe_link": True}, VIEW + UNSUBSCRIBE),
        # which counts where the tag says nothing.
        ("", {"omit_unsubscribe_link": True}, VIEW),
        ("omit_unsubscribe_link=omit_unsubscribe_link", {"omit_unsubscribe_link": True}, VIEW),
        # A variable that is not there is false.
        ("omit_unsubscribe_link=omit_unsubscribe_link", {}, VIEW + UNSUBSCRIBE),
    ],
)
def test_whether_the_link_for_unsubscribing_is_there(argument: str, context: dict[str, Any], expected: str) -> None:
    """
    The tag's own argument decides, else the context.
    """
    assert links(SailthruEmailChannel(), argument, **context) == expected


def test_a_channel_class_will_do() -> None:
    """
    Rendering works with a channel's class, too.
    """
    assert links(SailthruEmailChannel) == VIEW + UNSUBSCRIBE


def test_the_links_are_the_channel_s_own() -> None:
    """
    Each channel has its own links.
    """
    assert links(BrazeEmailChannel()) == "<a href='{{${set_user_to_unsubscribed_url}}}'>Unsubscribe from this list</a>"


@pytest.mark.parametrize("channel", [FileEmailChannel(), object(), None, ""])
def test_a_channel_without_links(channel: Any) -> None:
    """
    What offers no links has none.
    """
    assert links(channel) == ""


def test_an_unknown_argument_is_an_error() -> None:
    """
    A mistyped argument is found when the template is loaded.
    """
    with pytest.raises(TemplateSyntaxError, match="unexpected keyword argument"):
        links(SailthruEmailChannel(), "omit_unsubscribe=True")
