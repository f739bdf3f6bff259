"""
Internal: reads HTML documents as a browser would, so that tests can compare what two engines made.
"""

from __future__ import annotations

import re
from typing import Any

import attrs
from lxml import etree

Style = dict[str, str]


@attrs.frozen
class Element:
    """An element of the body: what a reader's program sees of it."""

    tag: str
    attributes: dict[str, str]
    style: Style
    text: str


def elements(document: str) -> list[Element]:
    """Return the elements of the body, in order, their style attributes read, without `tbody`, which is implied."""
    body = etree.fromstring(document, etree.HTMLParser()).find("body")
    return [_element(node) for node in body.iter(etree.Element) if node.tag != "tbody"]


def style_blocks(document: str) -> list[str]:
    """Return the content of every style block that is not in a comment, its white space collapsed."""
    tree = etree.fromstring(document, etree.HTMLParser())
    return [" ".join((node.text or "").split()) for node in tree.iter("style")]


def _element(node: Any) -> Element:
    attributes = dict(node.attrib)
    style = _style(attributes.pop("style", ""))
    text = " ".join(" ".join([node.text or "", *(child.tail or "" for child in node)]).split())
    return Element(node.tag, attributes, style, text)


def _style(text: str) -> Style:
    """Return declarations as a dict; of two that say the same in other words (`0px`, `#abc`) one form is chosen."""
    style: Style = {}
    for declaration in filter(str.strip, text.split(";")):
        name, _, value = declaration.partition(":")
        value = re.sub(r"#([0-9a-f])([0-9a-f])([0-9a-f])\b(?![0-9a-f])", r"#\1\1\2\2\3\3", value.strip().lower())
        value = re.sub(r"\b0(?:px|em|%)", "0", value).replace('"', "'")
        style[name.strip().lower()] = re.sub(r"\s*,\s*", ",", " ".join(value.split()))
    return style
