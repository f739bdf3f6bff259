"""
Public: what is written for a campaign: sanitising it, reading Markdown, and the message that is made of it.

What `edx_ace.rich_text` leaves of it, with pictures from ACE_CAMPAIGN_IMAGE_HOSTS, is what is kept, previewed and
sent.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from html import unescape
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import attrs
from django.conf import settings as django_settings
from django.utils import translation
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from edx_ace import rich_text
from edx_ace.campaigns import keywords
from edx_ace.campaigns.conf import settings
from edx_ace.campaigns.errors import CampaignError, Problem
from edx_ace.channel.mailbox import Mailbox, check_attachments, parse_mailbox
from edx_ace.content.plain_text import text_of
from edx_ace.errors import InvalidMessageError
from edx_ace.message import Message
from edx_ace.text import is_sendable, one_line

if TYPE_CHECKING:
    from edx_ace.campaigns.audiences import Person
    from edx_ace.campaigns.models import Campaign, Variant

#: Longest body, in characters: of what a message may hold, it and the text that is made of it.
MAX_BODY_LENGTH = 400_000

#: How many tags a body may have: reading those that stand one in the other takes the square of their number.
MAX_TAGS = 10_000

#: How many marks of Markdown, and lines, a body may have: so does reading brackets that are left open.
MAX_MARKS = 20_000

#: Longest subject and preheader, in characters: what their columns hold.
MAX_LINE_LENGTH = 255

#: Values that templates see of a scope, beside what is written: what ``edx_ace/email/base.html`` knows.
SITE_VALUES = ("site_name", "site_url", "logo_url", "postal_address")

_EMAIL = "email"

_MARK = re.compile(r"[\[\]*_~|\n]")
_ADDRESS = re.compile(r'\s(?:href|src)="([^"]*)"')


def sanitised(html: str) -> str:
    """
    Return what may be sent of *html*.

    Raises:
        MissingExtraError: If nh3 is not installed.
    """
    hosts, needed_for = settings.CAMPAIGN_IMAGE_HOSTS, ("Writing campaigns", "campaigns")
    return rich_text.sanitised(html, hosts, needed_for, checked_as=_without_keywords)


def from_markdown(text: str) -> str:
    """
    Return *text*, which is CommonMark with tables and struck-through words, as sanitised HTML.

    HTML in it is shown as it is written. Keywords are left out of account: none of their characters is a mark.

    Raises:
        MissingExtraError: If markdown-it-py or nh3 is not installed.
    """
    # In place of each keyword goes a word that nobody can have written, as Markdown would encode spaces and braces in
    # links, and take the bar for the edge of a cell.
    token = rich_text.new_word()
    kept: list[str] = []
    parts: list[str] = []
    end = 0
    for start, stop, _name, _fallback in keywords.placed(text):
        parts += [text[end:start], f"{token}{len(kept)}x"]
        kept.append(text[start:stop])
        end = stop
    html = rich_text.from_markdown("".join([*parts, text[end:]]), ("Writing campaigns in Markdown", "campaigns"))
    return sanitised(re.sub(rf"{token}(\d+)x", lambda match: escape(kept[int(match[1])]), html))


def fill(variant: Variant) -> None:
    """Set the body of *variant* from its source, which is sanitised itself where it is HTML."""
    if variant.channel_type != _EMAIL or not is_sendable(variant.source) or _is_too_long(variant):
        # Of an email, `problems` refuses it.
        variant.body = variant.source
    elif variant.format == variant.Format.MARKDOWN:
        variant.body = from_markdown(variant.source)
    else:
        variant.source = variant.body = sanitised(variant.source)


def problems(variant: Variant, known: Collection[str]) -> list[Problem]:
    """
    Return what is wrong with what is written in *variant*, which `fill` has filled.

    Args:
        variant: Saved or not.

        known: Names of the keywords that may be used.
    """
    fields = {"subject": variant.subject, "preheader": variant.preheader, "source": variant.source, "url": variant.url}
    found = [
        Problem("bad_character", _("A character in it cannot be sent: NUL, or half of a pair. Take it out."), name)
        for name, text in fields.items()
        if not is_sendable(text)
    ]
    if found:
        return found
    for name in ("subject", "preheader"):
        if len(fields[name]) > MAX_LINE_LENGTH:
            found.append(_too_long(name, MAX_LINE_LENGTH))
        found += keywords.check(fields[name], name, known)
    if _is_too_long(variant):
        return [*found, _too_long("source", MAX_BODY_LENGTH, has_marks=True)]
    if variant.channel_type != _EMAIL:
        return [*found, *keywords.check(variant.source, "source", known), *_problems_of_url(variant.url)]
    # Markdown first, as it was written: its places are those that the author knows.
    written = keywords.check(variant.source, "source", known) if variant.format == variant.Format.MARKDOWN else []
    found += written or keywords.check(variant.body, "source", known, is_html=True)
    return [*found, *_problems_of_addresses(variant.body)]


def insecure_links(variant: Variant) -> list[str]:
    """Return the addresses of the links in *variant* that are http, each once."""
    found = [variant.url] if variant.url.lower().startswith("http:") else []
    if variant.channel_type == _EMAIL:
        found += [
            unescape(address) for _tag, address in _addresses(variant.body, "a") if address.lower().startswith("http:")
        ]
    return list(dict.fromkeys(found))


def problems_of_attachments(attachments: Sequence[tuple[str, bytes]]) -> list[Problem]:
    """Return what is wrong with *attachments*, names and contents: their names, their types, or what they come to."""
    found = []
    for name, content in attachments:
        if not content:
            found.append(_about_attachment(_("The file “%(name)s” is empty."), name))
        if content_type(name) not in settings.CAMPAIGN_ATTACHMENT_TYPES:
            text = _("Files such as “%(name)s” cannot be attached. These types can: %(types)s.")
            types = ", ".join(settings.CAMPAIGN_ATTACHMENT_TYPES)
            found.append(_about_attachment(text, name, types=types))
        try:
            check_attachments([(name, content)], max(len(content), 1))
        except InvalidMessageError:
            text = _("“%(name)s” is no name for a file: leave out slashes and control characters, and shorten it.")
            found.append(_about_attachment(text, name))
    total, most = sum(len(content) for _, content in attachments), settings.CAMPAIGN_MAX_ATTACHMENT_BYTES
    if total > most:
        text = ngettext(
            "The attachment has %(total)d bytes, more than %(most)d. Give a link instead.",
            "The attachments have %(total)d bytes together, more than %(most)d. Give links instead.",
            len(attachments),
        )
        found.append(Problem("attachments_too_large", text % {"total": total, "most": most}, "attachments"))
    return found


def content_type(name: str) -> str:
    """Return the type of the file called *name*, by the end of its name and by nothing that a browser says."""
    return mimetypes.guess_type(name, strict=True)[0] or "application/octet-stream"


def variant_for(variants: Sequence[Variant], language: str | None) -> Variant:
    """
    Return which of *variants*, those of one channel type of a campaign, is for whoever reads *language*.

    The one in that language; else in its base language (``pt`` for ``pt-br``); else in the campaign's own; else the
    first in the order of languages.

    Raises:
        CampaignError: If there is none.
    """
    by_language = {_normalised(variant.language): variant for variant in variants}
    if not by_language:
        raise CampaignError("A campaign has at least one variant for each of its channel types, but there is none.")
    wished = _normalised(language or "")
    for one in (wished, wished.partition("-")[0], _normalised(variants[0].campaign.language)):
        if one in by_language:
            return by_language[one]
    return by_language[min(by_language)]


def message_for(
    campaign: Campaign,
    variant: Variant,
    person: Person,
    uuid: UUID,
    scope_values: Mapping[str, str],
    *,
    others: Iterable[Variant] = (),
    is_test: bool = False,
) -> Message:
    """
    Return the message of *campaign* to *person*.

    Args:
        campaign: Its attachments are read, so prefetch them for many people.

        variant: What is sent, and in which language.

        person: Whom it goes to.

        uuid: Of the message.

        scope_values: What `Host.scope_values` returned for the campaign's scope and the variant's language.

        others: Variants of further channel types of the campaign.

        is_test: Whether it is a test: it says so, is of no send, and its links change nothing.
    """
    values = {**scope_values, **person.values}
    context: dict[str, Any] = {name: str(scope_values[name]) for name in SITE_VALUES if scope_values.get(name)}
    for one in (variant, *others):
        context[one.channel_type] = _content(one, values, is_test)
    message = Message(
        app_label="ace_campaigns",
        name="campaign",
        recipient=person.recipient,
        context=context,
        send_uuid=uuid4() if is_test else campaign.uuid,
        options=_options(campaign, is_test),
        language=variant.language,
    )
    message.uuid = uuid
    return message


def _content(variant: Variant, values: Mapping[str, str], is_test: bool) -> dict[str, str]:
    """Return what templates of the variant's channel type see of it, with *values* in place of keywords."""
    subject = one_line(keywords.substitute(variant.subject, values, escape=False))
    if is_test:
        with translation.override(variant.language):
            subject = _("[Test] %(subject)s") % {"subject": subject}
    if variant.channel_type != _EMAIL:
        text = keywords.substitute(variant.body, values, escape=False)
        return {"title": subject, "text": text, "url": variant.url}
    html = keywords.substitute(variant.body, values, escape=True)
    text = keywords.fill(_text_of(variant.body), values, escape=False)
    preheader = one_line(keywords.substitute(variant.preheader, values, escape=False))
    return {"subject": subject, "preheader": preheader, "html": html, "text": text}


def _options(campaign: Campaign, is_test: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"scope": campaign.scope, "category": campaign.category}
    if campaign.reply_to:
        options["reply_to"] = campaign.reply_to
    if campaign.from_name and django_settings.DEFAULT_FROM_EMAIL:
        address = parse_mailbox(django_settings.DEFAULT_FROM_EMAIL, "sender's address").address
        options["from_address"] = str(Mailbox(one_line(campaign.from_name), address))
    attachments = [(one.name, bytes(one.content), one.content_type) for one in campaign.attachments.all()]
    if attachments:
        options["attachments"] = attachments
    if is_test:
        options["is_test"] = True
    return options


# Made once for all recipients: reading HTML takes longer than all the rest.
@lru_cache(maxsize=32)
def _text_of(html: str) -> keywords.Parts:
    """Return the text that is made of *html*, with its keywords."""
    parts = keywords.parts(html, is_html=True)
    token = rich_text.new_word()
    words = (
        part if isinstance(part, str) else f"{'https://' if _is_address(part) else ''}{token}{number}x"
        for number, part in enumerate(parts)
    )
    text, found, end = text_of("".join(words)), list[str | keywords.Keyword | keywords.Fault](), 0
    for match in re.finditer(rf"(?:{_cut('https://')})?{_cut(token)}((?:\n?\d)+)\n?x", text):
        # Where a long line is cut inside the word, it is cut before the keyword.
        found.append(text[end : match.start()] + "\n" * ("\n" in match[0]))
        end = match.end()
        if isinstance(keyword := parts[int(match[1].replace("\n", ""))], keywords.Keyword):
            found.append(attrs.evolve(keyword, fallback=unescape(keyword.fallback)))
    return (*found, text[end:])


def _cut(word: str) -> str:
    """Return the pattern of *word*, in the middle of which a line may end."""
    return r"\n?".join(word)


def _is_address(part: keywords.Keyword | keywords.Fault) -> bool:
    return isinstance(part, keywords.Keyword) and part.kind is keywords.Kind.ADDRESS


def _normalised(language: str) -> str:
    return language.lower().replace("_", "-")


def _without_keywords(name: str, value: str) -> str:
    """Return *value* of the attribute *name* with something else in place of keywords, whose spaces are none of it."""
    if name == "src":
        return value
    found = list(keywords.placed(value))
    if name == "href" and any((start, end) == (0, len(value)) for start, end, _name, _fallback in found):
        return "https://x"
    rest, last = [], 0
    for start, end, _name, _fallback in found:
        rest.append(value[last:start])
        last = end
    return "x".join([*rest, value[last:]])


def _problems_of_addresses(html: str) -> Iterator[Problem]:
    for tag, address in _addresses(html, "a"):
        if not address:
            text = _("A link leads nowhere: the address that it had is none of https, http or mailto.")
            yield _at("dead_link", text, html, tag.start(), is_error=False)
    for tag, address in _addresses(html, "img"):
        if address:
            continue
        hosts = ", ".join(settings.CAMPAIGN_IMAGE_HOSTS)
        text = (
            _("A picture comes from where none may come from. Give it an https address at: %(hosts)s.")
            if hosts
            else _("There are no hosts that pictures may come from on this site. Take the picture out.")
        )
        yield _at("bad_picture", text % {"hosts": hosts}, html, tag.start())


def _addresses(html: str, element: str) -> Iterator[tuple[re.Match[str], str]]:
    """Yield the start tags of *element* in *html*, and where each leads; empty: nowhere."""
    for tag in keywords.TAG.finditer(html):
        if re.match(rf"<{element}[\s>]", tag[0]):
            found = _ADDRESS.search(tag[0])
            yield tag, found[1] if found else ""


def _is_too_long(variant: Variant) -> bool:
    texts = (variant.source, variant.body)
    if any(len(text) > MAX_BODY_LENGTH or text.count("<") > MAX_TAGS for text in texts):
        return True
    return variant.format == variant.Format.MARKDOWN and len(_MARK.findall(variant.source)) > MAX_MARKS


def _too_long(where: str, most: int, *, has_marks: bool = False) -> Problem:
    text = (
        _("It has more than %(most)d characters, %(tags)d tags, or %(marks)d marks of Markdown and lines. Shorten it.")
        if has_marks
        else _("It has more than %(most)d characters. Shorten it.")
    )
    return Problem("too_long", text % {"most": most, "tags": MAX_TAGS, "marks": MAX_MARKS}, where)


def _at(code: str, reason: str, text: str, start: int, *, is_error: bool = True) -> Problem:
    line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
    return Problem(code, reason, "source", line, column, is_error)


def _problems_of_url(url: str) -> Iterator[Problem]:
    if url and not re.fullmatch(r"https?://[^\s/\\{}][^\s{}]*", url, re.I):
        yield Problem("bad_url", _("A link begins with https:// and has no spaces and no keywords."), "url")


def _about_attachment(text: str, name: str, **values: str) -> Problem:
    return Problem("bad_attachment", text % {"name": name, **values}, "attachments")
