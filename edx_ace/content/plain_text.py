"""
Public: the content step ``plain_text``: an email whose ``body.txt`` is empty gets a text part made of its HTML.

A fallback, not a substitute: a text written for the purpose reads better, and one that is there is never touched.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from html.parser import HTMLParser

import attrs

from edx_ace.envelope import Parcel
from edx_ace.renderers import RenderedEmail

#: Longest line a mail server must accept, in bytes. Source: RFC 5322, 2.1.1.
MAX_LINE_BYTES = 998
#: Where a line that is longer is broken, in characters: three bytes each is the most that common scripts need.
_WRAP_CHARACTERS = MAX_LINE_BYTES // 3

#: How many levels of lists and quotations are shown by indenting.
MAX_INDENT = 20

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
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_HIDDEN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.I)
_NUMBER = re.compile(r"\d{1,9}")
_SPACE = re.compile(r"[ \t\r\n\f\xa0]+")
_LINK = re.compile(r"(?:https?|mailto|tel|sms):", re.I)


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
    hidden (a preheader) is left out.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    """Collects the text in pieces; how two of them are separated is decided when the second one comes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        #: Line breaks, or else the characters, that go before the next piece.
        self._breaks = 1
        self._joint = ""
        #: The mark of the list item that the next piece begins.
        self._mark = ""
        #: Open elements whose content is not read; open links as address and first piece; open lists as the number of
        #: their next item, None without numbers; open tables as whether their cells are a matter of layout only.
        self._unread: list[str] = []
        self._links: list[tuple[str, int]] = []
        self._lists: list[int | None] = []
        self._tables: list[bool] = []
        self._quotes = 0
        self._preformatted = 0

    def text(self) -> str:
        """Return what was read."""
        lines = (line.rstrip() for line in "".join(self._pieces).split("\n"))
        return "\n".join(part for line in lines for part in _broken(line)).strip("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._unread and self._unread[-1] == tag == "p":
            self._unread.pop()  # A paragraph ends where the next one begins.
        elif self._unread:
            if tag == self._unread[-1]:
                self._unread.append(tag)
            return
        given = {name: value or "" for name, value in attrs}
        if (
            tag in _UNREAD
            or "hidden" in given
            or given.get("aria-hidden") == "true"
            or _HIDDEN.search(given.get("style", ""))
        ):
            if tag not in _VOID:
                self._unread.append(tag)
            return
        self._separate(tag)
        match tag:
            case "br":
                self._break(min(self._breaks + 1, 2))
            case "hr":
                self._write("-" * 20)
                self._break(2)
            case "img":
                self.handle_data(given.get("alt", ""))
            case "a":
                if self._links:  # A link ends where the next one begins.
                    self._end_link(*self._links.pop())
                self._links.append((given.get("href", "").strip(), len(self._pieces)))
            case "ul":
                self._lists.append(None)
            case "ol":
                self._lists.append(int(given["start"]) if _NUMBER.fullmatch(given.get("start", "")) else 1)
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

    def handle_endtag(self, tag: str) -> None:
        if self._unread:
            if tag == self._unread[-1]:
                self._unread.pop()
            return
        match tag:
            case "a" if self._links:
                self._end_link(*self._links.pop())
            case "ul" | "ol" if self._lists:
                self._lists.pop()
            case "li":
                self._mark = ""
            case "table" if self._tables:
                self._tables.pop()
            case "blockquote":
                self._quotes = max(self._quotes - 1, 0)
            case "pre":
                self._preformatted = max(self._preformatted - 1, 0)
        self._separate(tag)

    def handle_data(self, data: str) -> None:
        if self._unread:
            return
        if self._preformatted:
            for number, line in enumerate(data.split("\n")):
                if number:
                    self._break(min(self._breaks + 1, 2))
                if line:
                    self._write(line)
            return
        words = _SPACE.sub(" ", data)
        if words.startswith(" ") and not self._joint:
            self._joint = " "
        if words.strip(" "):
            self._write(words.strip(" "))
            self._joint = " " if words.endswith(" ") else ""

    def _separate(self, tag: str) -> None:
        if tag in ("ul", "ol") and self._lists:
            self._break(1)
        elif tag in _PARAGRAPHS:
            self._break(2)
        elif tag in _LINES:
            self._break(1)

    def _break(self, breaks: int) -> None:
        self._breaks = max(self._breaks, breaks)
        self._joint = ""

    def _write(self, text: str) -> None:
        if self._breaks:
            if self._pieces:
                self._pieces.append("\n" * self._breaks)
            depth = min(len(self._lists) - 1 if self._mark else len(self._lists), MAX_INDENT)
            self._pieces.append("> " * min(self._quotes, MAX_INDENT) + "  " * depth + self._mark)
        else:
            self._pieces.append(self._joint)
        self._pieces.append(text)
        self._breaks, self._joint, self._mark = 0, "", ""

    def _end_link(self, address: str, first_piece: int) -> None:
        if not _LINK.match(address):
            return
        shown = address.removeprefix("mailto:").removeprefix("tel:")
        label = "".join(self._pieces[first_piece:]).strip()
        if not label:
            self._write(shown)
        elif shown not in label and label not in (shown.partition("://")[2].rstrip("/"), shown.rstrip("/")):
            self._pieces.append(f" ({shown})")


def _broken(line: str) -> list[str]:
    """Return *line* in parts that a mail server must accept; a word, which may be a link, stays whole."""
    if len(line.encode(errors="replace")) <= MAX_LINE_BYTES:
        return [line]
    return textwrap.wrap(line, _WRAP_CHARACTERS, break_long_words=False, break_on_hyphens=False)
