"""
Public: the content step ``absolute_urls``: relative links and sources of an email become absolute.

A mail has no address of its own that a relative link could be relative to. Links go to ACE_BASE_URL; what
``{% static %}`` gives is absolute already when STATIC_URL names a CDN, and is left alone, as is every address with a
scheme. Everything but the addresses stays as it is, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import attrs
from django.utils.module_loading import import_string

from edx_ace.conf import settings
from edx_ace.envelope import Parcel
from edx_ace.errors import ConfigurationError
from edx_ace.renderers import RenderedEmail

if TYPE_CHECKING:
    from edx_ace.message import Message

#: A style block up to its end tag, or a start tag. Tags inside conditional comments count: Outlook reads them.
_PLACE = re.compile(r"""(<style\b[^<>]*>.*?)(?=</style|\Z)|<[a-z](?:[^<>"']|"[^"]*"|'[^']*')*>""", re.S | re.I)
_ATTRIBUTE = re.compile(
    r"""((?<=[\s"'])(?:(href|src|action|background|poster)|(srcset)|style)\s*=\s*)("[^"]*"|'[^']*'|[^\s"'<>]+)""", re.I
)
#: The address in CSS's ``url(…)``; inside an attribute its quotes may be entities.
_CSS_URL = re.compile(r"""(\burl\(\s*+(["']|&quot;|&\#39;|&\#x27;|))([^"'()]*?)(?=\2\s{0,99}\))""", re.I)
#: One address of a ``srcset``, and what says when to use it.
_CANDIDATE = re.compile(r"([^\s,](?:\S*[^\s,])?)((?:\s+[^,]*)?(?:,|$))")
#: How an address begins that is complete, that points inside the mail, or that a provider will fill in.
_COMPLETE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:|#|\{|$)", re.I)
#: Finds an attribute that may have to change; where there is none, the mail is not looked at further.
_SUSPECT = re.compile(
    r"""=(?<=[fctdnr\s]=)(?:(?<=\s=)|(?<=href=)|(?<=src=)|(?<=srcset=)|(?<=action=)|(?<=background=)|(?<=poster=))"""
    r"""["']?+(?!https?:|mailto:)""",
    re.I,
)
#: What ACE_BASE_URL may be.
SITE = re.compile(r"https?://[^/\s]+(?:/\S*)?", re.I)


def absolute_urls(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Return *parcels*, the emails among them with absolute addresses."""
    return [_absolute(parcel) if isinstance(parcel.rendered, RenderedEmail) else parcel for parcel in parcels]


def _absolute(parcel: Parcel) -> Parcel:
    email = parcel.rendered
    changes = {}
    for name in ("head_html", "body_html"):
        html = getattr(email, name)
        if _SUSPECT.search(html) or "url(" in html or "URL(" in html:
            rewritten = _PLACE.sub(_Rewriter(parcel.message).place, html)
            if rewritten != html:
                changes[name] = rewritten
    return attrs.evolve(parcel, rendered=attrs.evolve(email, **changes)) if changes else parcel


class _Rewriter:
    """Makes the addresses of one message absolute; asks for its base URL at the first that is relative."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._base: str | None = None

    def place(self, match: re.Match[str]) -> str:
        """Return a style block or a tag, its addresses absolute."""
        if match[1]:
            return _CSS_URL.sub(self._css_url, match[1])
        return _ATTRIBUTE.sub(self._attribute, match[0])

    def _attribute(self, match: re.Match[str]) -> str:
        before, address, srcset, value = match.groups()
        quote = value[0] if value[0] in "\"'" else ""
        inner = value[1:-1] if quote else value
        if address:
            inner = self._address(inner)
        elif srcset:
            inner = _CANDIDATE.sub(lambda candidate: self._address(candidate[1]) + candidate[2], inner)
        else:
            inner = _CSS_URL.sub(self._css_url, inner)
        return f"{before}{quote}{inner}{quote}"

    def _css_url(self, match: re.Match[str]) -> str:
        return match[1] + self._address(match[3])

    def _address(self, address: str) -> str:
        if _COMPLETE.match(address):
            return address
        address = address.strip()
        if address.startswith("//"):
            return f"https:{address}"
        if self._base is None:
            self._base = base_url(self._message, address)
        return urljoin(self._base, address)


def base_url(message: Message, address: str) -> str:
    """
    Return the base URL of *message*: ACE_BASE_URL, or what the callable that it names returns for *message*.

    Args:
        message: The message, which a site's own function can tell its base URL from.

        address: The relative address that needs it, for the error.

    Raises:
        ConfigurationError: If it is not an http or https URL: the mail would go out with a dead link.
    """
    given = settings.BASE_URL
    if given and "/" not in given:
        given = import_string(given)(message)
    if given and SITE.fullmatch(given):
        return f"{given.rstrip('/')}/"
    # Only the first part of the address is quoted: what follows may be a token.
    start = re.match(r"/?[^/?#]*", address)[0]  # type: ignore[index]  # matches any text
    raise ConfigurationError(
        f"Message {message.log_id} has a relative link ({start!r}…), which leads nowhere in a mail, and ACE_BASE_URL "
        f"gives {given!r}. Set ACE_BASE_URL to the address of the site, for example 'https://example.com', or to the "
        "dotted path of a function that returns it for a message."
    )
