"""
Internal: the form on which people choose what reaches them: how it stands, what it offers, and what was posted of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
from django.db import router, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from edx_ace import categories
from edx_ace import channel as channels
from edx_ace.categories import Category
from edx_ace.channel import ChannelType
from edx_ace.channel.base import ALL_TYPES
from edx_ace.outbox.people import shortened
from edx_ace.preferences import Taking, choose
from edx_ace.preferences.choices import DIGESTS, EVERYTHING, Chosen, chosen_by, effective
from edx_ace.preferences.lookup import is_enabled
from edx_ace.preferences.models import Choice
from edx_ace.preferences.scopes import name_of, names_of
from edx_ace.signals import PAGE
from edx_ace.web.hours import QuietChoice
from edx_ace.web.pages import BadFormError

#: What people read for a channel type.
CHANNEL_LABELS: Mapping[ChannelType, str | Promise] = {
    ChannelType.EMAIL: _("By email"),
    ChannelType.PUSH: _("By push notification"),
    ChannelType.SMS: _("By text message"),
    ChannelType.IN_APP: _("On this site"),
    ChannelType.CHAT: _("In a chat"),
    ChannelType.WEBHOOK: _("To another system"),
}

#: What people read for a way to take a category.
TAKING_LABELS: Mapping[Taking, str | Promise] = {
    Taking.OFF: _("Off"),
    Taking.IMMEDIATE: _("As they come"),
    Taking.DAILY: _("Daily"),
    Taking.WEEKLY: _("Weekly"),
}


def takings(category: Category, channel_type: ChannelType | str) -> tuple[Taking, ...]:
    """Return how people may take *category* over *channel_type*; digests are emails, where the site makes some."""
    is_digest = category.digest and str(channel_type) == ChannelType.EMAIL.value and is_enabled("digest")
    return tuple(Taking) if is_digest else (Taking.OFF, Taking.IMMEDIATE)


def nearest(taking: Taking, category: Category, channel_type: ChannelType | str) -> Taking:
    """Return *taking*, or as it comes where that is how it comes: the site makes no digests any more."""
    return taking if taking in takings(category, channel_type) else Taking.IMMEDIATE


@attrs.frozen
class Line:
    """
    A category over a channel, as the form shows it: one of *options* is *taking*.

    Attributes:
        scope: What it is narrowed to; empty: nothing.

        place: What people call the scope.
    """

    category: Category
    channel_type: ChannelType
    taking: Taking
    scope: str = ""
    place: str = ""

    @property
    def name(self) -> str:
        """The name of its field."""
        name = f"{self.category.name}:{self.channel_type}"
        return f"{name}:{self.scope}" if self.scope else name

    @property
    def label(self) -> str | Promise:
        """What people read for it."""
        return CHANNEL_LABELS[self.channel_type]

    @property
    def options(self) -> list[tuple[Taking, str | Promise]]:
        """The ways to take it, each with what people read for it."""
        return [(one, TAKING_LABELS[one]) for one in takings(self.category, self.channel_type)]


@attrs.frozen
class Form:
    """
    What a person can choose, and how they have it.

    Attributes:
        lines: Each category that can be turned off, over each channel that the site uses, and those that the person
            chose otherwise for a scope that has a name.

        quiet: Their quiet hours; None: the site leaves nobody alone.
    """

    lines: list[Line]
    quiet: QuietChoice | None

    @classmethod
    def of(cls, person: str) -> Form:
        """Return the form as it stands for *person*, with a query for each of its two parts."""
        return cls(_lines(person), QuietChoice.of(person) if is_enabled("quiet_hours") else None)

    @property
    def topics(self) -> list[tuple[Category, list[Line]]]:
        """Each category with its lines; there are none where it cannot be turned off."""
        return [
            (one, [line for line in self.lines if line.category.name == one.name and not line.scope])
            for one in _categories()
        ]

    @property
    def places(self) -> list[tuple[str, list[Line]]]:
        """What each scope is called that the person chose something for, with its lines."""
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            if line.scope:
                found.setdefault(line.scope, []).append(line)
        return [(lines[0].place, lines) for lines in found.values()]

    @property
    def is_everything_off(self) -> bool:
        """Whether all that can be turned off is."""
        return all(line.taking == Taking.OFF for line in self.lines)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """What is posted by whoever changes nothing."""
        return [(line.name, line.taking.value) for line in self.lines] + (self.quiet.fields if self.quiet else [])

    def read(self, fields: dict[str, list[str]]) -> Wish:
        """
        Return what posted *fields* ask for.

        Raises:
            BadFormError: If they have what the page does not offer.
        """
        fields = {name: values for name, values in fields.items() if name != "csrfmiddlewaretoken"}
        verb = fields.pop("do", [])
        quiet = QuietChoice.taken_from(fields) if self.quiet else None
        by_name = {line.name: line for line in self.lines}
        lines = []
        for name, values in fields.items():
            line = by_name.get(name) or self._narrowed(name)
            if line is None or len(values) != 1 or values[0] not in takings(line.category, line.channel_type):
                raise BadFormError
            lines.append(attrs.evolve(line, taking=Taking(values[0])))
        if verb not in (["save"], ["nothing"], ["undo"]):
            raise BadFormError
        return Wish(verb[0], lines, quiet)

    def _narrowed(self, name: str) -> Line | None:
        """Return the line of a field that the form had before everything was turned off, if its scope has a name."""
        for line in self.lines:
            scope = name.removeprefix(f"{line.name}:")
            if not line.scope and scope != name and scope == shortened(scope) and (place := name_of(scope)):
                return attrs.evolve(line, scope=scope, place=place)
        return None

    def filled_in(self, wish: Wish) -> Form:
        """Return the form with what is wished in the place of how things are."""
        wished = {line.name: line for line in wish.lines}
        return Form([wished.get(line.name, line) for line in self.lines], wish.quiet or self.quiet)


@attrs.frozen
class Wish:
    """
    What a posted form asks for.

    Attributes:
        verb: ``save``, ``nothing`` (everything off) or ``undo`` (of that).

        lines: What was chosen of the form's lines.

        quiet: What was chosen of quiet hours; None: nothing.
    """

    verb: str
    lines: list[Line]
    quiet: QuietChoice | None

    @property
    def is_wrong(self) -> bool:
        """Whether it cannot be granted as it stands, by an honest mistake."""
        return self.quiet is not None and self.quiet.is_wrong

    def write(self, person: str) -> None:
        """Grant it: write what is wished otherwise than it is."""
        with transaction.atomic(router.db_for_write(Choice)):
            if self.verb in ("nothing", "undo"):
                # Also over channels that the site does not use yet.
                everything = Taking.OFF if self.verb == "nothing" else Taking.IMMEDIATE
                for kind in ALL_TYPES:
                    choose(person, EVERYTHING, kind, everything, source=PAGE)
            if self.verb in ("save", "undo"):
                # What is turned off is so in every scope: what is wished for one comes after it.
                self._choose(person, [line for line in self.lines if not line.scope])
                self._choose(person, [line for line in self.lines if line.scope])
                if self.quiet:
                    self.quiet.write(person)

    def _choose(self, person: str, lines: Iterable[Line]) -> None:
        chosen = chosen_by([person]).get(person, {})
        for line in lines:
            if line.taking != _taking(line.category, line.channel_type, chosen, line.scope):
                choose(person, line.category.name, line.channel_type, line.taking, scope=line.scope, source=PAGE)


def _categories() -> list[Category]:
    """Return what people can read about; digests only where there are some."""
    shown = categories.all_categories().values()
    return [category for category in shown if category.name != DIGESTS or is_enabled("digest")]


def _lines(person: str) -> list[Line]:
    registered = channels.channels().channel_type_to_channel_impl
    kinds = [kind for kind in ALL_TYPES if registered.get(kind)]
    chosen = chosen_by([person]).get(person, {})
    lines = [
        Line(category, kind, _taking(category, kind, chosen))
        for category in _categories()
        for kind in kinds
        if category.can_be_turned_off and category.offers(kind)
    ]
    scopes = sorted({scope for of_kind in chosen.values() for _, scope in of_kind if scope})
    narrowed = [
        attrs.evolve(line, scope=scope, place=place, taking=_taking(line.category, line.channel_type, chosen, scope))
        for scope, place in zip(scopes, names_of(scopes), strict=True)
        if place
        for line in lines
        if not {(line.category.name, scope), (EVERYTHING, scope)}.isdisjoint(chosen.get(str(line.channel_type), {}))
    ]
    return lines + sorted(narrowed, key=lambda line: line.place)


def _taking(category: Category, kind: ChannelType, chosen: Mapping[str, Chosen], scope: str = "") -> Taking:
    return nearest(effective(category, kind, chosen.get(str(kind), {}), scope), category, kind)
