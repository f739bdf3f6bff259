"""
Public: what the messages of an action say: versions that staff write, what an action ships, and switches.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import attrs
from django.conf import settings as django_settings
from django.db import IntegrityError, models, router, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from edx_ace.automation import rendering
from edx_ace.automation.errors import AutomationError, ConflictError, Problem, RefusedError
from edx_ace.automation.models import Switch, Template, TemplateVersion
from edx_ace.text import shown

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

    from edx_ace.automation.actions import Action

logger = logging.getLogger(__name__)

#: How many objects of an action are looked at for one for which there should be a message.
SAMPLES = 20


#: The code of a language, as tables and Django hold it.
_LANGUAGE = re.compile(r"(?=.{2,35}$)[a-z]{2,3}(?:-[a-z0-9]+)*", re.A)


def _variants(given: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    try:
        found = {
            _normalised(language): {field: variant[field] for field in ("subject", "body")}
            for language, variant in sorted(given.items())
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise _bad_content("for each language a subject and a body") from error
    if not all(map(_LANGUAGE.fullmatch, found)):
        raise _bad_content("codes of languages such as de or pt-br")
    if not all(isinstance(text, str) for variant in found.values() for text in variant.values()):
        raise _bad_content("subjects and bodies that are texts")
    return found


def _bad_content(expected: str) -> AutomationError:
    return AutomationError(f"Expected {expected}: {{'en': {{'subject': …, 'body': …}}}}.", code="bad_content")


def _normalised(language: str) -> str:
    return language.lower().replace("_", "-")


def _texts(given: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise AutomationError(f"Expected a list of mailboxes, given {shown(given)}.", code="bad_content")
    return tuple(given)


@attrs.frozen
class Content:
    """
    What is written.

    Attributes:
        variants: By language, each a dict of ``subject`` and ``body``: Markdown with Jinja2, as
            `edx_ace.automation.rendering` reads it.

        from_address: A mailbox; empty: the site's.

        reply_to, cc, bcc: Mailboxes.

        fallback: Whose variant those get for whose language there is none; empty: that of the site, or the first.
    """

    variants: Mapping[str, Mapping[str, str]] = attrs.field(converter=_variants)
    from_address: str = ""
    reply_to: Sequence[str] = attrs.field(default=(), converter=_texts)
    cc: Sequence[str] = attrs.field(default=(), converter=_texts)
    bcc: Sequence[str] = attrs.field(default=(), converter=_texts)
    fallback: str = attrs.field(default="", converter=_normalised)

    def language_for(self, language: str | None) -> str:
        """
        Return which variant is for whoever reads *language*.

        That of the language; else of its base language (``pt`` for ``pt-br``); else the `fallback`; else that of the
        site's LANGUAGE_CODE; else the first in the order of languages.

        Raises:
            AutomationError: If there is none at all.
        """
        if not self.variants:
            raise AutomationError("There is no text in any language. Write one.", code="no_variant")
        wished, site = _normalised(language or ""), _normalised(django_settings.LANGUAGE_CODE)
        for one in (wished, wished.partition("-")[0], self.fallback, site, site.partition("-")[0]):
            if one in self.variants:
                return one
        return min(self.variants)

    def to_json(self) -> dict[str, Any]:
        """Return what the tables keep of it."""
        return {
            "variants": {language: dict(variant) for language, variant in self.variants.items()},
            "from_address": self.from_address,
            "reply_to": list(self.reply_to),
            "cc": list(self.cc),
            "bcc": list(self.bcc),
            "fallback": self.fallback,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """
        Return what `to_json` gave.

        Raises:
            AutomationError: If *fields* are others.
        """
        known = {field.name for field in attrs.fields(cls)}
        if not isinstance(fields, Mapping) or "variants" not in fields or not fields.keys() <= known:
            raise AutomationError(f"A content has these fields: {', '.join(sorted(known))}.", code="bad_content")
        return cls(**fields)


def shipped(action: Action) -> Content | None:
    """
    Return what *action* ships: its `template`, by language; None: it ships nothing.

    Raises:
        AutomationError: If it is something else.
    """
    return Content(action.template) if action.template else None


def current(action: Action) -> TemplateVersion | None:
    """
    Return the newest version of the template of *action*; None: its message type says what its messages say.

    What the action ships becomes the first version, and what it ships by now the next while nobody has edited any.
    """
    if action.message_type is not None:
        return None
    newest = _versions(action).first()
    content = shipped(action)
    if content is None or (newest is not None and (not newest.is_shipped or newest.content == content.to_json())):
        return newest
    try:
        return _add(action, content, after=newest.number if newest else 0, is_shipped=True)
    except ConflictError:
        # Another did so just now, or somebody has edited it.
        return _versions(action).first()


def versions(action: Action) -> list[TemplateVersion]:
    """Return all versions of the template of *action*, the newest first."""
    current(action)
    return list(_versions(action))


def save(action: Action, content: Content, *, who: Any, version: int) -> TemplateVersion:
    """
    Save *content* as the next version of the template of *action*; if it is the same as the newest, nothing is saved.

    Args:
        action: The action.

        content: What it says from now on.

        who: The user who wrote it.

        version: The number of the version that they saw; 0: there was none.

    Raises:
        RefusedError: If something is wrong with *content*.
        ConflictError: If there is a newer version than that.
    """
    found = problems(action, content)
    if found:
        raise RefusedError(found)
    return _add(action, content, after=version, who=who)


def roll_back(action: Action, number: int, *, who: Any) -> TemplateVersion:
    """
    Let what version *number* says be the next version.

    Raises:
        AutomationError: If there is no such version.
        ConflictError: If somebody else was faster.
    """
    newest = current(action)
    old = _versions(action).filter(number=number).first()
    if newest is None or old is None:
        raise AutomationError(_("There is no version %(number)d.") % {"number": number}, code="no_version")
    return _add(action, Content.from_json(old.content), after=newest.number, who=who)


def problems(action: Action, content: Content, obj: Model | None = None) -> list[Problem]:
    """
    Return what is wrong with *content* as the template of *action*, which is rendered on trial.

    Args:
        action: The action.

        content: What somebody wrote.

        obj: An object to render it with; None: one of the action's.
    """
    sample = sample_of(action, obj)
    return rendering.problems(content, variables_of(action, sample), sample)


def variables_of(action: Action, sample: Mapping[str, Any] | None) -> list[str] | None:
    """Return the names that templates of *action* can use: those that it declares, else of a sample; None: any."""
    declared = action.variables
    names = declared if declared is not None else sample
    return None if names is None else sorted({*names, rendering.RECIPIENT})


def sample_of(action: Action, obj: Model | None = None) -> dict[str, Any] | None:
    """
    Return values of a template of *action*, of *obj*, else of an object for which there should be a message; None:
    there is no object yet.
    """
    if not action.has_conditions:
        # Receivers of the site know the values.
        return None
    some = [obj] if obj is not None else list(action.objects()[:SAMPLES])
    params = {"occurrence": timezone.now()} if action.is_recurring else {}
    for one in some:
        try:
            if one is some[-1] or action.should_exist(one, **params):
                recipients = action.recipients(one, **params)
                return {**action.context(one, **params), rendering.RECIPIENT: next(iter(recipients), None)}
        except Exception:
            # What is written is not to blame; it will be told when the message is to be scheduled.
            logger.warning("The action %s has no values for object %s.", action.signal, one.pk, exc_info=True)
    return None


def set_active(action: Action, is_active: bool) -> None:
    """Say whether messages are scheduled by the template of *action*; those that are stay."""
    Template.objects.update_or_create(action=action.signal, defaults={"is_active": is_active})


def switch(action: Action | None, is_on: bool, *, who: Any) -> None:
    """Switch *action* on or off, or all actions at once (None): while one is off, it schedules nothing."""
    name = action.signal if action is not None else ""
    if is_on:
        Switch.objects.filter(action=name).delete()
    else:
        Switch.objects.get_or_create(action=name, defaults={"who": _name_of(who)})


def is_on(action: Action) -> bool:
    """Return whether *action* schedules messages: neither it nor all are switched off, and its template is active."""
    if Switch.objects.filter(action__in=["", action.signal]).exists():
        return False
    return is_active(action)


def is_active(action: Action) -> bool:
    """Return whether messages are scheduled by the template of *action*, as `set_active` says."""
    return not Template.objects.filter(action=action.signal, is_active=False).exists()


@attrs.frozen
class Summary:
    """
    How an action stands.

    Attributes:
        action: The action.

        version: The newest of its template; None: there is none, or a message type says what its messages say.

        is_active: Whether its template schedules messages.

        is_switched_on: Whether it is not switched off itself; all at once may be.
    """

    action: Action
    version: TemplateVersion | None
    is_active: bool
    is_switched_on: bool


def summaries() -> list[Summary]:
    """Return how every action stands, by its label."""
    from edx_ace.automation import actions

    inactive = set(Template.objects.filter(is_active=False).values_list("action", flat=True))
    off = set(Switch.objects.values_list("action", flat=True))
    found = [
        Summary(action, current(action), name not in inactive, name not in off)
        for name, action in actions.all_actions().items()
    ]
    return sorted(found, key=lambda one: str(one.action).casefold())


def are_all_off() -> bool:
    """Return whether all actions at once are switched off."""
    return Switch.objects.filter(action="").exists()


def offered(action: Action) -> dict[str, list[str]]:
    """Return by the name of each variable of templates of *action* what can be read of it, as far as that is known."""
    from edx_ace.automation import values

    sample = sample_of(action) or {}
    declared: Mapping[str, Any] = action.variables or {}
    found: dict[str, list[str]] = {}
    for name in variables_of(action, sample) or []:
        kind = type(sample[name]) if sample.get(name) is not None else declared.get(name)
        found[name] = []
        if isinstance(kind, type) and issubclass(kind, models.Model):
            found[name] = sorted(values.readable(kind))
    return found


def _versions(action: Action) -> QuerySet[TemplateVersion]:
    # Where they are written: what was saved just now counts.
    using = router.db_for_write(TemplateVersion)
    return TemplateVersion.objects.using(using).filter(template__action=action.signal).select_related("template")


def _add(action: Action, content: Content, *, after: int, who: Any = None, is_shipped: bool = False) -> TemplateVersion:
    """
    Add the version of *action* that follows number *after*.

    Raises:
        ConflictError: If another follows it already.
    """
    using = router.db_for_write(TemplateVersion)
    try:
        with transaction.atomic(using):
            template, _is_new = Template.objects.using(using).get_or_create(action=action.signal)
            newest = _versions(action).first()
            if (newest.number if newest else 0) != after:
                raise _conflict()
            fields = content.to_json()
            if newest is not None and newest.content == fields:
                return newest
            return TemplateVersion.objects.using(using).create(
                template=template, number=after + 1, content=fields, is_shipped=is_shipped, who=_name_of(who)
            )
    except IntegrityError:
        raise _conflict() from None


def _conflict() -> ConflictError:
    return ConflictError(_("Somebody else has saved this template since you looked at it. Look at what they wrote."))


def _name_of(who: Any) -> str:
    return "" if who is None else str(who.get_username())[:150]
