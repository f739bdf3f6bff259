"""
Public: the content step ``unsubscribe``: whoever gets a mail that is not essential can be rid of its like.

It adds the headers of RFC 8058 (one click), RFC 2369 and RFC 2919, and, to the HTML and to a text that is there, a link
that people see and the postal address of the sender. What a message brings itself wins: with a List-Unsubscribe of its
own nothing is added, and a part that holds the link or the address does not get it twice.

It goes before ``absolute_urls``, ``inline_css`` and ``plain_text``, so that these see what it adds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs
from django.utils import translation
from django.utils.html import escape
from django.utils.module_loading import import_string

from edx_ace.categories import Category
from edx_ace.channel import ChannelType
from edx_ace.content.documents import appended
from edx_ace.envelope import Envelope, Parcel
from edx_ace.errors import ConfigurationError
from edx_ace.message import Message
from edx_ace.preferences import links
from edx_ace.preferences.conf import settings
from edx_ace.presentation import host_context
from edx_ace.renderers import RenderedEmail, find_template

#: Where ``edx_ace/email/base.html`` wants it.
PLACE = "<!-- ace-unsubscribe -->"

_NOT_IN_LIST_ID = re.compile(r"[^A-Za-z0-9_-]+")


def unsubscribe(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Return *parcels*, the emails among them that are not essential with a way to unsubscribe."""
    return [_with_way_out(parcel) if isinstance(parcel.rendered, RenderedEmail) else parcel for parcel in parcels]


def _with_way_out(parcel: Parcel) -> Parcel:
    message = parcel.message
    category = links.left_by(message)
    if category is None or _has_its_own(parcel.envelope, message):
        return parcel
    with host_context(message), translation.override(message.language or translation.get_language()):
        mandate = links.Mandate.of(message, ChannelType.EMAIL)
        if mandate is None:
            return parcel
        url = mandate.url(links.UNSUBSCRIBE, message)
        context = {
            "message": message,
            "category": category,
            "preferences_url": mandate.url(links.PREFERENCES, message),
        }
        rendered = _shown(parcel.rendered, context, url, postal_address(message))
    headers = {
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": f"<{_list_id(category, url)}>",
    }
    return attrs.evolve(parcel, rendered=rendered, envelope=parcel.envelope.with_headers(headers))


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


def _shown(email: RenderedEmail, context: Mapping[str, Any], url: str, address: str) -> RenderedEmail:
    """Return *email* with what people see of it, where it is not there already."""
    changes = {}
    lines = [line.strip() for line in address.splitlines() if line.strip()]
    html, text = email.body_html, email.body
    is_placed = PLACE in html
    missing = {
        "unsubscribe_url": "" if url in html else url,
        "postal_address": "" if all(str(escape(line)) in html for line in lines) else address,
    }
    added = ""
    if any(missing.values()):
        template = find_template("edx_ace/email/unsubscribe.html")
        added = template.render({**context, **missing, "is_in_footer": is_placed}).strip()
    if is_placed:
        changes["body_html"] = html.replace(PLACE, added)
    elif added:
        changes["body_html"] = appended(html, f"{added}\n")
    if text.strip():
        missing = {
            "unsubscribe_url": "" if url in text else url,
            "postal_address": "" if all(line in text for line in lines) else address,
        }
        if any(missing.values()):
            added = find_template("edx_ace/email/unsubscribe.txt").render({**context, **missing}).strip()
            changes["body"] = f"{text.rstrip()}\n\n{added}\n"
    return attrs.evolve(email, **changes)
