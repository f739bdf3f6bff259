"""
Public: keywords, the words in double braces that stand for something of the recipient or of the scope.

``{{ name }}`` and ``{{ name|fallback }}`` are the whole grammar; the fallback takes the place of a value that is
missing or empty. What is written is read here and by nothing else, above all by no template engine: a value that holds
braces is put in as it is, and nothing is looked up on it.

In HTML a keyword stands in text, in ``alt`` and ``title``, and in the address of a link: as the whole of it, where its
value has to be an http or https address, or as a part of it behind the host, where its value is percent-encoded. It
stands nowhere else. Everywhere a value is one line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from urllib.parse import quote

import attrs
from django.utils.html import escape as escaped
from django.utils.translation import gettext as _

from edx_ace.campaigns.errors import Problem
from edx_ace.text import one_line

#: A tag, as nh3 writes it.
TAG = re.compile(r"""</?[a-z][^<>"]*(?:"[^"]*"[^<>"]*)*>""")

#: How many problems of one text are told: whoever has more of them knows what is the matter.
MAX_PROBLEMS = 100

_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')

#: What looks like a keyword; else braces that belong to no keyword, or of a template engine. Tags between two braces
#: part them for whoever writes, and not for whoever reads.
_BRACES = re.compile(r"\{\{(?P<inside>[^{}]*)\}\}|\{(?:<[^<>]*>)*[{%#]|[}%#](?:<[^<>]*>)*\}")
_SPACE = r"(?:\s|&nbsp;)*"
_INSIDE = re.compile(rf"{_SPACE}([A-Za-z0-9_]+){_SPACE}(?:\|([^|<>]*))?", re.A)
_ENDS = re.compile(rf"^{_SPACE}|{_SPACE}$")
#: How a filter of a template engine is given an argument.
_FILTER = re.compile(r"[a-z_]+:(?!//)\S")
#: What has to stand before a keyword that is a part of the address of a link: where that leads.
_BEFORE = re.compile(r"https?://[^/?#\s{}]+[/?#]|mailto:[^?\s{}]+\?", re.I)
#: What the value of a keyword may be that is the whole address of a link.
_ADDRESS = re.compile(r"""https?://[^\s/"'<>\\{}][^\s"'<>\\{}]*""", re.I)


class Kind(Enum):
    """What a value becomes where a keyword stands."""

    #: What it is, or what it is in HTML.
    TEXT = "text"
    #: An address, if it is one.
    ADDRESS = "address"
    #: A part of an address.
    PART = "part"


@attrs.frozen
class Keyword:
    """A keyword where it stands; *fallback* is written as the text is: HTML in HTML."""

    name: str
    fallback: str
    start: int
    kind: Kind


@attrs.frozen
class Fault:
    """Braces that are no keyword."""

    code: str
    text: str
    start: int


#: A text in parts: what is sent as it is, keywords, and what is wrong.
Parts = Sequence[str | Keyword | Fault]


def check(text: str, where: str, known: Collection[str], *, is_html: bool = False) -> list[Problem]:
    """
    Return what is wrong with the braces in *text*.

    Args:
        text: What somebody wrote; HTML as it was sanitised.

        where: The field that it is in.

        known: Names of the keywords that may be used.

        is_html: Whether *text* is HTML.
    """
    found = []
    for part in parts(text, is_html):
        if isinstance(part, Fault):
            found.append((part.code, _reason(part), part.start))
        elif isinstance(part, Keyword) and part.name not in known:
            found.append(("unknown_keyword", _unknown(part.name, known), part.start))
    return [
        Problem(code, reason, where, text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start))
        for code, reason, start in found[:MAX_PROBLEMS]
    ]


def substitute(text: str, values: Mapping[str, str], *, escape: bool) -> str:
    """
    Return *text*, in which `check` found nothing, with *values* in place of its keywords.

    Args:
        text: With keywords; those without a value or a fallback leave nothing behind.

        values: By the names of keywords. None of them is read for further keywords.

        escape: Whether *text* is HTML, as it was sanitised; values are no HTML.
    """
    return fill(parts(text, escape), values, escape=escape)


def fill(parts: Parts, values: Mapping[str, str], *, escape: bool) -> str:
    """Return the text of *parts*, with *values* in place of its keywords as `substitute` puts them in."""
    return "".join(
        part if isinstance(part, str) else _written(part, values, escape) if isinstance(part, Keyword) else ""
        for part in parts
    )


def used(text: str, *, is_html: bool = False) -> set[str]:
    """Return the names of the keywords in *text*."""
    return {part.name for part in parts(text, is_html) if isinstance(part, Keyword)}


def needed(text: str, *, is_html: bool = False) -> set[str]:
    """Return the names of the keywords that stand in *text* without a fallback, once at least."""
    return {part.name for part in parts(text, is_html) if isinstance(part, Keyword) and not part.fallback}


# Each message of a campaign asks for the same few texts.
@lru_cache(maxsize=128)
def parts(text: str, is_html: bool) -> Parts:
    """Return *text* in parts."""
    found: list[str | Keyword | Fault] = []
    end = 0
    tags = _tags(text) if is_html else iter(())
    tag = next(tags, None)
    for match in _BRACES.finditer(text):
        if match.start() > end:
            found.append(text[end : match.start()])
        end = match.end()
        read = _read(match)
        if isinstance(read, Fault):
            found.append(read)
            continue
        while tag is not None and tag.end <= match.start():
            tag = next(tags, None)
        is_inside = tag is not None and tag.start < match.start()
        found.append(_in_tag(tag, match, *read) if tag and is_inside else Keyword(*read, match.start(), Kind.TEXT))
    if end < len(text):
        found.append(text[end:])
    return tuple(found)


def placed(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield start, end, name and fallback of what is written like a keyword in *text*, wherever it stands."""
    for match in _BRACES.finditer(text):
        read = _read(match)
        if not isinstance(read, Fault):
            yield match.start(), match.end(), *read


def _written(keyword: Keyword, values: Mapping[str, str], is_html: bool) -> str:
    given = values.get(keyword.name)
    value = "" if given is None else one_line(str(given))
    if not value or (keyword.kind is Kind.ADDRESS and not _ADDRESS.fullmatch(value)):
        return keyword.fallback
    if keyword.kind is Kind.PART:
        return quote(value, safe="", errors="replace")
    return escaped(value) if is_html else value


def _read(match: re.Match[str]) -> tuple[str, str] | Fault:
    """Return name and fallback of the keyword that *match* of `_BRACES` is."""
    inside = match["inside"]
    if inside is None:
        code = "template_syntax" if set(match[0]) & set("%#") else "stray_braces"
        return Fault(code, match[0], match.start())
    read = _INSIDE.fullmatch(inside)
    if read is None:
        return Fault("bad_keyword", match[0], match.start())
    fallback = _ENDS.sub("", read[2] or "")
    if _FILTER.match(fallback):
        return Fault("template_syntax", match[0], match.start())
    return read[1], fallback


@attrs.frozen
class _Tag:
    """A tag with braces in it; read once, however many keywords it has."""

    start: int
    end: int
    is_link: bool
    attributes: Sequence[re.Match[str]]


def _tags(text: str) -> Iterator[_Tag]:
    for tag in TAG.finditer(text):
        if "{" in tag[0]:
            start, end = tag.span()
            yield _Tag(start, end, tag[0].startswith("<a "), list(_ATTRIBUTE.finditer(text, start, end)))


def _in_tag(tag: _Tag, match: re.Match[str], name: str, fallback: str) -> Keyword | Fault:
    """Return the keyword that is *match*, if it may stand where it does in *tag*."""
    start, end = match.span()
    for attribute in tag.attributes:
        first, last = attribute.span(2)
        if not first <= start < end <= last:
            continue
        if attribute[1] in ("alt", "title"):
            return Keyword(name, fallback, start, Kind.TEXT)
        if attribute[1] == "href" and tag.is_link:
            if (start, end) == (first, last) and (not fallback or _ADDRESS.fullmatch(fallback)):
                return Keyword(name, fallback, start, Kind.ADDRESS)
            if _BEFORE.match(match.string, first, start) and not re.search(r"\s", fallback):
                return Keyword(name, fallback, start, Kind.PART)
    return Fault("keyword_place", match[0], start)


def _reason(fault: Fault) -> str:
    match fault.code:
        case "template_syntax":
            text = _(
                "“%(text)s” is template syntax, which means nothing here. Write {{ name }} or {{ name|fallback }}."
            )
        case "stray_braces":
            text = _("“%(text)s” belongs to no keyword. Write {{ name }} or {{ name|fallback }}, or take it out.")
        case "keyword_place":
            text = _(
                "“%(text)s” cannot stand there. In tags, keywords stand in alt and title, and in the address of a "
                "link: as the whole of it or behind the host."
            )
        case _:
            text = _("“%(text)s” is no keyword. Write {{ name }} or {{ name|fallback }}.")
    return text % {"text": fault.text if len(fault.text) <= 100 else f"{fault.text[:100]}…"}


def _unknown(name: str, known: Collection[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1)
    if nearest:
        return _("There is no keyword “%(name)s”. Did you mean “%(nearest)s”?") % {"name": name, "nearest": nearest[0]}
    listed = ", ".join(sorted(known))
    if not listed:
        return _("There is no keyword “%(name)s”; none can be used here.") % {"name": name}
    return _("There is no keyword “%(name)s”. Known: %(known)s.") % {"name": name, "known": listed}
