"""
Internal: what the pages for recipients have in common: they are nobody else's business, speak the recipient's language,
and believe nothing of a request but a token and a small form.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.template.loader import render_to_string
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt

from edx_ace.errors import BadTokenError

LOG = logging.getLogger(__name__)

#: Largest body of a request that is read, in bytes.
MAX_BODY_BYTES = 1_000_000

#: How often a write is tried that loses to another transaction.
_TRIES = 10

View = Callable[..., HttpResponse]
Result = TypeVar("Result")


class BadFormError(Exception):
    """The body of a request is none that a page of this site sends, nor a one-click of RFC 8058."""


def private(view: View) -> View:
    """Keep what *view* answers out of caches and search engines."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        response["X-Robots-Tag"] = "noindex"
        return response

    return wrapper


def by_link(view: View) -> View:
    """
    Let whoever holds a link use *view*: without a cookie, so that nothing can be forged by one.

    A bad token and a bad form have the same two answers always. Neither a log nor another page learns the address, as
    it has the token in it: Django would log it for whatever is refused or fails.
    """

    @csrf_exempt
    @login_not_required
    @private
    @wraps(view)
    def wrapper(request: HttpRequest, token: str) -> HttpResponse:
        try:
            response = view(request, token)
        except BadTokenError:
            response = page(request, "bad_link", status=400)
        except BadFormError:
            response = page(request, "bad_form", status=400)
        except Exception:
            LOG.exception("A page for a recipient failed.")
            response = page(request, "failed", status=500)
        response._has_been_logged = True  # type: ignore[attr-defined]
        response["Referrer-Policy"] = "no-referrer"
        return response

    return wrapper


def page(
    request: HttpRequest, name: str, context: Mapping[str, Any] | None = None, *, language: str = "", status: int = 200
) -> HttpResponse:
    """Return the page called *name* in *language*, or where the site has not that, in one that the browser asks for."""
    with in_language(request, language):
        html = render_to_string(f"edx_ace/web/{name}.html", dict(context or {}), request)
        return HttpResponse(html, status=status, headers={"Content-Language": translation.get_language() or ""})


def in_language(request: HttpRequest, language: str) -> translation.override:
    """Return what makes *language* the active one, or where the site has not that, one that the browser asks for."""
    return translation.override(language_for(request, language))


def language_for(request: HttpRequest, language: str) -> str:
    """Return the language of the site that is nearest to *language*, else to what the browser asks for."""
    try:
        return translation.get_supported_language_variant(language)
    except LookupError:
        return translation.get_language_from_request(request)


def posted(request: HttpRequest) -> dict[str, list[str]]:
    """
    Return the fields of the form that *request* holds.

    Raises:
        BadFormError: If it is no form, too large, or compressed: what it would become is not known before.
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isascii() or not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        raise BadFormError
    if request.META.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise BadFormError
    try:
        fields, files = request.POST, request.FILES
    except (BadRequest, MultiPartParserError, SuspiciousOperation, UnreadablePostError, ValueError):
        raise BadFormError from None
    if request.method != "POST" or not fields or files:
        raise BadFormError
    return {name: list(map(str, values)) for name, values in fields.lists()}


def lasting(write: Callable[[], Result]) -> Result:
    """Return what *write* returns, once it is committed; it is called again when it loses to another transaction."""
    for attempt in range(_TRIES - 1):
        try:
            return write()
        except OperationalError as error:
            LOG.info("A choice lost to another transaction, and is tried again: %s", type(error).__name__)
            # Of many that lost to each other at once not all come back at once.
            time.sleep(random.uniform(0, 0.02 * 2**attempt))
    return write()
