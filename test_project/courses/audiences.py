"""
Internal: who those who teach can write to: the audiences of campaigns.

Each belongs to the course of its scope; without a course, learners and staff are those of the whole campus.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from courses.models import Cohort, Course, Enrolment, Learner, Track
from courses.scopes import course_of
from edx_ace import Recipient
from edx_ace.campaigns.audiences import Audience, Person, register

#: How many of those whom a search finds are named.
_MAX_NAMED = 5


def learners_of(scope: str, condition: Q | None = None) -> QuerySet[Learner]:
    """Return whoever takes the course of *scope*, with an enrolment that *condition* matches; each comes once."""
    if not scope:
        return Learner.objects.all()
    enrolments = Enrolment.objects.filter(condition or Q(), learner=OuterRef("pk"), course=course_of(scope))
    return Learner.objects.filter(Exists(enrolments))


class _Learners(Audience):
    """Those who take the course, or some of them."""

    search_fields = ("email", "name")

    def person(self, row: Any) -> Person:
        """Return who the learner *row* is."""
        values = {"first_name": row.first_name, "full_name": row.name}
        return Person(row.recipient, values, row.language, row.time_zone, row.is_active)


class _OfCourse(_Learners):
    """Some of those who take a course; the campus as a whole has no such groups."""

    def is_offered(self, scope: str, requester: Any) -> bool:
        """Return whether *scope* is a course."""
        return course_of(scope) is not None


class _Users(Audience):
    """People with an account, who may be learners as well: then they are the same person to the outbox."""

    search_fields = ("email", "username", "first_name", "last_name")

    def person(self, row: Any) -> Person:
        """Return who the user *row* is."""
        learner = getattr(row, "learner", None)
        values = {"first_name": row.first_name, "full_name": row.get_full_name()}
        if learner is None:
            return Person(Recipient(None, row.email), values, is_active=row.is_active)
        return Person(
            learner.recipient,
            {"first_name": learner.first_name, "full_name": learner.name},
            learner.language,
            learner.time_zone,
            row.is_active and learner.is_active,
        )


@register
class Myself(_Users):
    """Whoever writes."""

    name = "myself"
    label = gettext_lazy("Myself")

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[User]:
        """Return the one user."""
        return User.objects.filter(pk=requester and requester.pk).select_related("learner")


@register
class Staff(_Users):
    """Whoever teaches the course; without one, whoever teaches any."""

    name = "staff"
    label = gettext_lazy("Those who teach")

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[User]:
        """Return their users."""
        taught = Course.objects.filter(instructors=OuterRef("pk"))
        if scope:
            taught = taught.filter(pk=getattr(course_of(scope), "pk", None))
        return User.objects.filter(Exists(taught)).select_related("learner")


@register
class Learners(_Learners):
    """Everybody who takes the course; without one, everybody."""

    name = "learners"
    label = gettext_lazy("All learners")

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[Learner]:
        """Return them."""
        return learners_of(scope)


class CohortForm(forms.Form):
    """Which cohort of a course."""

    cohort = forms.ChoiceField(label=gettext_lazy("Cohort"))

    def __init__(self, *args: Any, scope: str, **more: Any) -> None:
        super().__init__(*args, **more)
        names = Cohort.objects.filter(course=course_of(scope)).values_list("name", flat=True)
        self.fields["cohort"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]


@register
class InCohort(_OfCourse):
    """The learners of one cohort."""

    name = "cohort"
    label = gettext_lazy("A cohort")

    def form(self, scope: str, requester: Any, data: Any = None, **options: Any) -> forms.Form:
        """Return the form, which offers the cohorts of the course."""
        return CohortForm(data, scope=scope, **options)

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[Learner]:
        """Return them."""
        return learners_of(scope, Q(cohort__name=params["cohort"]))


class TrackForm(forms.Form):
    """Which track."""

    track = forms.ChoiceField(label=gettext_lazy("Track"), choices=Track.choices)


@register
class OnTrack(_OfCourse):
    """The learners of one enrolment track."""

    name = "track"
    label = gettext_lazy("An enrolment track")
    form_class = TrackForm

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[Learner]:
        """Return them."""
        return learners_of(scope, Q(track=params["track"]))

    def describe(self, params: Mapping[str, Any]) -> str:
        """Return which track."""
        return f"{self.label}: {dict(Track.choices).get(params['track'], params['track'])}"


class BetweenForm(forms.Form):
    """From where to where, both included."""

    at_least = forms.IntegerField(label=gettext_lazy("At least (%)"), min_value=0, max_value=100, initial=0)
    at_most = forms.IntegerField(label=gettext_lazy("At most (%)"), min_value=0, max_value=100, initial=100)

    def clean(self) -> dict[str, Any]:
        """Refuse an interval that holds nothing."""
        given = super().clean() or {}
        if given.get("at_least", 0) > given.get("at_most", 100):
            raise forms.ValidationError(_("“At least” is more than “at most”: nobody is between."))
        return given


class _Between(_OfCourse):
    """Those of whom a field of the enrolment, `field`, is between two shares of a hundred."""

    form_class = BetweenForm
    field: str

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[Learner]:
        """Return them."""
        return learners_of(scope, Q(**{f"{self.field}__range": (params["at_least"], params["at_most"])}))

    def describe(self, params: Mapping[str, Any]) -> str:
        """Return between which."""
        values = {"label": self.label, "least": params["at_least"], "most": params["at_most"]}
        return _("%(label)s: %(least)s to %(most)s %%") % values


@register
class ByCompletion(_Between):
    """Those who have done so much of the course."""

    name = "completion"
    label = gettext_lazy("By completion")
    field = "completion"


@register
class ByGrade(_Between):
    """Those with such a grade; whoever has none is not among them."""

    name = "grade"
    label = gettext_lazy("By grade")
    field = "grade"


class InactiveForm(forms.Form):
    """Since when."""

    since = forms.DateField(label=gettext_lazy("Since"), widget=forms.DateInput({"type": "date"}))


@register
class InactiveSince(_OfCourse):
    """Those who were not in the course on that day or later, or never."""

    name = "inactive"
    label = gettext_lazy("Inactive since")
    form_class = InactiveForm

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[Learner]:
        """Return them."""
        day = datetime.combine(date.fromisoformat(params["since"]), time(), timezone.get_default_timezone())
        return learners_of(scope, Q(last_seen__lt=day) | Q(last_seen=None))


class LearnersField(forms.CharField):
    """
    Learners, found by a part of their name or address: one a line, and each line has to find exactly one.

    Its value is a list of their primary keys, so that what is kept names nobody.
    """

    widget = forms.Textarea({"rows": 4})
    #: Whom it finds.
    among: QuerySet[Learner] = Learner.objects.none()

    def prepare_value(self, value: Any) -> Any:
        """Return what stands in the field for *value*: addresses, or what was typed."""
        if isinstance(value, list):
            return "\n".join(self.among.filter(pk__in=value).values_list("email", flat=True))
        return value

    def to_python(self, value: Any) -> Any:
        """Return the primary keys of those whom *value* names."""
        if isinstance(value, list):
            return self._kept(value)
        lines = [line.strip() for line in (super().to_python(value) or "").splitlines()]
        return list(dict.fromkeys(self._found(line) for line in lines if line))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether *data* names others than *initial*."""
        return bool(initial != data)

    def _kept(self, keys: list[Any]) -> list[int]:
        numbers = {key for key in keys if isinstance(key, int)}
        found = list(self.among.filter(pk__in=numbers).values_list("pk", flat=True))
        if len(found) != len(keys):
            raise forms.ValidationError(_("Somebody of these does not learn here."))
        return found

    def _found(self, line: str) -> int:
        exactly = self.among.filter(email__iexact=line)
        found = list(exactly or self.among.filter(Q(name__icontains=line) | Q(email__icontains=line))[: _MAX_NAMED + 1])
        if not found:
            raise forms.ValidationError(_("Nobody here is called “%(line)s”."), params={"line": line})
        if len(found) > 1:
            named = ", ".join(f"{learner} <{learner.email}>" for learner in found[:_MAX_NAMED])
            raise forms.ValidationError(
                _("“%(line)s” may be several: %(named)s%(more)s. Write more of the name, or the address."),
                params={"line": line, "named": named, "more": " …" if len(found) > _MAX_NAMED else ""},
            )
        return found[0].pk


class OneByOneForm(forms.Form):
    """Whom."""

    learners = LearnersField(
        label=gettext_lazy("Learners"),
        help_text=gettext_lazy("A part of the name or the address of each, one a line."),
    )

    def __init__(self, *args: Any, scope: str, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["learners"].among = learners_of(scope)  # type: ignore[attr-defined]


@register
class OneByOne(_Learners):
    """Learners whom somebody names."""

    name = "selected"
    label = gettext_lazy("One by one")

    def form(self, scope: str, requester: Any, data: Any = None, **options: Any) -> forms.Form:
        """Return the form, which finds those who take the course."""
        return OneByOneForm(data, scope=scope, **options)

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[Learner]:
        """Return those who are still there."""
        return learners_of(scope).filter(pk__in=params["learners"])

    def describe(self, params: Mapping[str, Any]) -> str:
        """Return how many."""
        number = len(params["learners"])
        return ngettext("%(number)d learner", "%(number)d learners", number) % {"number": number}
