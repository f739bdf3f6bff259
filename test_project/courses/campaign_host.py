"""Internal: what campaigns ask the learning site: who may write to whom, and what keywords stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from django.utils import formats, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from courses.models import Course
from courses.scopes import course_of, scope_of
from edx_ace.campaigns.host import Action, Host, Keyword, Scope
from edx_ace.conf import settings

if TYPE_CHECKING:
    from edx_ace.campaigns.models import Campaign

#: What whoever teaches a course may do in it. To approve is for those who run the campus.
_INSTRUCTORS_MAY = frozenset([Action.VIEW, Action.WRITE, Action.SEND, Action.SEE_PEOPLE])


class CampusHost(Host):
    """A scope is a course, or the whole campus, which only those who run it write to."""

    def may(self, user: Any, action: Action, scope: str, campaign: Campaign | None = None) -> bool:
        """Those who run the campus may do everything; those who teach, what concerns their courses."""
        if not user.is_active:
            return False
        if user.is_superuser:
            return not scope or course_of(scope) is not None
        course = course_of(scope)
        return action in _INSTRUCTORS_MAY and course is not None and course.instructors.contains(user)

    def scopes(self, user: Any) -> Sequence[Scope]:
        """Return the whole campus, for those who run it, and the courses that *user* teaches, or all."""
        if user.is_superuser:
            return [Scope("", _("The whole campus")), *map(_scope, Course.objects.all())]
        return [_scope(course) for course in Course.objects.filter(instructors=user)]

    def label(self, scope: str) -> Any:
        """Return the title of the course."""
        if not scope:
            return _("The whole campus")
        course = course_of(scope)
        return scope if course is None else course.title

    def keywords(self, scope: str) -> Sequence[Keyword]:
        """Return what learners are called and, in a course, what is known about it."""
        of_people = [
            Keyword("first_name", _("First name"), "Zoë"),
            Keyword("full_name", _("Full name"), "Zoë Lindqvist"),
        ]
        course = course_of(scope)
        if course is None:
            return of_people
        values = self.scope_values(scope, translation.get_language() or course.language)
        labels = {
            "course_name": _("Name of the course"),
            "course_url": _("Address of the course's page"),
            "course_start": _("Day on which the course begins"),
            "course_end": _("Day on which the course ends"),
        }
        return [*of_people, *(Keyword(name, label, values[name]) for name, label in labels.items())]

    def scope_values(self, scope: str, language: str) -> Mapping[str, str]:
        """Return what is known about the site and the course, days as *language* writes them."""
        course = course_of(scope)
        with translation.override(language):
            of_site = {"site_name": gettext("Lantern Campus"), "site_url": settings.BASE_URL or ""}
            if course is None:
                return of_site
            return {
                **of_site,
                "course_name": course.title,
                "course_url": urljoin(settings.BASE_URL or "", course.get_absolute_url()),
                "course_start": formats.date_format(course.starts_at, "DATE_FORMAT"),
                "course_end": formats.date_format(course.ends_at, "DATE_FORMAT"),
            }

    def needs_approval(self, campaign: Campaign) -> bool:
        """Whatever goes to the whole campus."""
        return not campaign.scope

    def dates(self, scope: str) -> Mapping[str, tuple[Any, datetime]]:
        """Return when the course begins and ends."""
        course = course_of(scope)
        if course is None:
            return {}
        return {"start": (_("The course begins"), course.starts_at), "end": (_("The course ends"), course.ends_at)}


def _scope(course: Course) -> Scope:
    return Scope(scope_of(course), course.title)
