"""Internal: the page of a course, where the links of messages lead."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from courses.models import Course


def course(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one course."""
    return render(request, "courses/course.html", {"course": get_object_or_404(Course, slug=slug)})
