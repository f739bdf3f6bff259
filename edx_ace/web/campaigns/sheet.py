"""
Internal: the form on which a campaign is written: how it stands, what was posted of it, and what is wrong with it.

What is posted is shown again as it was, also when nothing of it was saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs
from django import forms
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.functional import Promise
from django.utils.text import capfirst, normalize_newlines
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _

from edx_ace import channel as channel_package
from edx_ace.campaigns import audiences
from edx_ace.campaigns.audiences import Audience
from edx_ace.campaigns.errors import Problem
from edx_ace.campaigns.models import AddressList, Campaign, Variant
from edx_ace.campaigns.states import EDITABLE
from edx_ace.channel import ChannelType
from edx_ace.channel.base import ALL_TYPES
from edx_ace.web.centre import CHANNEL_LABELS

#: The fields of the campaign that the form has.
FIELDS = ("name", "category", "from_name", "reply_to", "language")
#: Those of a text.
TEXT_FIELDS = ("subject", "preheader", "format", "source", "url")

#: What people read for the fields of a campaign, those of its texts, and those that say when it goes.
FIELD_LABELS: Mapping[str, str | Promise] = {
    "name": _("Name"),
    "category": _("Category"),
    "from_name": _("Sender's name"),
    "reply_to": _("Replies go to"),
    "language": _("Fallback language"),
    "channel_types": _("Channels"),
    "variants": _("What it says"),
    "parts": _("Who gets it"),
    "attachments": _("Attachments"),
    "subject": _("Subject"),
    "preheader": _("Preview text"),
    "source": _("Text"),
    "url": _("Leads to"),
    "timing": _("When"),
    "wall_time": _("Date and time"),
    "zone": _("Time zone"),
    "anchor": _("Before or after which date"),
    "offset_minutes": _("How long before or after"),
    "canary": _("How many recipients go first"),
    "canary_minutes": _("Minutes until the others follow"),
    "rate": _("Speed limit"),
}

#: Most parts, and most languages, that are read of what was posted.
MAX_PARTS, MAX_TEXTS = 50, 200


@attrs.frozen
class Text:
    """What is written for one channel type in one language; *number* is its place in the form."""

    number: int
    channel_type: str
    language: str
    subject: str = ""
    preheader: str = ""
    format: str = Variant.Format.HTML
    source: str = ""
    url: str = ""
    problems: Mapping[str, Sequence[Problem]] = attrs.field(factory=dict)

    @property
    def is_email(self) -> bool:
        """Whether it is long; those of other channel types are short."""
        return self.channel_type == ChannelType.EMAIL.value

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written."""
        return not any(text.strip() for text in (self.subject, self.preheader, self.source, self.url))

    @property
    def label(self) -> str | Promise:
        """What people read for its channel type."""
        return CHANNEL_LABELS[ChannelType(self.channel_type)]

    @property
    def has_table(self) -> bool:
        """Whether there is something in it that the editor would lose."""
        return "<table" in self.source


@attrs.frozen
class Choice:
    """An audience that was chosen; *number* is its place in the form."""

    number: int
    audience: Audience
    is_excluded: bool
    params: Mapping[str, Any]
    form: forms.Form | None
    problems: Sequence[Problem] = ()

    @property
    def fields(self) -> list[tuple[forms.BoundField, Sequence[Problem]]]:
        """The fields of its form, each with what is wrong with it."""
        return [] if self.form is None else [(field, self._problems_of(field.name)) for field in self.form]

    @property
    def other_problems(self) -> Sequence[Problem]:
        """What is wrong with it, and with none of its fields."""
        known = () if self.form is None else self.form.fields
        return [one for one in self.problems if _field_of(one) not in known]

    def _problems_of(self, name: str) -> Sequence[Problem]:
        return [one for one in self.problems if _field_of(one) == name]


@attrs.frozen
class Wrong:
    """A problem as the head of the form lists it: where in the form it is, by the id of an element, and in words."""

    target: str
    place: str
    problem: Problem


@attrs.frozen
class Language:
    """A language with its texts, each channel type's."""

    code: str
    name: str
    direction: str
    texts: Sequence[Text]

    @property
    def is_wrong(self) -> bool:
        """Whether something is wrong with one of its texts."""
        return any(text.problems for text in self.texts)


@attrs.frozen
class Sheet:
    """
    The form.

    Attributes:
        campaign: What is written.

        values: Of `FIELDS`, what stands in the form.

        channel_types: Those that are ticked.

        version: The one that the user has seen.

        texts, choices: What is written, and who it goes to.

        problems: What is wrong with the fields of the campaign, by field, and, under ``""``, with none in particular.
    """

    campaign: Campaign
    values: Mapping[str, str]
    channel_types: Sequence[str]
    version: int
    texts: Sequence[Text]
    choices: Sequence[Choice]
    problems: Mapping[str, Sequence[Problem]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, campaign: Campaign) -> Self:
        """Return the form as *campaign* stands."""
        texts = [
            Text(0, one.channel_type, one.language, **{name: getattr(one, name) for name in TEXT_FIELDS})
            for one in campaign.variants.order_by("pk")
        ]
        choices = []
        for number, part in enumerate(campaign.parts.all()):
            audience = audiences.all_audiences().get(part.audience)
            if audience is not None:
                form = form_of(audience, campaign, number, initial=part.params)
                choices.append(Choice(number, audience, part.is_excluded, part.params, form))
        values = {name: getattr(campaign, name) for name in FIELDS}
        found = cls(campaign, values, campaign.channels, campaign.version, texts, choices)
        return found.completed([campaign.language])

    @classmethod
    def posted(cls, campaign: Campaign, data: QueryDict) -> Self:
        """Return the form as it was posted, with what it had and *campaign* has not."""
        texts = []
        for number in range(MAX_TEXTS):
            channel_type, language = data.get(f"text-{number}-channel", ""), data.get(f"text-{number}-language")
            if channel_type in map(str, ALL_TYPES) and language:
                given: dict[str, Any] = {
                    name: normalize_newlines(data.get(f"text-{number}-{name}", "")) for name in TEXT_FIELDS
                }
                given["format"] = given["format"] or Variant.Format.HTML
                texts.append(Text(number, channel_type, language, **given))
        choices: list[Choice] = []
        for number in range(MAX_PARTS):
            audience = audiences.all_audiences().get(data.get(f"part-{number}-audience", ""))
            if audience is not None:
                params = _params(audience, campaign, data, f"part-{number}-")
                is_excluded = data.get(f"part-{number}-way") == "exclude"
                choices.append(Choice(number, audience, is_excluded, params, None))
        found = cls(
            campaign=campaign,
            values={name: data.get(name, "") for name in FIELDS},
            channel_types=[str(one) for one in ALL_TYPES if str(one) in data.getlist("channel_types")],
            version=number_of(data.get("version", "")),
            texts=texts,
            choices=choices,
        )
        return found.renumbered().completed([found.values["language"] or campaign.language])

    def completed(self, languages: Sequence[str]) -> Self:
        """Return the form with a text for each channel type of the site in each of its languages and *languages*."""
        codes = list(dict.fromkeys([*languages, *(text.language for text in self.texts)]))
        there = {(text.language, text.channel_type): text for text in self.texts}
        kinds = list(dict.fromkeys([*map(str, enabled_types()), *(text.channel_type for text in self.texts)]))
        texts = [
            attrs.evolve(there.get((code, kind), Text(0, kind, code)), number=number)
            for number, (code, kind) in enumerate((code, kind) for code in codes for kind in kinds)
        ]
        return attrs.evolve(self, texts=texts)

    def renumbered(self) -> Self:
        """Return the form with its choices in places without gaps, and with their forms."""
        choices = [
            attrs.evolve(one, number=number, form=form_of(one.audience, self.campaign, number, initial=one.params))
            for number, one in enumerate(self.choices)
        ]
        return attrs.evolve(self, choices=choices)

    def with_choice(self, audience: Audience, is_excluded: bool, params: Mapping[str, Any]) -> Self:
        """Return the form with one more choice."""
        one = Choice(0, audience, is_excluded, params, None)
        return attrs.evolve(self, choices=[*self.choices, one]).renumbered()

    def without_choice(self, number: int) -> Self:
        """Return the form without the choice in that place."""
        return attrs.evolve(self, choices=[one for one in self.choices if one.number != number]).renumbered()

    def without_language(self, code: str) -> Self:
        """Return the form without the texts in a language."""
        return attrs.evolve(self, texts=[text for text in self.texts if text.language != code])

    def with_problems(self, problems: Sequence[Problem]) -> Self:
        """Return the form with each of *problems* where it belongs."""
        about: dict[str, list[Problem]] = {}
        texts, choices = list(self.texts), list(self.choices)
        for one in problems:
            kind, _, rest = one.where.partition(".")
            if kind == "variants" and rest:
                about_text = rest.split(".")
                for place, text in enumerate(texts):
                    if [text.channel_type, text.language] == about_text[:2]:
                        field = "source" if not about_text[2:] else about_text[2]
                        there = {**text.problems, field: [*text.problems.get(field, ()), one]}
                        texts[place] = attrs.evolve(text, problems=there)
            elif kind == "parts" and rest.partition(".")[0].isdecimal():
                place = int(rest.partition(".")[0])
                if place < len(choices):
                    choices[place] = attrs.evolve(choices[place], problems=[*choices[place].problems, one])
                    _mark(choices[place].form, one)
            else:
                about.setdefault(kind if kind in (*FIELDS, "channel_types", "parts", "attachments") else "", []).append(
                    one
                )
        return attrs.evolve(self, texts=texts, choices=choices, problems=about)

    def fields(self) -> dict[str, Any]:
        """Return what is to be saved, as `edx_ace.campaigns.editing.save` takes it."""
        return {
            **self.values,
            "channel_types": list(self.channel_types),
            "variants": [
                {"channel_type": text.channel_type, "language": text.language}
                | {name: getattr(text, name) for name in TEXT_FIELDS}
                for text in self.texts
                if not text.is_empty
            ],
            "parts": [
                {"audience": one.audience.name, "params": one.params, "is_excluded": one.is_excluded}
                for one in self.choices
            ],
        }

    def changes(self) -> dict[str, Any]:
        """
        Return of `fields` what differs from how the campaign stands.

        What is saved takes back that it is approved: nothing has to be, if nothing has changed.
        """
        stands = type(self).of(self.campaign)
        were = stands.fields()
        found = {name: value for name, value in self.fields().items() if value != were[name]}
        if _by_language(self) == _by_language(stands):
            found.pop("variants", None)
        pairs = list(zip(self.choices, stands.choices, strict=False))
        if len(self.choices) == len(stands.choices) and not any(_differs(self.campaign, *pair) for pair in pairs):
            found.pop("parts", None)
        return found

    @property
    def wrongs(self) -> list[Wrong]:
        """What is wrong, with where in the form it is."""
        found = []
        for choice in self.choices:
            for one in choice.problems:
                field = None if choice.form is None else choice.form.fields.get(_field_of(one))
                target = f"part-{choice.number}"
                if field is None:
                    found.append(Wrong(target, str(choice.audience.label), one))
                else:
                    place = f"{choice.audience.label}, {field.label}"
                    found.append(Wrong(f"id_{target}-{_field_of(one)}", place, one))
        is_one = len(self.languages) == 1
        for text in self.texts:
            for name, problems in text.problems.items():
                label = str(FIELD_LABELS.get(name, text.label))
                place = label if is_one else f"{label}, {named(text.language)[0]}"
                target = f"text-{text.number}-{name if name in TEXT_FIELDS else 'subject'}"
                found += [Wrong(target, place, one) for one in problems]
        for name, problems in self.problems.items():
            target = {"parts": "who", "channel_types": "what"}.get(name, name)
            found += [Wrong(target, str(FIELD_LABELS.get(name, "")), one) for one in problems]
        return found

    @property
    def languages(self) -> list[Language]:
        """The languages in which something is, or is to be, written."""
        codes = dict.fromkeys(text.language for text in self.texts)
        return [Language(code, *named(code), [text for text in self.texts if text.language == code]) for code in codes]


def enabled_types() -> list[ChannelType]:
    """Return the channel types that something can be sent over."""
    registered = channel_package.channels().channel_type_to_channel_impl
    return [kind for kind in ALL_TYPES if registered.get(kind)]


def form_of(audience: Audience, campaign: Campaign, number: int, *, initial: Mapping[str, Any]) -> forms.Form | None:
    """Return the form of the parameters of *audience* in that place; None: it has none."""
    options: dict[str, Any] = {"initial": dict(initial), "prefix": f"part-{number}", "use_required_attribute": False}
    form = audience.form(campaign.scope, campaign.author, **options)
    if form is None:
        return None
    choices = _choices(audience, campaign)
    form.label_suffix = ""
    for field in form.fields.values():
        field.label = capfirst(field.label) if field.label else field.label
        # Keys of rows that campaigns bring say nothing to people.
        if choices is not None and isinstance(field, forms.IntegerField):
            field.widget = forms.Select(choices=choices)
    return form


def _choices(audience: Audience, campaign: Campaign) -> list[tuple[int, str]] | None:
    if audience.name == "addresses_of":
        return list(AddressList.objects.filter(scope=campaign.scope).order_by("-pk").values_list("pk", "name")[:200])
    if audience.name in ("members_of", "failed_of"):
        rows = Campaign.objects.filter(scope=campaign.scope).exclude(state__in=EDITABLE)
        return list(rows.order_by("-pk").values_list("pk", "name")[:200])
    return None


def _params(audience: Audience, campaign: Campaign, data: QueryDict, prefix: str) -> dict[str, Any]:
    """Return what was posted of the form of *audience*, as a form of no prefix takes it."""
    form = audience.form(campaign.scope, campaign.author)
    if form is None:
        return {}
    fields = form.fields
    own = {name.removeprefix(prefix) for name in data if name.startswith(prefix)} - {"audience", "way"}
    found: dict[str, Any] = {}
    for name in own:
        widget = fields[name].widget if name in fields else None
        if widget is not None and not isinstance(widget, forms.MultiWidget):
            # A widget reads lists, ticks and the like in its own way.
            posted = MultiValueDict({name: data.getlist(f"{prefix}{name}")})
            found[name] = widget.value_from_datadict(posted, MultiValueDict(), name)
        elif any(name.startswith(f"{field}_") for field in fields):
            found[name] = data[f"{prefix}{name}"]
    return found


def _field_of(problem: Problem) -> str:
    """Return the field of an audience's form that *problem* is about; empty: none in particular."""
    return problem.where.partition(".params.")[2]


def _mark(form: forms.Form | None, problem: Problem) -> None:
    """Let the field that *problem* is about say that it is wrong, and where that is told."""
    name = _field_of(problem)
    if form is not None and name in form.fields:
        bound = form[name]
        told = f"{bound.auto_id}_error {bound.auto_id}_helptext" if bound.help_text else f"{bound.auto_id}_error"
        bound.field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": told}


def _by_language(sheet: Sheet) -> dict[tuple[str, str], tuple[str, ...]]:
    return {
        (text.channel_type, text.language): tuple(normalize_newlines(getattr(text, name)) for name in TEXT_FIELDS)
        for text in sheet.texts
        if not text.is_empty
    }


def _differs(campaign: Campaign, choice: Choice, stood: Choice) -> bool:
    """Return whether *choice* is another than the one that stood in its place."""
    if (choice.audience, choice.is_excluded) != (stood.audience, stood.is_excluded):
        return True
    # Text that was posted, beside values that were read from it.
    form = choice.audience.form(campaign.scope, campaign.author, dict(choice.params), initial=dict(stood.params))
    return form is not None and form.has_changed()


def number_of(text: str) -> int:
    """Return the number that *text*, which somebody posted, is; 0: it is none, or too large for anything."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def named(code: str) -> tuple[str, str]:
    """Return the name of a language in itself, and the direction in which it is written."""
    try:
        info = get_language_info(code)
    except KeyError:
        return code, "auto"
    return info["name_local"], "rtl" if info["bidi"] else "ltr"
