"""
Public: the content step ``track``: links of an email lead through this site, and a pixel says that it was opened.

Off unless the message's category has ``"track": True`` in ACE_CATEGORIES, and then only with the person's consent
(ACE_TRACKING_CONSENT); essential messages and tests (``options["is_test"]``) are never tracked. A target is stored once
for a send; the token in a link names the message and the stored target, so that nothing is written for a single
message, and nothing but what stood in a message of that send is ever redirected to.

Left alone are links with the attribute ``data-no-track``, those of the header List-Unsubscribe, those to this package's
own pages, and whatever is not http or https. What was written by hand as plain text stays as it is: put the step after
``plain_text``. A mail goes out untracked where tracking fails, and where its sender has a transaction open: were that
rolled back, its links would lead nowhere.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from html import unescape
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit
from uuid import UUID

import attrs
from django.db import router, transaction
from django.urls import Resolver404, resolve, reverse
from django.utils.module_loading import import_string

from edx_ace import categories
from edx_ace.content.absolute_urls import base_url
from edx_ace.content.documents import appended
from edx_ace.envelope import Parcel
from edx_ace.message import Message
from edx_ace.message_types import info
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.renderers import RenderedEmail
from edx_ace.tokens import sealer
from edx_ace.tracking.conf import settings
from edx_ace.tracking.models import Link

LOG = logging.getLogger(__name__)

#: Purposes of the tokens.
CLICK, OPEN = "click", "open"

#: The key of a category that turns tracking on.
CATEGORY_KEY = "track"

#: Longest target that a link may have, in characters: what browsers and proxies commonly take.
MAX_TARGET_LENGTH = 2000

#: Namespaces of pages whose links hold a person's own token.
_OWN_PAGES = {"ace_web", "ace_tracking"}

_TARGET = re.compile(r"https?://[^\s\x00-\x1f\x7f\\<>\"]+", re.I)
# With both letters: ignoring case, the search would look at each character.
_LINK_TAG = re.compile(r"""<[aA](?:[rR][eE][aA])?(?=[\s/])((?:[^<>"']|"[^"]*"|'[^']*')*)>""")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'<>]+))?""")
_IN_BRACKETS = re.compile(r"<([^<>]*)>")

#: The last part of an address that is as long as a token.
_TOKEN = re.compile(r"(?<=/)[\w-]{40,}(?![\w-])")

_PIXEL = '<img data-ace-open src="{}" width="1" height="1" alt="" style="border:0">'
_PIXEL_FOUND = re.compile(r"<img data-ace-open [^<>]*>")


def track(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Return *parcels*, those of them that may be tracked with links that count clicks and a pixel."""
    try:
        chosen = {id(parcel): parcel for parcel in _trackable(parcels)}
        if not chosen:
            return list(parcels)
        rewriter = _Rewriter()
        changed = {key: rewriter.rewrite(parcel) for key, parcel in chosen.items()}
        return [changed.get(id(parcel), parcel) for parcel in parcels] if rewriter.store() else list(parcels)
    except Exception:
        LOG.exception("%d messages go out untracked.", len(parcels))
        return list(parcels)


def is_target(url: str) -> bool:
    """Return whether a link may lead to *url*: an http or https address with a host, without white space, not long."""
    if len(url) > MAX_TARGET_LENGTH or not _TARGET.fullmatch(url):
        return False
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def without_pixel(html: str) -> str:
    """Return *html* without what would say that it was opened."""
    return _PIXEL_FOUND.sub("", html)


def harmless(html: str) -> str:
    """Return *html* to be looked at by somebody else than its recipient: it is not opened by that, and has no links."""
    return _LINK_TAG.sub(_without_address, without_pixel(html))


def without_tokens(text: str) -> str:
    """Return *text* with the tokens of its links left out, so that whoever reads it can use none of them."""
    return _TOKEN.sub("\N{HORIZONTAL ELLIPSIS}", text)


def _trackable(parcels: Sequence[Parcel]) -> list[Parcel]:
    on = {name for name, category in categories.all_categories().items() if category.more.get(CATEGORY_KEY) is True}
    about = cache(info)
    candidates = [
        parcel
        for parcel in parcels
        if on
        and isinstance(parcel.rendered, RenderedEmail)
        and (known := about(parcel.message.app_label, parcel.message.name)).category_of(parcel.message) in on
        and not known.is_essential(parcel.message)
        and not parcel.message.options.get("is_test")
    ]
    if not candidates or settings.TRACKING_CONSENT is None:
        return candidates
    consent: Callable[[list[Message]], Sequence[bool]] = import_string(settings.TRACKING_CONSENT)
    agreed = consent([parcel.message for parcel in candidates])
    return [parcel for parcel, yes in zip(candidates, agreed, strict=True) if yes is True]


class _Tag(NamedTuple):
    """How a link is written: its address, and what stands before and after that."""

    before: str
    target: str
    after: str


class _Rewriter:
    """Rewrites the links of many messages and keeps what they lead to; what they have in common is looked at once."""

    def __init__(self) -> None:
        self._links: list[Link] = []
        self._seal = {purpose: sealer(purpose) for purpose in (CLICK, OPEN)}
        self._address = cache(_address)
        #: By the address of the site, then by how the tag is written; None: it is left alone.
        self._tags: defaultdict[str, dict[str, _Tag | None]] = defaultdict(dict)
        #: Likewise, without tokens: whether the link leads to a page of this package.
        self._is_own: defaultdict[str, dict[str, bool]] = defaultdict(dict)
        #: By the send, then by what a link leads to: its row.
        self._stored: defaultdict[UUID, dict[str, str]] = defaultdict(dict)

    def rewrite(self, parcel: Parcel) -> Parcel:
        """Return *parcel* with its links counted and a pixel at its end."""
        message, email = parcel.message, parcel.rendered
        base, batch, key = base_url(message, "/"), message.send_uuid or message.uuid, message.uuid.hex
        untouched = _unsubscribe_links(parcel)
        seal, (start, end) = self._seal[CLICK], self._address(CLICK, base)
        tags, stored = self._tags[base], self._stored[batch]

        def link(match: re.Match[str]) -> str:
            written = match[0]
            if written not in tags:
                tags[written] = self._tag(match, base)
            tag = tags[written]
            if tag is None or tag.target in untouched:
                return written
            if tag.target not in stored:
                stored[tag.target] = self._store(batch, tag.target)
            return f'{tag.before}"{start}{seal(key, stored[tag.target])}{end}"{tag.after}'

        html = _LINK_TAG.sub(link, email.body_html)
        pixel = _PIXEL.format(self._seal[OPEN](key).join(self._address(OPEN, base)))
        return attrs.evolve(parcel, rendered=attrs.evolve(email, body_html=appended(html, pixel)))

    def store(self) -> bool:
        """Write what links lead to, with one statement, and return whether that is committed."""
        using = router.db_for_write(Link)
        # Always in the same order, so that workers with messages of the same send do not wait for each other in a ring.
        links = sorted(self._links, key=lambda link: link.uuid)
        try:
            with transaction.atomic(using, durable=True):
                Link.objects.using(using).bulk_create(links, ignore_conflicts=True)
        except RuntimeError:
            # A transaction of the caller's is open.
            return False
        return True

    def _tag(self, found: re.Match[str], base: str) -> _Tag | None:
        """Return how the link *found* is written; None: leave it alone."""
        # Those to pages of this package differ in their tokens alone.
        known, alike = self._is_own[base], _TOKEN.sub("", found[0])
        if known.get(alike):
            return None
        where = _href(found)
        if where is None:
            return None
        start, end = where
        given = found.string[start:end]
        target = unescape(given[1:-1] if given[0] in "\"'" else given).strip()
        if not is_target(target):
            return None
        if alike not in known:
            known[alike] = _is_own_page(target, base)
        return (
            None if known[alike] else _Tag(found.string[found.start() : start], target, found.string[end : found.end()])
        )

    def _store(self, batch: UUID, target: str) -> str:
        # With a version, as MariaDB refuses some that have none.
        uuid = UUID(bytes=hashlib.sha256(batch.bytes + target.encode()).digest()[:16], version=5)
        self._links.append(Link(uuid=uuid, batch=batch, target=target, created_at=DatabaseNow()))
        return uuid.hex


def _address(purpose: str, base: str) -> list[str]:
    """Return what stands before and after the token in an address of the site at *base*."""
    return urljoin(base, reverse(f"ace_tracking:{purpose}", args=["-token-"])).split("-token-")


def _href(tag: re.Match[str]) -> tuple[int, int] | None:
    """Return where the address of the link *tag* stands, with its quotes; None: it has none or is to be left alone."""
    where = None
    for attribute in _ATTRIBUTE.finditer(tag.string, tag.start(1), tag.end(1)):
        name = attribute[1].lower()
        if name == "data-no-track":
            return None
        if name == "href" and where is None and attribute[2]:
            where = attribute.span(2)
    return where


def _without_address(tag: re.Match[str]) -> str:
    attributes = (one[0] for one in _ATTRIBUTE.finditer(tag[1]) if one[1].lower() != "href")
    return f"{tag[0][: tag.start(1) - tag.start()]} {' '.join(attributes)}>"


def _is_own_page(target: str, base: str) -> bool:
    there, here = urlsplit(target), urlsplit(base)
    if (there.scheme, there.netloc.lower()) != (here.scheme, here.netloc.lower()):
        return False
    try:
        return bool(_OWN_PAGES & set(resolve(there.path).app_names))
    except Resolver404:
        return False


def _unsubscribe_links(parcel: Parcel) -> set[str]:
    header = next((value for name, value in parcel.envelope.headers.items() if name.lower() == "list-unsubscribe"), "")
    return set(_IN_BRACKETS.findall(str(header)))
