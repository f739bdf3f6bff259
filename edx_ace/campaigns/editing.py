"""
Public: writing campaigns: drafts, what is written in them, who they go to, attachments, copies and saved templates.

Whoever saves says which version they have seen, so that nobody's work is lost; everything that is wrong is told at
once, and then nothing is saved. A campaign that is scheduled can be changed as well, by whoever may send it, as long
as nothing about it would keep it from being scheduled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, router, transaction
from django.db.models import F, Max, Model, QuerySet
from django.utils import timezone
from django.utils.translation import get_supported_language_variant
from django.utils.translation import gettext as _

from edx_ace import categories
from edx_ace.campaigns import audiences, calls, content, forecasting, preflight, timing
from edx_ace.campaigns.access import note, require
from edx_ace.campaigns.conf import settings
from edx_ace.campaigns.errors import ConflictError, Problem, RefusedError, UnknownAudienceError, with_nearest
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import Attachment, Campaign, Part, Template, TemplateVersion, Variant
from edx_ace.campaigns.states import EDITABLE, State
from edx_ace.channel.base import ALL_TYPES
from edx_ace.channel.mailbox import Mailbox, parse_mailbox
from edx_ace.errors import InvalidMessageError, UnknownCategoryError
from edx_ace.outbox import rates
from edx_ace.outbox.people import shortened
from edx_ace.text import is_sendable, one_line

#: The fields of a campaign that can be written; beside them there are ``variants`` and ``parts``.
FIELDS = (
    *("name", "category", "channel_types", "from_name", "reply_to", "language"),
    *("timing", "wall_time", "zone", "anchor", "offset_minutes"),
    *("canary", "canary_minutes", "rate"),
)
#: Those that say when it starts.
TIME_FIELDS = ("timing", "wall_time", "zone", "anchor", "offset_minutes")
#: What says who gets it: as long as none of it changes, so many are they as were counted.
_WHO = frozenset(["category", "channel_types", "parts"])
#: The fields of a variant.
VARIANT_FIELDS = ("channel_type", "language", "subject", "preheader", "format", "source", "url")
#: The fields of a part.
PART_FIELDS = ("audience", "params", "is_excluded")

_LANGUAGE = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*", re.A)


def create(user: Any, *, scope: str = "", idempotency_key: str | None = None, **fields: Any) -> Campaign:
    """
    Make a draft and return it.

    Args:
        user: Who writes it; None: the system.

        scope: What it belongs to.

        idempotency_key: The caller's name for this call: when the same user gives the same again, what was made at
            first is returned, whatever else is given.

        fields: Of `FIELDS` and, as for `save`, ``variants`` and ``parts``.

    Raises:
        ForbiddenError: If the user may not write in *scope*.
        RefusedError: If something is wrong with *fields*.
    """
    require(user, Action.WRITE, scope)
    blank = Campaign(
        scope=scope,
        author=user,
        name=_("Untitled"),
        category=settings.DEFAULT_CATEGORY,
        # A new project of Django is in "en-us", which its own LANGUAGES does not have.
        language=get_supported_language_variant(django_settings.LANGUAGE_CODE).lower(),
        zone=django_settings.TIME_ZONE,
    )
    return _made(user, blank, idempotency_key, lambda campaign: _Changes.of(user, campaign, fields).store(campaign))


def save(user: Any, campaign: Campaign, *, version: int, **fields: Any) -> Campaign:
    """
    Change *campaign* and return it as it is then.

    Args:
        user: Who does.

        campaign: A draft, or one that is scheduled.

        version: The one that the user has seen.

        fields: What changes, of `FIELDS`. ``variants``, dicts with `VARIANT_FIELDS`, and ``parts``, dicts with
            `PART_FIELDS`, take the place of all there are.

    Raises:
        ForbiddenError: If the user may not write it, or may not send it and it is scheduled.
        ConflictError: If it has changed since, or can be changed no more.
        RefusedError: If something is wrong with *fields*.
    """
    _require_edit(user, campaign)
    before = Campaign.objects.get(pk=campaign.pk)
    changes = _Changes.of(user, Campaign.objects.get(pk=campaign.pk), fields)
    with transaction.atomic(router.db_for_write(Campaign)):
        taken = _take(campaign, version, **changes.values)
        changed = changes.names(before)
        changes.store_texts_and_parts(taken)
        if _WHO.isdisjoint(changed):
            forecasting.keep(taken)
        _finish(user, taken, "saved", ", ".join(changed))
    campaign.refresh_from_db()
    return campaign


def delete(user: Any, campaign: Campaign, *, version: int) -> None:
    """
    Delete *campaign*, which is a draft.

    Raises:
        ForbiddenError: If the user may not write it.
        ConflictError: If it has changed since, or is no draft.
    """
    require(user, Action.WRITE, campaign.scope, campaign)
    with transaction.atomic(router.db_for_write(Campaign)):
        _take(campaign, version, states=(State.DRAFT,)).delete()


def duplicate(user: Any, campaign: Campaign, *, idempotency_key: str | None = None, **fields: Any) -> Campaign:
    """
    Make a draft with what is written in *campaign*, its recipients and attachments, and return it.

    Args:
        user: Who does.

        campaign: In whatever state.

        idempotency_key, fields: As for `create`; *fields* go over what is copied.

    Raises:
        ForbiddenError: If the user may not see it, or not write in its scope.
        RefusedError: If something is wrong with *fields*.
    """
    require(user, Action.VIEW, campaign.scope, campaign)
    require(user, Action.WRITE, campaign.scope)
    copied = {name: getattr(campaign, name) for name in FIELDS if name not in ("wall_time", "timing", "name")}
    blank = Campaign(
        scope=campaign.scope,
        author=user,
        origin=campaign,
        name=(_("Copy of %(name)s") % {"name": campaign.name})[:200],
        **copied,
    )

    def fill(copy: Campaign) -> None:
        changes = _Changes.of(user, copy, fields)
        changes.store(copy)
        for kind in (Variant, Part, Attachment):
            if (kind is Variant and changes.variants is not None) or (kind is Part and changes.parts is not None):
                continue
            rows = kind._base_manager.filter(campaign=campaign).order_by("pk")
            for row in rows:
                row.pk, row.campaign = None, copy
                row.save(force_insert=True)

    return _made(user, blank, idempotency_key, fill)


def attach(
    user: Any, campaign: Campaign, *, version: int, name: str, file: bytes, idempotency_key: str | None = None
) -> Attachment:
    """
    Attach *file* to *campaign* and return the attachment.

    Args:
        version: The one that the user has seen.

        name: Of the file.

        idempotency_key: As for `create`, for a week.

    Raises:
        ForbiddenError, ConflictError: As for `save`.
        RefusedError: If files of that type cannot be attached, or all of them would be too large together.
    """
    _require_edit(user, campaign)

    def do() -> Attachment:
        taken = _take(campaign, version)
        there = [(one.name, bytes(one.content)) for one in taken.attachments.all()]
        _refuse(content.problems_of_attachments([*there, (name, file)]))
        attachment = Attachment.objects.create(
            campaign=taken, name=name, content_type=content.content_type(name), content=file, size=len(file)
        )
        forecasting.keep(taken)
        _finish(user, taken, "attached", name)
        return attachment

    with transaction.atomic(router.db_for_write(Campaign)):
        attachment = calls.once(
            user, f"attach:{campaign.pk}", idempotency_key, do, lambda made: made.pk, partial(_attached, campaign)
        )
    campaign.refresh_from_db()
    return attachment


def detach(user: Any, campaign: Campaign, *, version: int, attachment: Attachment) -> None:
    """
    Take *attachment* off *campaign*.

    Raises:
        ForbiddenError, ConflictError: As for `save`.
    """
    _require_edit(user, campaign)
    with transaction.atomic(router.db_for_write(Campaign)):
        taken = _take(campaign, version)
        _attached(taken, attachment.pk).delete()
        forecasting.keep(taken)
        _finish(user, taken, "detached", attachment.name)
    campaign.refresh_from_db()


def save_template(user: Any, campaign: Campaign, name: str, *, idempotency_key: str | None = None) -> TemplateVersion:
    """
    Keep what is written in *campaign* as the next version of the template called *name* in its scope; return it.

    Args:
        name: What people call the template.

        idempotency_key: As for `create`, for a week.

    Raises:
        ForbiddenError: If the user may not see the campaign, or not write in its scope.
        RefusedError: If the name is empty or too long.
    """
    require(user, Action.VIEW, campaign.scope, campaign)
    require(user, Action.WRITE, campaign.scope)
    name = one_line(name)
    if not 0 < len(name) <= 200 or not is_sendable(name):
        raise RefusedError([Problem("bad_name", _("A name has 1 to 200 characters."), "name")])
    written = [
        {field: getattr(variant, field) for field in VARIANT_FIELDS}
        for variant in campaign.variants.order_by("channel_type", "language")
    ]

    def do() -> TemplateVersion:
        template, _is_new = Template.objects.get_or_create(scope=campaign.scope, name=name)
        # Two that save at once take their turns.
        Template.objects.select_for_update().get(pk=template.pk)
        number = template.versions.aggregate(last=Max("number"))["last"] or 0
        author = user if user is None or user.pk else None
        return TemplateVersion.objects.create(template=template, number=number + 1, content=written, author=author)

    with transaction.atomic(router.db_for_write(Template)):
        versions = TemplateVersion.objects.select_related("template")
        name_of_call = f"save_template:{campaign.pk}"
        return calls.once(
            user, name_of_call, idempotency_key, do, lambda made: made.pk, lambda key: versions.get(pk=key)
        )


def from_template(
    user: Any, version: TemplateVersion, *, scope: str = "", idempotency_key: str | None = None, **fields: Any
) -> Campaign:
    """
    Make a draft with what is written in *version* of a template, and return it.

    Raises:
        ForbiddenError: If the user may not see what is in the template's scope, or not write in *scope*.
        RefusedError: If something is wrong with it by now, such as a keyword that *scope* does not have.
    """
    require(user, Action.VIEW, version.template.scope)
    types = list(dict.fromkeys(one["channel_type"] for one in version.content)) or ["email"]
    given = {"name": version.template.name, "channel_types": types, "variants": version.content, **fields}
    return create(user, scope=scope, idempotency_key=idempotency_key, **given)


@attrs.frozen
class _Changes:
    """What changes in a campaign, checked. None: what is written, or who it goes to, stays as it is."""

    values: Mapping[str, Any]
    variants: Sequence[Variant] | None
    parts: Sequence[Part] | None

    @classmethod
    def of(cls, user: Any, campaign: Campaign, fields: Mapping[str, Any]) -> _Changes:
        """
        Return what *fields* change in *campaign*, whose attributes they become.

        Raises:
            RefusedError: If something is wrong with them.
        """
        given = dict(fields)
        variants, parts = given.pop("variants", None), given.pop("parts", None)
        problems = _unknown(given, FIELDS, "")
        values = {name: _clean(value) for name, value in given.items() if name in FIELDS}
        if not isinstance(values.get("channel_types", ""), str):
            values["channel_types"] = ",".join(dict.fromkeys(map(str, values["channel_types"])))
        if isinstance(values.get("name"), str) and is_sendable(values["name"]):
            # It becomes a part of subjects.
            values["name"] = one_line(values["name"])
        for name, value in values.items():
            setattr(campaign, name, value)
        problems += _problems_of(campaign, values)
        # As the fields read them.
        values = {name: getattr(campaign, name) for name in values}
        read_variants = read_parts = None
        if variants is not None:
            read_variants, found = _variants(campaign, variants)
            problems += found
        if parts is not None:
            read_parts, found = _parts(user, campaign, parts)
            problems += found
        _refuse(problems)
        if campaign.state == State.SCHEDULED and values.keys() & set(TIME_FIELDS):
            values["due_at"] = timing.due_at(campaign, timezone.now())
        return cls(values, read_variants, read_parts)

    def names(self, campaign: Campaign) -> list[str]:
        """Return which of `FIELDS`, ``variants`` and ``parts`` are otherwise in *campaign*, as it was before."""
        found = [name for name in FIELDS if name in self.values and self.values[name] != getattr(campaign, name)]
        for name, given, rows, columns in (
            ("variants", self.variants, campaign.variants.all(), VARIANT_FIELDS),
            ("parts", self.parts, campaign.parts.all(), PART_FIELDS),
        ):
            if given is not None and _told(given, columns) != _told(rows, columns):
                found.append(name)
        return found

    def store(self, campaign: Campaign) -> None:
        """Write everything to the tables; *campaign* is new."""
        campaign.save(force_insert=True)
        self.store_texts_and_parts(campaign)

    def store_texts_and_parts(self, campaign: Campaign) -> None:
        """Write what is written and who it goes to in place of what was there."""
        if self.variants is not None:
            campaign.variants.all().delete()
            for variant in self.variants:
                variant.campaign = campaign
            Variant.objects.bulk_create(self.variants)
        if self.parts is not None:
            campaign.parts.all().delete()
            for part in self.parts:
                part.campaign = campaign
            Part.objects.bulk_create(self.parts)


def _told(rows: Iterable[Model], columns: Sequence[str]) -> list[Any]:
    return sorted(([getattr(row, name) for name in columns] for row in rows), key=repr)


def _made(user: Any, blank: Campaign, idempotency_key: str | None, fill: Callable[[Campaign], None]) -> Campaign:
    """Return *blank* once *fill* has stored it, or what was made under the same key before."""
    if idempotency_key:
        # Nobody gets another's by guessing it.
        blank.idempotency_key = shortened(f"{'' if user is None else user.pk}:{idempotency_key}")
        before = Campaign.objects.filter(idempotency_key=blank.idempotency_key).first()
        if before is not None:
            return before
    try:
        with transaction.atomic(router.db_for_write(Campaign)):
            fill(blank)
            note(blank, user, "created", to_state=State.DRAFT)
    except IntegrityError:
        before = Campaign.objects.filter(idempotency_key=blank.idempotency_key).first() if idempotency_key else None
        if before is None:
            raise
        return before
    return blank


def _attached(campaign: Campaign, key: int) -> Attachment:
    found = campaign.attachments.filter(pk=key).first()
    if found is None:
        raise ConflictError(_("This file is not attached any more."))
    return found


def _require_edit(user: Any, campaign: Campaign) -> None:
    require(user, Action.WRITE, campaign.scope, campaign)
    if campaign.state == State.SCHEDULED:
        # What it becomes will be sent.
        require(user, Action.SEND, campaign.scope, campaign)


def _take(campaign: Campaign, version: int, *, states: Iterable[str] = EDITABLE, **values: Any) -> Campaign:
    """
    Give *campaign* its next version, with *values*, if *version* is the one that it has, and return it as it is then.

    Until the caller's transaction is over nobody else can.

    Raises:
        ConflictError: If it has another, or is in no state in which it can be changed.
    """
    rows = Campaign.objects.filter(pk=campaign.pk, version=version, state=campaign.state, state__in=states)
    if rows.update(version=F("version") + 1, **values):
        return Campaign.objects.get(pk=campaign.pk)
    now = Campaign.objects.filter(pk=campaign.pk).first()
    if now is None:
        raise ConflictError(_("This campaign has been deleted."))
    if now.state != campaign.state or now.state not in tuple(states):
        raise ConflictError(
            _("This campaign is %(state)s by now. Look at it again, or make a copy of it.")
            % {"state": now.get_state_display()}
        )
    raise ConflictError(
        _("Somebody else has changed this campaign since: it has version %(now)d, you have seen %(seen)s.")
        % {"now": now.version, "seen": version}
    )


def _finish(user: Any, campaign: Campaign, action: str, why: str) -> None:
    """Write down that *campaign* was changed; refuse it if it is scheduled and could not be any more."""
    if campaign.state == State.SCHEDULED:
        # Approval is of a version: whoever starts it asks again.
        _refuse([one for one in preflight.problems(campaign) if one.is_error and one.code != preflight.NEEDS_APPROVAL])
    note(campaign, user, action, why=why)


def _refuse(problems: Sequence[Problem]) -> None:
    if any(problem.is_error for problem in problems):
        raise RefusedError([problem for problem in problems if problem.is_error])


def _unknown(given: Mapping[str, Any], known: Sequence[str], where: str) -> list[Problem]:
    found = []
    for name in given:
        if name not in known:
            text = with_nearest(_("There is no field “%(name)s”.") % {"name": name}, str(name), known)
            found.append(Problem("unknown_field", text, f"{where}{name}"))
    return found


def _clean(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _problems_of(campaign: Campaign, values: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the *values* that *campaign* has got."""
    unsendable = [name for name, value in values.items() if isinstance(value, str) and not is_sendable(value)]
    if unsendable:
        text = _("A character in it cannot be sent: NUL, or half of a pair. Take it out.")
        return [Problem("bad_character", text, name) for name in unsendable]
    problems = []
    try:
        campaign.clean_fields(exclude=[field.name for field in campaign._meta.fields if field.name not in values])
    except ValidationError as error:
        problems += [
            Problem("bad_value", message, name) for name, messages in error.message_dict.items() for message in messages
        ]
    if problems:
        return problems
    problems += _problems_of_category(campaign) if "category" in values else []
    if "channel_types" in values:
        known = list(map(str, ALL_TYPES))
        if not campaign.channels or not set(campaign.channels) <= set(known):
            text = _("Expected one or more of %(known)s, given “%(given)s”.")
            given = {"known": ", ".join(known), "given": campaign.channel_types}
            problems.append(Problem("bad_channel_type", text % given, "channel_types"))
    if "language" in values and not _LANGUAGE.fullmatch(campaign.language):
        problems.append(_bad_language(campaign.language, "language"))
    if values.get("reply_to"):
        try:
            parse_mailbox(campaign.reply_to)
        except InvalidMessageError:
            text = _("Expected one address such as user@example.com.")
            problems.append(Problem("bad_address", text, "reply_to"))
    if values.get("from_name"):
        try:
            parse_mailbox(str(Mailbox(one_line(campaign.from_name), "user@example.com")))
        except InvalidMessageError:
            text = _("It hides a line break or a control character. Take that out.")
            problems.append(Problem("bad_name", text, "from_name"))
    if values.get("rate"):
        try:
            rates.parse(campaign.rate)
        except ValueError:
            text = _("Expected a number and a time, such as 100/h or 14/s.")
            problems.append(Problem("bad_rate", text, "rate"))
    if values.keys() & set(TIME_FIELDS) and (campaign.wall_time or campaign.anchor):
        problems += timing.problems(campaign, timezone.now())
    return problems


def _problems_of_category(campaign: Campaign) -> list[Problem]:
    try:
        category = categories.get(campaign.category)
    except UnknownCategoryError as error:
        return [Problem("unknown_category", str(error), "category")]
    if category.can_be_turned_off:
        return []
    text = _("“%(name)s” cannot be turned off by those who get it, so that no campaign can be of it.")
    return [Problem("bad_category", text % {"name": category.label}, "category")]


def _bad_language(given: str, where: str) -> Problem:
    text = _("Expected the code of a language, such as de or pt-br, given “%(given)s”.") % {"given": given}
    return Problem("bad_language", text, where)


def _variants(campaign: Campaign, given: Iterable[Mapping[str, Any]]) -> tuple[list[Variant], list[Problem]]:
    known = {keyword.name for keyword in host().keywords(campaign.scope)}
    read: dict[tuple[str, str], Variant] = {}
    problems: list[Problem] = []
    for one in given:
        fields = {name: value for name, value in one.items() if name in VARIANT_FIELDS and isinstance(value, str)}
        fields["language"] = fields.get("language", "").strip().lower().replace("_", "-")
        variant = Variant(**fields)
        where = f"variants.{variant.channel_type}.{variant.language}."
        problems += _unknown(one, VARIANT_FIELDS, where)
        problems += [
            Problem("bad_value", _("Expected text."), f"{where}{name}")
            for name, value in one.items()
            if name in VARIANT_FIELDS and not isinstance(value, str)
        ]
        if variant.channel_type not in map(str, ALL_TYPES):
            text = _("There is no channel type “%(name)s”.") % {"name": variant.channel_type}
            problems.append(Problem("bad_channel_type", text, f"{where}channel_type"))
        if variant.format not in Variant.Format.values:
            text = _("Expected one or more of %(known)s, given “%(given)s”.")
            values = {"known": ", ".join(Variant.Format.values), "given": variant.format}
            problems.append(Problem("bad_value", text % values, f"{where}format"))
        if not _LANGUAGE.fullmatch(variant.language) or len(variant.language) > 35:
            problems.append(_bad_language(variant.language, f"{where}language"))
        if (variant.channel_type, variant.language) in read:
            text = _("There are two texts for the same channel type and language.")
            problems.append(Problem("two_variants", text, where.rstrip(".")))
        content.fill(variant)
        problems += [attrs.evolve(found, where=f"{where}{found.where}") for found in content.problems(variant, known)]
        read[variant.channel_type, variant.language] = variant
    return list(read.values()), problems


def _parts(user: Any, campaign: Campaign, given: Iterable[Mapping[str, Any]]) -> tuple[list[Part], list[Problem]]:
    read, problems = [], []
    for position, one in enumerate(given):
        where = f"parts.{position}."
        problems += _unknown(one, PART_FIELDS, where)
        try:
            audience = audiences.get(str(one.get("audience", "")))
        except UnknownAudienceError as error:
            problems.append(Problem(error.code, str(error), f"{where}audience"))
            continue
        if user is not None and not audience.is_offered(campaign.scope, user):
            text = _("“%(label)s” cannot be chosen here.") % {"label": audience.label}
            problems.append(Problem("audience_not_offered", text, f"{where}audience"))
            continue
        params, found = _params(campaign, audience, one.get("params") or {}, where)
        problems += found
        is_excluded = bool(one.get("is_excluded"))
        read.append(Part(position=position, audience=audience.name, params=params, is_excluded=is_excluded))
    return read, problems


def _params(
    campaign: Campaign, audience: audiences.Audience, given: Any, where: str
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the cleaned data of the audience's form as JSON keeps it, and what is wrong with what is *given*."""
    form = audience.form(campaign.scope, campaign.author, dict(given) if isinstance(given, Mapping) else {})
    if not isinstance(given, Mapping) or (form is None and given):
        text = _("“%(label)s” has no such parameters.") % {"label": audience.label}
        return {}, [Problem("bad_params", text, f"{where}params")]
    if form is None:
        return {}, []
    if not form.is_valid():
        return {}, [
            Problem("bad_params", str(message), f"{where}params.{name}" if name != "__all__" else f"{where}params")
            for name, messages in form.errors.items()
            for message in messages
        ]
    cleaned = {name: _plain(value) for name, value in form.cleaned_data.items()}
    return json.loads(json.dumps(cleaned, cls=DjangoJSONEncoder)), []


def _plain(value: Any) -> Any:
    """Return *value* of a form's cleaned data as JSON can keep it: of rows their keys."""
    if isinstance(value, Model):
        return value.pk
    if isinstance(value, QuerySet | list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return value
