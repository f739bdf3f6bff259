"""
Internal: what a page of the staff may load, and what a message may that is shown in a frame of it.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.templatetags.static import static

#: What a previewed message may load: pictures and fonts, and nothing that runs, whatever is written in it.
FRAME_POLICY = (
    "default-src 'none'; img-src https: http: data:; font-src https: data:; style-src 'unsafe-inline'; sandbox; "
    "frame-ancestors 'self'"
)


def nonce(request: HttpRequest) -> str:
    """Return the word by which the style that the editor brings is known to be ours; one for each request."""
    found: str | None = getattr(request, "_ace_nonce", None)
    if found is None:
        found = request._ace_nonce = secrets.token_urlsafe(16)  # type: ignore[attr-defined]
    return found


def policy(request: HttpRequest, *, has_message: bool = False) -> str:
    """
    Return what a page may load: scripts come from where the site's files do, and none is written into it.

    Args:
        request: Of the page.

        has_message: Whether a message is written into the page, in a frame, which obeys the page's policy: then styles
            may be written into it.
    """
    place = urlsplit(static("edx_ace/web/pages.css"))
    files = f"'self' {place.scheme}://{place.netloc}" if place.scheme else "'self'"
    styles = f"{files} 'unsafe-inline'" if has_message else f"{files} 'nonce-{nonce(request)}'"
    return (
        f"default-src 'none'; script-src {files}; style-src {styles}; font-src {files}; "
        f"img-src {files} data: https:; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'self'"
    )
