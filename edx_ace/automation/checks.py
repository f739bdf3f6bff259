"""
Internal: the system checks of automation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db.models import Model

from edx_ace.automation import actions, receivers, rendering, templates
from edx_ace.automation.actions import Action
from edx_ace.automation.conf import settings
from edx_ace.automation.errors import AutomationError
from edx_ace.errors import MissingExtraError, did_you_mean
from edx_ace.message import MessageType

_HOST = re.compile(r"(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.I | re.A)


@register("edx_ace")
def check_automation(**kwargs: object) -> list[CheckMessage]:
    """Check what automation needs of the site, and the actions that are there."""
    found = [*_check_extra(), *_check_doubles(), *_check_receivers(), *_check_readable(), *_check_pictures()]
    for action in actions.all_actions().values():
        found += _check_action(action)
    return found


def _check_extra() -> Iterator[CheckMessage]:
    if any(find_spec(module) is None for module in ("jinja2", "markdown_it", "nh3")):
        text = str(MissingExtraError("Automation", "automation"))
        yield Error(text, hint="Run what it says.", id="ace_automation.E001")


def _check_doubles() -> Iterator[CheckMessage]:
    for double in actions.doubles():
        first = type(actions.get(double.signal))
        yield Error(
            f"Two actions are called {double.signal!r}: {_path(first)} and {_path(double)}. The second is not used.",
            hint=f"Give {double.__qualname__} a `signal` of its own.",
            id="ace_automation.E002",
        )


def _check_receivers() -> Iterator[CheckMessage]:
    known = actions.all_actions()
    for receiver in receivers.of_the_site():
        signal = getattr(receiver, "signal", None)
        if signal not in known:
            yield Error(
                f"{_path(receiver)}.signal is {signal!r}, which is no action.{did_you_mean(signal, known)}",
                hint="Define a subclass of edx_ace.automation.actions.Action with that `signal` in actions.py.",
                id="ace_automation.E003",
            )


def _check_readable() -> Iterator[CheckMessage]:
    hint = "For example: ACE_AUTOMATION_READABLE = {'shop.Order': ['lines']}."
    given: Any = settings.AUTOMATION_READABLE
    if not isinstance(given, Mapping):
        text = f"ACE_AUTOMATION_READABLE must map labels of models to lists of names, given {given!r}."
        yield Error(text, hint=hint, id="ace_automation.E007")
        return
    for label, names in given.items():
        try:
            model = apps.get_model(label)
        except (AttributeError, LookupError, TypeError, ValueError):
            text = f"ACE_AUTOMATION_READABLE names {label!r}, which is no model."
            yield Error(text, hint=hint, id="ace_automation.E007")
            continue
        if isinstance(names, str):
            text = f"ACE_AUTOMATION_READABLE names {names!r} of {label}, but not in a list."
            yield Error(text, hint=hint, id="ace_automation.E007")
            continue
        for name in names:
            if not isinstance(name, str) or name.startswith("_") or not _has(model, name):
                text = f"ACE_AUTOMATION_READABLE names {name!r} of {label}, which templates cannot read there."
                yield Error(text, hint=hint, id="ace_automation.E007")


def _has(model: type[Model], name: str) -> bool:
    return hasattr(model, name) or name in {field.name for field in model._meta.get_fields()}


def _check_pictures() -> Iterator[CheckMessage]:
    given: Any = settings.AUTOMATION_IMAGE_HOSTS
    for one in given if isinstance(given, list | tuple) else [None]:
        if not isinstance(one, str) or not _HOST.fullmatch(one):
            yield Error(
                f"ACE_AUTOMATION_IMAGE_HOSTS must list hosts, given {given!r}.",
                hint="For example: ACE_AUTOMATION_IMAGE_HOSTS = ['img.example.com', '*.cdn.example.com'].",
                id="ace_automation.E008",
            )


def _check_action(action: Action) -> Iterator[CheckMessage]:
    path = _path(type(action))
    if action.message_type is not None and not (
        isinstance(action.message_type, type) and issubclass(action.message_type, MessageType)
    ):
        yield _fault(path, "message_type", "must be a subclass of MessageType", action.message_type)
    yield from _check_template(action, path)
    if action.has_conditions:
        yield from _check_conditions(action, path)
    if action.model_of_messages is None:
        yield Warning(
            f"{path} does not say what its messages are about, so that every deletion of any object is listened to, "
            f"and Django deletes many objects one by one.",
            hint="Set its `related_model`.",
            id="ace_automation.W001",
        )


def _check_template(action: Action, path: str) -> Iterator[CheckMessage]:
    if not action.template and action.message_type is None:
        yield Error(
            f"{path} says neither what its messages say (`template`) nor which files do (`message_type`).",
            hint="For example: template = {'en': {'subject': 'Hello', 'body': 'Hello {{ name }}'}}.",
            id="ace_automation.E004",
        )
        return
    try:
        content = templates.shipped(action)
    except AutomationError as error:
        yield Error(f"{path}.template: {error}", hint="Correct it.", id="ace_automation.E004")
        return
    languages = {code.lower() for code, _name in django_settings.LANGUAGES}
    if unknown := sorted(set(content.variants if content else ()) - languages):
        yield Warning(
            f"{path}.template is in {', '.join(unknown)}, which LANGUAGES does not have: nobody gets it.",
            hint="Add it to LANGUAGES, or take it out.",
            id="ace_automation.W002",
        )
    if content is not None and not list(_check_extra()):
        for problem in rendering.problems(content, templates.variables_of(action, None)):
            yield Error(
                f"{path}.template: {problem}",
                hint="Correct it; staff find it as the first version.",
                id="ace_automation.E006",
            )


def _check_conditions(action: Action, path: str) -> Iterator[CheckMessage]:
    if type(action).recipients is Action.recipients:
        yield Error(
            f"{path} does not define recipients(obj).",
            hint="Return whom its messages go to.",
            id="ace_automation.E004",
        )
    if not action.is_recurring and type(action).scheduled_at is Action.scheduled_at:
        yield Error(
            f"{path} does not define scheduled_at(obj).",
            hint="Return when its messages go, or, of an action by a rule, define rule(obj).",
            id="ace_automation.E004",
        )
    if action.model is None and not action.track:
        if type(action).objects is Action.objects:
            yield Error(
                f"{path} does not say of which model its objects are.",
                hint="Set its `model`, or `track`.",
                id="ace_automation.E004",
            )
        return
    if type(action).objects_of is not Action.objects_of:
        return
    model = action.model_of_objects
    for tracked in action.track:
        if not issubclass(tracked, model) and not actions.relations(tracked, model):
            yield Error(
                f"{path} tracks {tracked._meta.label}, which has no relation to {model._meta.label}.",
                hint="Define objects_of(instance), which returns the objects to look at when one was changed.",
                id="ace_automation.E005",
            )


def _fault(path: str, name: str, expected: str, given: object) -> Error:
    return Error(f"{path}.{name} {expected}, given {given!r}.", hint="Correct it.", id="ace_automation.E004")


def _path(found: type[Any]) -> str:
    return f"{found.__module__}.{found.__qualname__}"
