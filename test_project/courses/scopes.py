"""Internal: what messages belong to (``options["scope"]``), and what that is called (``ACE_SCOPE_NAMES``)."""

from __future__ import annotations

from collections.abc import Sequence

from courses.models import Course

_PREFIX = "course:"


def scope_of(course: Course) -> str:
    """Return what messages about *course* belong to."""
    return f"{_PREFIX}{course.slug}"


def course_of(scope: str) -> Course | None:
    """Return the course that *scope* is; None: it is none, or none any more."""
    return Course.objects.filter(slug=scope.removeprefix(_PREFIX)).first() if scope.startswith(_PREFIX) else None


def names(scopes: Sequence[str]) -> list[str | None]:
    """Return what the course of each of *scopes* is called."""
    slugs = [scope.removeprefix(_PREFIX) for scope in scopes]
    titles = dict(Course.objects.filter(slug__in=slugs).values_list("slug", "title"))
    return [titles.get(slug) for slug in slugs]
