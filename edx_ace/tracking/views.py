"""
Internal: where the links and pixels of tracked mails lead.

The answer never waits for what is kept of it: the event is written when the answer has gone, by one INSERT, and is lost
if the database does not take it. Following a link takes one look-up by primary key. A token that is none of this site's
gets the same answer as one whose link is gone, and changes nothing.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.defaults import page_not_found, server_error

from edx_ace.errors import BadTokenError
from edx_ace.tracking import engagement

LOG = logging.getLogger(__name__)

#: A transparent picture of one pixel.
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

_HEADERS = {
    "Cache-Control": "no-store, private",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


_READING = ("GET", "HEAD")


class _Afterwards(HttpResponseBase):
    """A response that does something when it has been sent."""

    def __init__(self, *args: Any, afterwards: Callable[[], object], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._afterwards = afterwards

    def close(self) -> None:
        """Do it, and end the request."""
        try:
            self._afterwards()
        except DatabaseError as error:
            LOG.warning("An open or a click is lost: %s", type(error).__name__)
        super().close()


def _by_token(view: Callable[[HttpRequest, str], HttpResponseBase]) -> Callable[[HttpRequest, str], HttpResponseBase]:
    """
    Let whoever holds a mail read *view*, and do nothing else with it.

    No log learns its address, as it has the token in it: Django would log it for whatever is refused or fails.
    """

    @csrf_exempt
    @login_not_required
    @wraps(view)
    def wrapper(request: HttpRequest, token: str) -> HttpResponseBase:
        response: HttpResponseBase
        if request.method not in _READING:
            response = HttpResponseNotAllowed(_READING)
        else:
            try:
                response = view(request, token)
            except Exception:
                LOG.exception("A link or a pixel failed.")
                response = server_error(request)
        response._has_been_logged = True  # type: ignore[attr-defined]  # Django reads it and does not declare it
        return response

    return wrapper


class _Redirect(_Afterwards, HttpResponseRedirect):
    allowed_schemes = ["http", "https"]


class _Pixel(_Afterwards, HttpResponse):
    pass


@_by_token
def click(request: HttpRequest, token: str) -> HttpResponseBase:
    """Lead to the target of a link; the site's page "not found" where there is none."""
    try:
        message, link = engagement.target_of(token)
    except BadTokenError:
        response = page_not_found(request, Http404())
        for name, value in _HEADERS.items():
            response[name] = value
        return response
    is_machine = engagement.is_by_machine(request)
    return _Redirect(
        link.target,
        headers=_HEADERS,
        afterwards=lambda: engagement.record(message, link, is_machine=is_machine),
    )


@_by_token
def open_(request: HttpRequest, token: str) -> HttpResponseBase:
    """Return the pixel, whatever the token is."""
    headers = {**_HEADERS, "Content-Length": str(len(PIXEL))}
    try:
        message = engagement.message_of(token)
    except BadTokenError:
        return HttpResponse(PIXEL, content_type="image/gif", headers=headers)
    is_machine = engagement.is_by_machine(request)
    return _Pixel(
        PIXEL,
        content_type="image/gif",
        headers=headers,
        afterwards=lambda: engagement.record(message, None, is_machine=is_machine),
    )
