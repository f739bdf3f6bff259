"""
Internal: mails for the content steps of tracking, and how to read what became of them.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from edx_ace.channel import ChannelType
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.envelope import Parcel, seal
from edx_ace.message import Message
from edx_ace.renderers import RenderedEmail
from edx_ace.tracking.links import track
from tests.pipeline import welcome

_CLICK = re.compile(r'(?i:href)\s*=\s*"(https://example\.com/mail/c/[^"]+)"')
_OPEN = re.compile(r'<img data-ace-open src="(https://example\.com/mail/o/[^"]+\.gif)"')


def mail(html: str, message: Message | None = None, **fields: str) -> Parcel:
    """Return a parcel of a mail with that body."""
    message = message or welcome()
    given: dict[str, Any] = {"from_name": "", "subject": "Hello", "head_html": "", "body": "", **fields}
    return Parcel(
        message,
        DjangoEmailChannel(),
        RenderedEmail(body_html=html, **given),
        seal(message, ChannelType.EMAIL),
    )


def tracked_html(html: str, message: Message | None = None) -> str:
    """Return *html* as the step leaves it."""
    [parcel] = track([mail(html, message)])
    return str(parcel.rendered.body_html)


def clicks(html: str) -> list[str]:
    """Return the paths of the links in *html* that count clicks."""
    return [urlsplit(url).path for url in _CLICK.findall(html)]


def pixel(html: str) -> str | None:
    """Return the path of the pixel in *html*."""
    found = _OPEN.search(html)
    return urlsplit(found[1]).path if found else None
