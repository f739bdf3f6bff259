"""
Public: audiences, the host's classes that say who the recipients of a campaign are.

A host writes one for each kind of choice that its staff have, and registers it, by the decorator or as an entry point
of the group ``openedx.ace.audience``::

    @register
    class Cohort(Audience):
        name = "cohort"
        label = _("A cohort")
        form_class = CohortForm

        def resolve(self, scope, params, requester):
            return Learner.objects.filter(cohort=params["cohort"])

        def person(self, row):
            return Person(Recipient(row.pk, row.email), values={"first_name": row.first_name}, language=row.language)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from edx_ace.campaigns.errors import UnknownAudienceError
from edx_ace.errors import ConfigurationError, did_you_mean
from edx_ace.recipient import Recipient
from edx_ace.utils.plugins import get_plugins

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.forms import Form
    from django.utils.functional import _StrOrPromise

#: Entry points of audiences.
GROUP = "openedx.ace.audience"

#: Longest name of an audience, in characters: tables keep it.
MAX_NAME_LENGTH = 100


@attrs.frozen
class Person:
    """
    One recipient of a campaign.

    Attributes:
        recipient: Their id and addresses.

        values: What the keywords of the host stand for with them; a missing or empty one takes the keyword's fallback.

        language: Language code. None: the campaign's own.

        zone: Name of their time zone. None: the site's.

        is_active: Whether messages may go to them at all.
    """

    recipient: Recipient = attrs.field(validator=attrs.validators.instance_of(Recipient))
    values: Mapping[str, str] = attrs.field(factory=dict)
    language: str | None = None
    zone: str | None = None
    is_active: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return its fields as JSON has them."""
        values = {name: str(value) for name, value in self.values.items()}
        return {
            "recipient": self.recipient.to_json(),
            "values": values,
            "language": self.language,
            "zone": self.zone,
            "is_active": self.is_active,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Person:
        """Return the person that has *fields*."""
        return cls(**{**fields, "recipient": Recipient.from_json(fields["recipient"])})


class Audience:
    """One way to choose recipients."""

    #: Stands in tables, so it outlives its label.
    name: ClassVar[str]
    #: What staff choose by.
    label: ClassVar[_StrOrPromise]
    #: The form of its parameters; its cleaned data is kept as JSON. None: it has none.
    form_class: ClassVar[type[Form] | None] = None
    #: Fields of its rows by which staff look for one, as in filters of a queryset, such as ``("email", "name")``.
    search_fields: ClassVar[Sequence[str]] = ()

    @classmethod
    def enabled(cls) -> bool:
        """Return whether campaigns may use it; asked of entry points."""
        return True

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[Any] | Iterable[Person]:
        """
        Return who belongs to it.

        Of a queryset, of any model, `people` is asked for its rows; they may come twice. It is read in the order of its
        primary key, a chunk at a time, and asked again for those of a batch just before they are written to, so that
        whoever has left is not. An iterable of people is taken as it is when the campaign starts, in one go, and so is
        a queryset that cannot be filtered any more (a slice, a union).

        Args:
            scope: What the campaign belongs to; empty: to nothing.

            params: The cleaned data of the form, as JSON kept it.

            requester: The user who wrote the campaign; None: nobody is known any more.
        """
        raise NotImplementedError(f"{type(self).__name__} must define resolve(scope, params, requester).")

    def person(self, row: Model) -> Person:
        """Return the recipient that *row* of the queryset stands for."""
        raise NotImplementedError(f"{type(self).__name__} must define person(row), as its resolve gives a queryset.")

    def people(self, rows: Sequence[Model]) -> Sequence[Person]:
        """
        Return the recipients that *rows* of the queryset stand for, one for each, in their order.

        Where something about each has to be looked up, this is where to do so for all of a chunk at once.
        """
        return [self.person(row) for row in rows]

    def form(self, scope: str, requester: Any, data: Mapping[str, Any] | None = None, **options: Any) -> Form | None:
        """
        Return the form of its parameters; None: it has none.

        Where what can be chosen depends on the scope, such as its cohorts, this is where to say so.

        Args:
            scope, requester: As for `resolve`.

            data: What it is bound to. None: nothing.

            options: Further arguments of a form, such as ``initial`` and ``prefix``.
        """
        return None if self.form_class is None else self.form_class(data, **options)

    def is_offered(self, scope: str, requester: Any) -> bool:
        """Return whether *requester* may choose it in *scope*; asked again when the campaign starts."""
        return True

    def describe(self, params: Mapping[str, Any]) -> _StrOrPromise:
        """Return what is chosen with *params*, for people, such as "Learners between 20 and 50 %"."""
        said = ", ".join(str(value) for value in params.values() if value not in (None, "", []))
        return f"{self.label}: {said}" if said else self.label


_registered: dict[str, Audience] = {}
_loaded: dict[str, Audience] | None = None


def register(audience: type[Audience]) -> type[Audience]:
    """
    Let campaigns use *audience* from now on; a decorator.

    Raises:
        ConfigurationError: If its name is no text of 1 to 100 characters, or another's.
    """
    name = getattr(audience, "name", None)
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise ConfigurationError(
            f"The name of an audience has 1 to {MAX_NAME_LENGTH} characters, given {name!r} by {audience.__qualname__}."
        )
    if type(_registered.setdefault(name, audience())) is not audience:
        raise ConfigurationError(f"There is an audience called {name!r} already. Give {audience.__qualname__} another.")
    return audience


def unregister(name: str) -> None:
    """Let campaigns use the audience called *name* no more."""
    del _registered[name]


def all_audiences() -> dict[str, Audience]:
    """Return every audience by name: those of entry points first."""
    global _loaded
    if _loaded is None:
        _loaded = {found.name: found.plugin() for found in get_plugins(GROUP)}
    return {**_loaded, **_registered}


def get(name: str) -> Audience:
    """
    Return the audience called *name*.

    Raises:
        UnknownAudienceError: If there is none.
    """
    found = all_audiences()
    if name not in found:
        known = ", ".join(found) or "none is registered"
        raise UnknownAudienceError(
            f"Expected the name of an audience, given {name!r}.{did_you_mean(name, list(found))} Known: {known}."
        )
    return found[name]
