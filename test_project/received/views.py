"""Internal: the pages on which received messages are listed and read."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import get_language_info
from django.views.decorators.http import require_safe

from received.models import ReceivedMessage

MESSAGES_A_PAGE = 50

#: What a message's HTML may do in its frame: look like itself and open links. No scripts, no forms, nothing from
#: elsewhere.
BODY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """List the messages that match the search, newest first."""
    search = request.GET.get("q", "").strip()
    language = request.GET.get("language", "")
    found = ReceivedMessage.objects.filter(
        Q(subject__icontains=search) | Q(envelope_to__icontains=search) | Q(text__icontains=search)
    )
    counts = dict(found.order_by().values_list("language").annotate(Count("pk")))
    if language:
        found = found.filter(language=language)
    page = Paginator(found.order_by("-pk").defer("source"), MESSAGES_A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "search": search,
        "language": language,
        "language_name": get_language_info(language)["name"] if language in dict(settings.LANGUAGES) else language,
        "languages": [(code, name, counts.get(code, 0)) for code, name in settings.LANGUAGES],
        "total": sum(counts.values()),
        "page": page,
        "nothing_yet": not page.object_list and not ReceivedMessage.objects.exists(),
    }
    return render(request, "received/list.html", context)


@require_safe
def message(request: HttpRequest, pk: int, tab: str) -> HttpResponse:
    """Show one message: as HTML, as text or as it came."""
    shown = ReceivedMessage.objects.filter(pk=pk).first()
    if shown is None:
        return render(request, "received/gone.html", status=HTTPStatus.NOT_FOUND)
    neighbours = ReceivedMessage.objects.only("pk")
    context = {
        "message": shown,
        "tab": tab,
        "narrow": request.GET.get("width") == "narrow",
        "previous": neighbours.filter(pk__gt=pk).first(),
        "next": neighbours.filter(pk__lt=pk).last(),
    }
    return render(request, "received/message.html", context)


@require_safe
def body(request: HttpRequest, pk: int) -> HttpResponse:
    """Serve the HTML of one message, for its frame; its links open outside, as those of webmail do."""
    shown = get_object_or_404(ReceivedMessage, pk=pk)
    html = shown.html.replace("<head>", '<head><base target="_blank">', 1)
    return HttpResponse(html, headers={"Content-Security-Policy": BODY_POLICY})
