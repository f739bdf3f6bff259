"""Internal: the pages of workshops."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from workshops.models import Workshop


def workshops(request: HttpRequest) -> HttpResponse:
    """List all workshops."""
    return render(request, "workshops/workshops.html", {"workshops": Workshop.objects.prefetch_related("hosts")})


def workshop(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one workshop, with what is written about it by itself to the staff."""
    found = get_object_or_404(Workshop.objects.prefetch_related("hosts"), pk=pk)
    return render(request, "workshops/workshop.html", {"workshop": found})
