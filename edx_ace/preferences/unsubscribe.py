"""
Public: the content step ``unsubscribe``: whoever gets a mail that is not essential can be rid of its like.

It adds the headers of RFC 8058 (one click), RFC 2369 and RFC 2919, and, to the HTML and to a text that is there, a link
that people see and the postal address of the sender. What a message brings itself wins: with a List-Unsubscribe of its
own nothing is added, and a part that holds the link or the address does not get it twice.

It goes before ``absolute_urls``, ``inline_css`` and ``plain_text``, so that these see what it adds.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import attrs
from django.utils.functional import SimpleLazyObject
from django.utils.html import escape
from django.utils.module_loading import import_string

from edx_ace.categories import Category
from edx_ace.channel import ChannelType
from edx_ace.conf import settings as core_settings
from edx_ace.content.absolute_urls import base_url
from edx_ace.content.documents import appended
from edx_ace.envelope import Envelope, Parcel
from edx_ace.errors import ConfigurationError
from edx_ace.message import Message
from edx_ace.message_types import info
from edx_ace.preferences import links
from edx_ace.preferences.conf import settings
from edx_ace.presentation import host_context, language_of
from edx_ace.renderers import RenderedEmail, find_template
from edx_ace.tokens import sealer

#: Where ``edx_ace/email/base.html`` wants it.
PLACE = "<!-- ace-unsubscribe -->"

_NOT_IN_LIST_ID = re.compile(r"[^A-Za-z0-9_-]+")


#: What stands for the tokens in what many messages have in common.
_TOKENS = {purpose: f"ace-{purpose}-token" for purpose in (links.UNSUBSCRIBE, links.PREFERENCES)}


def unsubscribe(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Return *parcels*, the emails among them that are not essential with a way to unsubscribe."""
    writer = _Writer()
    return [writer.write(parcel) if isinstance(parcel.rendered, RenderedEmail) else parcel for parcel in parcels]


class _Writer:
    """Writes the ways out into many messages; what they have in common is looked at once."""

    def __init__(self) -> None:
        self._about = cache(info)
        self._lines = cache(_lines)
        self._sealer = cache(sealer)
        #: Of messages of one site, language and category.
        self._footers: dict[tuple[Hashable, ...], _Footers] = {}

    def write(self, parcel: Parcel) -> Parcel:
        """Return *parcel* with a way to unsubscribe, if it needs one."""
        message = parcel.message
        category = links.left_by(message, self._about)
        if category is None or _has_its_own(parcel.envelope, message):
            return parcel
        with host_context(message) as place, language_of(message):
            mandate = links.Mandate.of(message, ChannelType.EMAIL, self._about)
            if mandate is None:
                return parcel
            footers = self._footers_of(message, place, mandate.language, category)
            parts = mandate.parts
            tokens = {purpose: self._sealer(purpose)(*parts) for purpose in _TOKENS}
            url = _filled(footers.urls[links.UNSUBSCRIBE], tokens)
            lines = self._lines(postal_address(message))
            rendered = _shown(parcel.rendered, message, footers, tokens, url, lines)
        headers = {
            "List-Unsubscribe": f"<{url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Id": footers.list_id,
        }
        return attrs.evolve(parcel, rendered=rendered, envelope=parcel.envelope.with_headers(headers))

    def _footers_of(self, message: Message, place: Any, language: str, category: Category) -> _Footers:
        common = place, base_url(message, "/"), language, category.name
        if common in self._footers:
            return self._footers[common]
        urls = {purpose: links.address(purpose, message, token) for purpose, token in _TOKENS.items()}
        footers = _Footers(category, urls, f"<{_list_id(category, urls[links.UNSUBSCRIBE])}>")
        # As templates are not shared between such messages.
        if place is not None or not core_settings.RENDER_CONTEXT:
            self._footers[common] = footers
        return footers


@attrs.define
class _Footers:
    """
    What is added to messages of one site, language and category: what people see, and the header List-Id.

    A template is rendered once with something else in the place of each token. Whether a footer says anything about its
    message is known by whether the template looked at it; such a one is rendered for each.
    """

    category: Category
    #: By purpose, each with something else in the place of its token.
    urls: Mapping[str, str]
    list_id: str
    _rendered: dict[tuple[Hashable, ...], str] = attrs.field(factory=dict, init=False)

    def render(self, name: str, message: Message, has_link: bool, **context: Any) -> str:
        """Return what the template called *name* says, with the tokens still to be put in."""
        key = (name, has_link, *context.items())
        if key in self._rendered:
            return self._rendered[key]
        looks: list[Message] = []

        def look() -> Message:
            looks.append(message)
            return message

        context |= {
            "message": SimpleLazyObject(look),
            "category": self.category,
            "preferences_url": self.urls[links.PREFERENCES],
            "unsubscribe_url": self.urls[links.UNSUBSCRIBE] if has_link else "",
        }
        rendered: str = find_template(f"edx_ace/email/{name}").render(context).strip()
        if not looks:
            self._rendered[key] = rendered
        return rendered


def _filled(text: str, tokens: Mapping[str, str]) -> str:
    """Return *text* with *tokens* in their places."""
    for purpose, token in tokens.items():
        text = text.replace(_TOKENS[purpose], token)
    return text


def postal_address(message: Message) -> str:
    """
    Return the postal address of whoever sends *message*: ACE_POSTAL_ADDRESS, or what its callable returns.

    Raises:
        ConfigurationError: If there is none.
    """
    given = settings.POSTAL_ADDRESS
    # An address has words, a dotted path has none.
    if isinstance(given, str) and given.strip() and not re.search(r"\s", given.strip()):
        given = import_string(given)(message)
    address = "" if given is None else str(given).strip()
    if not address:
        raise ConfigurationError(
            f"Message {message.log_id} needs the postal address of whoever sends it, and there is none. Set "
            "ACE_POSTAL_ADDRESS to it, or to the dotted path of a function that returns it for a message."
        )
    return address


def _has_its_own(envelope: Envelope, message: Message) -> bool:
    further = message.options.get("headers") or {}
    return any(str(name).lower() == "list-unsubscribe" for name in (*envelope.headers, *further))


def _list_id(category: Category, url: str) -> str:
    """Return the List-Id of *category*: its key ``list_id``, else its name at the host of *url*."""
    name = _NOT_IN_LIST_ID.sub("-", category.name).strip("-") or "list"
    return category.more.get("list_id") or f"{name}.{urlsplit(url).hostname}"


class _Lines(NamedTuple):
    """A postal address, and its lines as text and as HTML have them."""

    address: str
    as_text: list[str]
    as_html: list[str]


def _lines(address: str) -> _Lines:
    lines = [line.strip() for line in address.splitlines() if line.strip()]
    return _Lines(address, lines, [str(escape(line)) for line in lines])


def _shown(
    email: RenderedEmail, message: Message, footers: _Footers, tokens: Mapping[str, str], url: str, postal: _Lines
) -> RenderedEmail:
    """Return *email* with what people see of it, where it is not there already."""
    changes = {}
    html, text = email.body_html, email.body
    is_placed = PLACE in html
    has_link, missing = url in html, "" if all(line in html for line in postal.as_html) else postal.address
    added = ""
    if not has_link or missing:
        added = footers.render(
            "unsubscribe.html", message, not has_link, postal_address=missing, is_in_footer=is_placed
        )
        added = _filled(added, tokens)
    if is_placed:
        changes["body_html"] = html.replace(PLACE, added)
    elif added:
        changes["body_html"] = appended(html, f"{added}\n")
    if text.strip():
        has_link, missing = url in text, "" if all(line in text for line in postal.as_text) else postal.address
        if not has_link or missing:
            added = footers.render("unsubscribe.txt", message, not has_link, postal_address=missing)
            changes["body"] = f"{text.rstrip()}\n\n{_filled(added, tokens)}\n"
    return attrs.evolve(email, **changes)
