"""
Public: the content step ``plain_text``: an email whose ``body.txt`` is empty gets a text part made of its HTML.

A fallback, not a substitute: a text written for the purpose reads better, and one that is there is never touched.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from edx_ace.envelope import Parcel
from edx_ace.renderers import RenderedEmail

if TYPE_CHECKING:
    from lxml.etree import _Attrib, _Element, iterwalk

#: Longest line a mail server must accept, in bytes. Source: RFC 5322, 2.1.1.
MAX_LINE_BYTES = 998
#: Where a line that is longer is broken, in characters: three bytes each is the most that common scripts need.
_WRAP_CHARACTERS = MAX_LINE_BYTES // 3
#: What surely fits into a line, as no character needs more than four bytes; a longer word is cut into such parts.
_FITTING = re.compile(rf".{{1,{MAX_LINE_BYTES // 4}}}")
#: Lists and quotations inside this many others are indented like those, or a thousand would fill every line.
_DEEPEST = 10

#: Elements whose content is for machines.
_UNREAD = frozenset({"script", "style", "template", "title", "object", "svg"})
#: Elements that stand between blank lines.
_PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "blockquote", "table", "pre", "hr", "figure"}
)
#: Elements that begin and end a line.
_LINES = frozenset(
    {"address", "article", "aside", "body", "caption", "dd", "div", "dt", "fieldset", "figcaption", "footer", "form"}
    | {"header", "li", "main", "nav", "section", "tr"}
)
_HIDDEN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)")
#: White space that is collapsed, among it whatever ends a line.
_SPACE = re.compile(r"[ \t-\r\x1c-\x1f\x85\xa0\u2028\u2029]+")
_LINE_END = re.compile(r"\r\n|[\n-\r\x1c-\x1e\x85\u2028\u2029]")
_LINK = re.compile(r"(?:https?|mailto|tel|sms):", re.I)
#: A letter of a script that is written from right to left.
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")


def plain_text(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Return *parcels*, each email without a text with one made of its HTML."""
    return [
        attrs.evolve(parcel, rendered=attrs.evolve(parcel.rendered, body=text_of(parcel.rendered.body_html)))
        if isinstance(parcel.rendered, RenderedEmail) and not parcel.rendered.body.strip()
        else parcel
        for parcel in parcels
    ]


def text_of(html: str) -> str:
    """
    Return *html*, a document or a fragment, as text to be read.

    Links keep their address in brackets, lists their marks, tables their rows, images their alternative text. What is
    hidden (a preheader) is left out, and so is what comes after 2,048 elements one inside the other. No line is longer
    than a mail server must accept.
    """
    from lxml import etree  # Here, because a site whose mails all have a body.txt need not load it.

    # As bytes, since lxml refuses a str that begins with an XML declaration. Without NUL, of which versions of libxml2
    # make different things. Inside <body> loose text stays as it is; elsewhere libxml2 puts it into a paragraph.
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    reader = _Reader()
    document = etree.fromstring(b"<body>" + html.replace("\0", "").encode(errors="replace"), parser)
    reader.read(etree.iterwalk(document, events=("start", "end")))
    return reader.text()


class _Reader:
    """Collects the text in pieces; how two of them are separated is decided when the second one comes."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        #: Line breaks, or else the characters, that go before the next piece.
        self._breaks = 1
        self._joint = ""
        #: The mark of the list item that the next piece begins.
        self._mark = ""
        #: Whether something on this line is written from right to left.
        self._right_to_left = False
        #: The open link as address and first piece; open lists as the number of their next item, None without numbers;
        #: open tables as whether their cells are a matter of layout only.
        self._link: tuple[str, int] | None = None
        self._lists: list[int | None] = []
        self._tables: list[bool] = []
        self._quotes = 0
        self._preformatted = 0

    def read(self, walk: iterwalk) -> None:
        """Read what *walk* passes: the start and the end of every element."""
        skipped = None
        for event, element in walk:
            if event == "end":
                if element is not skipped:
                    self._end(element.tag)
                self._read(element.tail)
            elif self._start(element):
                self._read(element.text)
            else:
                skipped = element
                walk.skip_subtree()

    def text(self) -> str:
        """Return what was read."""
        lines = (line.rstrip() for line in "".join(self._pieces).split("\n"))
        return "\n".join(part for line in lines for part in _broken(line)).strip("\n")

    def _start(self, element: _Element) -> bool:
        """Begin *element*; return whether its content is to be read."""
        tag, given = element.tag, element.attrib
        if tag in _UNREAD or _is_hidden(given):
            return False
        self._separate(tag)
        match tag:
            case "br":
                self._break(min(self._breaks + 1, 2))
            case "hr":
                self._write("-" * 20)
            case "img":
                self._read(given.get("alt"))
            case "a":
                self._end_link()  # A link ends where the next one begins.
                self._link = given.get("href", "").strip(), len(self._pieces)
            case "ul":
                self._lists.append(None)
            case "ol":
                start = given.get("start", "")
                self._lists.append(int(start) if start.isdecimal() and len(start) < 10 else 1)
            case "li":
                number = self._lists[-1] if self._lists else None
                self._mark = "* " if number is None else f"{number}. "
                if number is not None:
                    self._lists[-1] = number + 1
            case "table":
                self._tables.append(given.get("role") in ("presentation", "none"))
            case "td" | "th" if not self._breaks:
                self._joint = " " if self._tables and self._tables[-1] else " | "
            case "blockquote":
                self._quotes += 1
            case "pre":
                self._preformatted += 1
        return True

    def _end(self, tag: str) -> None:
        match tag:
            case "a":
                self._end_link()
            case "ul" | "ol":
                self._lists.pop()
            case "li":
                self._mark = ""
            case "table":
                self._tables.pop()
            case "blockquote":
                self._quotes -= 1
            case "pre":
                self._preformatted -= 1
        self._separate(tag)

    def _read(self, data: str | None) -> None:
        if not data:
            return
        if self._preformatted:
            for number, line in enumerate(_LINE_END.split(data)):
                if number:
                    self._break(min(self._breaks + 1, 2))
                if line:
                    self._write(line)
            return
        if data.isspace():
            self._joint = self._joint or " "
            return
        words = _SPACE.sub(" ", data)
        if words.startswith(" ") and not self._joint:
            self._joint = " "
        self._write(words.strip(" "))
        self._joint = " " if words.endswith(" ") else ""

    def _separate(self, tag: str) -> None:
        if tag in _LINES:
            self._break(1)
        elif tag in _PARAGRAPHS:
            self._break(1 if self._lists and tag in ("ul", "ol") else 2)

    def _break(self, breaks: int) -> None:
        self._breaks = max(self._breaks, breaks)
        self._joint = ""

    def _write(self, text: str) -> None:
        if self._breaks:
            if self._pieces:
                self._pieces.append("\n" * self._breaks)
            depth = len(self._lists) - 1 if self._mark else len(self._lists)
            self._pieces.append("> " * min(self._quotes, _DEEPEST) + "  " * min(depth, _DEEPEST) + self._mark)
            self._right_to_left = False
        else:
            self._pieces.append(self._joint)
        self._pieces.append(text)
        self._breaks, self._joint, self._mark = 0, "", ""
        if not text.isascii() and _RIGHT_TO_LEFT.search(text):
            self._right_to_left = True

    def _end_link(self) -> None:
        if self._link is None:
            return
        (address, first_piece), self._link = self._link, None
        if not _LINK.match(address):
            return
        # Mail programs end a link where a space is.
        shown = _SPACE.sub("%20", address.removeprefix("mailto:").removeprefix("tel:"))
        label = "".join(self._pieces[first_piece:]).strip()
        if not label:
            self._write(shown)
        elif shown not in label and label not in (shown.partition("://")[2].rstrip("/"), shown.rstrip("/")):
            # In a line from right to left the slash at its end would go to the other side, were it not isolated. The
            # brackets are inside: mail programs take whatever follows an address directly, but for them, as part of it.
            self._pieces.append(f" \u2068({shown})\u2069" if self._right_to_left else f" ({shown})")


def _is_hidden(given: _Attrib) -> bool:
    """Return whether an element with the attributes *given* is not shown, or not to be read out."""
    style = given.get("style", "").lower()
    return (
        # The words first: looking for them takes a tenth of the time, and most styles have neither.
        (("none" in style or "hidden" in style) and _HIDDEN.search(style) is not None)
        or "hidden" in given
        or given.get("aria-hidden") == "true"
    )


def _broken(line: str) -> list[str]:
    """Return *line* in parts that a mail server must accept; a word, which may be a link, stays whole if it can."""
    if _fits(line):
        return [line]
    parts = textwrap.wrap(line, _WRAP_CHARACTERS, break_long_words=False, break_on_hyphens=False)
    return [piece for part in parts for piece in ([part] if _fits(part) else _FITTING.findall(part))]


def _fits(line: str) -> bool:
    return len(line.encode()) <= MAX_LINE_BYTES
