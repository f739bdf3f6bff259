"""
Public: what staff write, rendered: Markdown with Jinja2 in a sandbox, as subject, HTML and text of an email.

In the body each value stands as a word that Markdown leaves alone, and is put back, escaped, into the finished HTML,
which is then sanitised. So a value is never a link, a heading or a tag. In the address of a link it is the whole of
it, or what it begins with, or, percent-encoded, a part of it behind the host.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

import attrs
from django.utils import timezone, translation
from django.utils.html import escape

from edx_ace import rich_text
from edx_ace.automation import bounds
from edx_ace.automation.bounds import told as _
from edx_ace.automation.conf import settings
from edx_ace.automation.errors import Problem, RenderingError
from edx_ace.channel.mailbox import parse_mailbox
from edx_ace.conf import settings as core_settings
from edx_ace.content.plain_text import text_of
from edx_ace.errors import InvalidMessageError, MissingExtraError
from edx_ace.message import Message
from edx_ace.text import is_sendable, one_line

if TYPE_CHECKING:
    from types import ModuleType

    from edx_ace.automation.models import Letter
    from edx_ace.automation.templates import Content
    from edx_ace.recipient import Recipient

_NEEDED_FOR = ("Writing templates of actions", "automation")

#: The name by which templates know whom a message goes to, beside the names of its context.
RECIPIENT = "recipient"


@attrs.frozen
class Rendered:
    """
    What somebody gets, before content steps.

    Attributes:
        subject: One line of text.

        html: A sanitised fragment.

        text: The same as text.

        language: Of the variant that it was made of.
    """

    subject: str
    html: str
    text: str
    language: str


def render(content: Content, language: str | None, values: Mapping[str, Any], zone: tzinfo | None = None) -> Rendered:
    """
    Return what *content* says to somebody.

    Args:
        content: What is written.

        language: That they read; `Content.language_for` says which variant that is. Dates are in the variant's.

        values: By the names that *content* uses, as `edx_ace.automation.references.resolve` gives them.

        zone: Times are in it; None: in the active one.

    Raises:
        RenderingError: If it cannot be rendered, naming what is not there, and the line that asks for it; or if it is
            empty or too long.
        MissingExtraError: If Jinja2, markdown-it-py or nh3 is not installed.
        DatabaseError: Whatever the database raises when something is looked up.
    """
    language = content.language_for(language)
    variant = content.variants[language]
    with _in_language(language), timezone.override(zone or timezone.get_current_timezone()):
        with _in_field(f"{language}.subject"):
            subject = one_line(_rendered(variant["subject"], values, lambda text: text))
            _check(subject, subject)
        with _in_field(f"{language}.body"):
            html = _html(variant["body"], values)
            text = text_of(html)
            _check(html, text)
    return Rendered(subject, html, text, language)


def problems(
    content: Content, variables: Collection[str] | None, sample: Mapping[str, Any] | None = None
) -> list[Problem]:
    """
    Return what is wrong with *content*.

    Args:
        content: What somebody wrote.

        variables: Names that it may use; None: any.

        sample: Values to render it with on trial, if it can be read; None: there are none.
    """
    found = [*_problems_of_addresses(content)]
    if not content.variants:
        found.append(Problem("no_variant", _("There is no text. Write it in one language at least.")))
    elif content.fallback and content.fallback not in content.variants:
        text = _("There is no text in “%(language)s”, which those get for whose language there is none.")
        found.append(Problem("no_fallback", text % {"language": content.fallback}, "fallback"))
    for language, variant in content.variants.items():
        wrong = [
            problem
            for field in ("subject", "body")
            for problem in _problems_of_text(variant[field], f"{language}.{field}", variables)
        ]
        if not wrong and sample is not None:
            try:
                render(attrs.evolve(content, variants={language: variant}, fallback=""), language, sample)
            except RenderingError as error:
                wrong = error.problems
        found += wrong
    return found


def message_for(
    letter: Letter,
    rendered: Rendered,
    recipient: Recipient,
    content: Content,
    *,
    others: Sequence[str] = (),
    attachments: Sequence[tuple[str, bytes, str]] = (),
    options: Mapping[str, Any] | None = None,
) -> Message:
    """
    Return the message that a letter is.

    Args:
        letter: Has its uuid and that of the send.

        rendered: What it says.

        recipient: Whom it goes to.

        content: Has the addresses beside the recipient's.

        others: Mailboxes of further recipients, which stand beside the first, of one to all.

        attachments: Names, contents and types.

        options: Further options, such as the category.
    """
    given: dict[str, Any] = {
        "from_address": content.from_address,
        "reply_to": list(content.reply_to),
        "cc": [*others, *content.cc],
        "bcc": list(content.bcc),
        "attachments": list(attachments),
    }
    message = Message(
        app_label="ace_automation",
        name="scheduled",
        recipient=recipient,
        context={"email": {"subject": rendered.subject, "html": rendered.html, "text": rendered.text}},
        send_uuid=letter.batch,
        options={**{name: value for name, value in given.items() if value}, **(options or {})},
        language=rendered.language,
    )
    message.uuid = letter.uuid
    return message


def _sandbox() -> ModuleType:
    """Return the sandbox, which is imported here, as Jinja2 comes with an extra."""
    try:
        from edx_ace.automation import sandbox
    except ImportError as error:
        raise MissingExtraError(*_NEEDED_FOR) from error
    return sandbox


@contextmanager
def _in_language(language: str) -> Iterator[None]:
    """Render in *language*; what is wrong is told in the one that is active now."""
    token = bounds.reader.set(translation.get_language())
    try:
        with translation.override(language):
            yield
    finally:
        bounds.reader.reset(token)


def _rendered(source: str, values: Mapping[str, Any], put: Callable[[str], str]) -> str:
    def checked(text: str) -> str:
        if not is_sendable(text):
            raise RenderingError([_bad_character()])
        return put(text)

    rendered: str = _sandbox().read(source).render(values, checked)
    return rendered


def _bad_character(where: str = "") -> Problem:
    return Problem("bad_character", _("A character in it cannot be sent: NUL, or half of a pair."), where)


@contextmanager
def _in_field(name: str) -> Iterator[None]:
    """Say of problems inside that they are of the field *name*."""
    try:
        yield
    except RenderingError as error:
        raise RenderingError([attrs.evolve(one, where=name) for one in error.problems]) from error


def _check(form: str, text: str) -> None:
    """
    Look whether *form*, a field as it is sent, can be, *text* being how it reads.

    Raises:
        RenderingError: If it cannot.
    """
    most = settings.AUTOMATION_MAX_OUTPUT_LENGTH
    if not text.strip() and "<img" not in form:
        raise RenderingError([Problem("empty", _("There is nothing in it."))])
    if max(len(form), len(text)) > most:
        raise RenderingError([Problem("too_much", _("It is longer than %(most)d characters.") % {"most": most})])


# -- Values in HTML


#: Stands, with a number behind it, for a value. Values cannot hold it, as nobody sees it.
_WORD = rich_text.new_word()
_PLACE = re.compile(rf"{_WORD}([0-9]+)x")
#: A tag, as markdown-it-py writes it.
_TAG = re.compile(r"(<[^<>]*>)")
_ATTRIBUTE = re.compile(r'\s([a-z]+)="([^"]*)"')
#: What may stand before a value in an address.
_BEFORE = re.compile(r"(?:https?://[^/?#\s]+[/?#]|/(?![/\\])|mailto:)\S*", re.I)
#: A link to an address on this site, which is not that of another without a scheme.
_OWN = re.compile(r'(<a(?: [a-z]+="[^"<>]*")*? href=")(/(?![/\\])[^"<>]*)')


class _Kind(Enum):
    """What a value becomes where it stands."""

    TEXT = "text"
    #: In an attribute, or the beginning of an address.
    LINE = "line"
    #: A part of an address.
    PART = "part"


@attrs.frozen
class _Value:
    """Where a value stands: its number, and what it becomes there."""

    number: int
    kind: _Kind


def _html(source: str, values: Mapping[str, Any]) -> str:
    found: list[str] = []

    def put(text: str) -> str:
        found.append(text)
        return f"{_WORD}{len(found) - 1}x"

    parts = _parts(_rendered(source, values, put))
    html = "".join(part if isinstance(part, str) else _written(found[part.number], part.kind) for part in parts)
    html = rich_text.sanitised(
        html.replace("<p></p>\n", ""), settings.AUTOMATION_IMAGE_HOSTS, _NEEDED_FOR, checked_as=_checked_as
    )
    base = core_settings.BASE_URL
    if base and "/" in base:
        # The content step that does this comes too late for the text. Where a function says the base, it does it alone.
        html = _OWN.sub(lambda match: match[1] + urljoin(f"{base.rstrip('/')}/", match[2]), html)
    return html


# Without values, so that it is the same for all recipients: Markdown takes longer than all the rest.
@lru_cache(maxsize=64)
def _parts(text: str) -> tuple[str | _Value, ...]:
    """Return the HTML of *text*, Markdown with words in place of values, in parts."""
    if text.count("[") > bounds.MAX_BRACKETS or text.count("\n") > bounds.MAX_LINES:
        reason = _("It has more than %(brackets)d brackets, or %(lines)d lines.")
        most = {"brackets": bounds.MAX_BRACKETS, "lines": bounds.MAX_LINES}
        raise RenderingError([Problem("too_much", reason % most)])
    html = rich_text.from_markdown(text, _NEEDED_FOR)
    if html.count("<") > bounds.MAX_TAGS:
        raise RenderingError([Problem("too_much", _("It has more than %(most)d tags.") % {"most": bounds.MAX_TAGS})])
    found: list[str | _Value] = []
    for number, piece in enumerate(_TAG.split(html)):
        end = 0
        kinds = _kinds(piece) if number % 2 else {}
        for match in _PLACE.finditer(piece):
            found += [piece[end : match.start()], _Value(int(match[1]), kinds.get(match.start(), _Kind.TEXT))]
            end = match.end()
        found.append(piece[end:])
    return tuple(part for part in found if part != "")


def _kinds(tag: str) -> dict[int, _Kind]:
    """Return by place what values in *tag* become."""
    kinds = {}
    for attribute in _ATTRIBUTE.finditer(tag):
        name, address, start = attribute[1], attribute[2], attribute.start(2)
        for match in _PLACE.finditer(address):
            kinds[start + match.start()] = _kind_in(name, address, match)
    return kinds


def _kind_in(name: str, address: str, match: re.Match[str]) -> _Kind:
    if name not in ("href", "src"):
        return _Kind.LINE
    if match.start() == 0 and re.match(r"[/?#]|$", address[match.end() :]):
        return _Kind.LINE
    before = re.sub(rf"^{_PLACE.pattern}", "https://x", address[: match.start()])
    if _BEFORE.fullmatch(before):
        return _Kind.PART
    text = _(
        "A value in the address of a link is the whole of it, or stands behind the host: https://example.com/{{ … }}."
    )
    raise RenderingError([Problem("value_place", text)])


def _written(value: str, kind: _Kind) -> str:
    if kind is _Kind.TEXT:
        return escape(value).replace("\r\n", "\n").replace("\n", "<br>\n")
    line = one_line(value)
    return quote(line, safe="@", errors="replace") if kind is _Kind.PART else escape(line)


def _checked_as(name: str, value: str) -> str:
    """Return what is checked of an attribute: an address on this site as one of a site."""
    return f"https://x{value}" if name == "href" and re.match(r"/(?![/\\])", value) else value


# -- What is wrong


def _problems_of_text(text: str, where: str, variables: Collection[str] | None) -> list[Problem]:
    if not text.strip():
        return [Problem("empty", _("There is nothing in it."), where)]
    if not is_sendable(text):
        return [_bad_character(where)]
    try:
        _sandbox().read(text)
        found = [] if variables is None else _sandbox().unknown(text, variables)
    except RenderingError as error:
        found = error.problems
    return [attrs.evolve(one, where=where) for one in found]


def _problems_of_addresses(content: Content) -> Iterator[Problem]:
    given = {"from_address": [content.from_address] if content.from_address else []}
    for name, mailboxes in {**given, "reply_to": content.reply_to, "cc": content.cc, "bcc": content.bcc}.items():
        for mailbox in mailboxes:
            try:
                parse_mailbox(mailbox, "address")
            except InvalidMessageError:
                text = _("“%(mailbox)s” is no mailbox. Write ann@example.com, or Ann <ann@example.com>.")
                yield Problem("bad_address", text % {"mailbox": mailbox}, name)
