"""
Public: what of the HTML and Markdown that people write may be sent.

HTML keeps the elements of `ELEMENTS` with the attributes of `ATTRIBUTES`; whatever else there is goes, scripts and
styles with what is in them. Links lead to https, http or mailto; pictures come over https from hosts that are named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from django.utils.crypto import get_random_string

from edx_ace.errors import MissingExtraError

#: What may stand in a body.
ELEMENTS = frozenset(
    {"a", "abbr", "b", "br", "code", "del", "em", "i", "img", "s", "strong", "sub", "sup", "u"}
    | {"blockquote", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "hr", "li", "ol", "p", "pre", "ul"}
    | {"table", "tbody", "td", "th", "thead", "tr"}
)
#: The attributes that each may have, beside those of ``*``, which all may.
ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "*": frozenset({"dir", "lang", "title"}),
    "a": frozenset({"href"}),
    "img": frozenset({"src", "alt", "width", "height"}),
    "ol": frozenset({"start"}),
    "p": frozenset({"align"}),
    "td": frozenset({"align", "colspan", "rowspan"}),
    "th": frozenset({"align", "colspan", "rowspan", "scope"}),
}
#: Schemes of links.
SCHEMES = frozenset({"https", "http", "mailto"})

_NUMBER = re.compile(r"[0-9]{1,4}%?", re.A)
_VALUES = {
    "dir": re.compile(r"ltr|rtl|auto"),
    "lang": re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"),
    "align": re.compile(r"left|center|right|justify"),
    "scope": re.compile(r"col|row|colgroup|rowgroup"),
    "href": re.compile(r"https?://[^\s/\\][^\s]*|mailto:[^\s]+", re.I),
    **dict.fromkeys(("width", "height", "start", "colspan", "rowspan"), _NUMBER),
}
#: Written in one way, so that no mail program takes another host for the one that is allowed.
_PICTURE = re.compile(r"https://([a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::443)?(?:[/?#][^\s\\\"<>{}]*)?", re.I | re.A)


def sanitised(
    html: str,
    image_hosts: Collection[str],
    needed_for: tuple[str, str],
    *,
    checked_as: Callable[[str, str], str] = lambda name, value: value,
) -> str:
    """
    Return what may be sent of *html*.

    Args:
        html: A fragment.

        image_hosts: Hosts that pictures may come from; ``*.example.com`` stands for all hosts below that one.

        needed_for: What for, and the extra that brings nh3, for the error.

        checked_as: Called with the name and the value of an attribute, returns what is checked in place of the value,
            for texts in which something is still to be replaced.

    Raises:
        MissingExtraError: If nh3 is not installed.
    """
    try:
        import nh3
    except ImportError as error:
        raise MissingExtraError(*needed_for) from error

    def filtered(element: str, name: str, value: str) -> str | None:
        value = value.strip()
        checked = checked_as(name, value)
        if name == "src":
            return value if _is_picture(checked, image_hosts) else None
        expected = _VALUES.get(name)
        return value if expected is None or expected.fullmatch(checked) else None

    return nh3.clean(
        html.replace("\0", ""),
        tags=set(ELEMENTS),
        attributes={element: set(names) for element, names in ATTRIBUTES.items()},
        attribute_filter=filtered,
        url_schemes=set(SCHEMES),
        link_rel=None,
    )


def from_markdown(text: str, needed_for: tuple[str, str]) -> str:
    """
    Return *text*, which is CommonMark with tables and struck-through words, as HTML that is not sanitised yet.

    HTML in it is shown as it is written.

    Args:
        text: What somebody wrote.

        needed_for: What for, and the extra that brings markdown-it-py, for the error.

    Raises:
        MissingExtraError: If markdown-it-py is not installed.
    """
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise MissingExtraError(*needed_for) from error
    html: str = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).render(text)
    return html


def new_word() -> str:
    """Return a word that nobody can have written, and in which Markdown, HTML and addresses change nothing."""
    return f"word{get_random_string(16, 'abcdefghijklmnopqrstuvwxyz')}"


def _is_picture(address: str, hosts: Collection[str]) -> bool:
    """Return whether pictures may come from *address*."""
    match = _PICTURE.fullmatch(address)
    if match is None:
        return False
    host = match[1].lower()
    return any(host.endswith(one[1:].lower()) if one.startswith("*.") else host == one.lower() for one in hosts)
