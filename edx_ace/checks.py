"""
Internal: the system checks of the core.

They read settings, import the plug-ins that settings name and look templates up; they render nothing, touch no database
and import no plug-in that is not enabled. This module is imported when the site starts, so that whatever only one check
needs is imported there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import attrs
from django.conf import settings as django_settings
from django.core import mail
from django.core.checks import CheckMessage, Error, Warning
from django.template import engines
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from edx_ace import categories, message_types
from edx_ace.channel import CHANNEL_EXTENSION_NAMESPACE, Channel, ChannelMap, ChannelType
from edx_ace.channel.base import ALL_TYPES
from edx_ace.conf import Settings, settings
from edx_ace.content import CONTENT_STEP_NAMESPACE
from edx_ace.errors import InvalidMessageError, MissingExtraError, UnsupportedChannelError, did_you_mean
from edx_ace.message import Message
from edx_ace.policy import POLICY_PLUGIN_NAMESPACE
from edx_ace.utils.plugins import get_plugins, known_names, unknown_name_text

#: Settings that list plug-ins: the entry-point group and the id of the check.
_PLUGIN_SETTINGS = {
    "ENABLED_CHANNELS": (CHANNEL_EXTENSION_NAMESPACE, "edx_ace.E001"),
    "ENABLED_POLICIES": (POLICY_PLUGIN_NAMESPACE, "edx_ace.E002"),
    "CONTENT_STEPS": (CONTENT_STEP_NAMESPACE, "edx_ace.E003"),
}

#: Settings that choose among the enabled channels of a type.
_DEFAULT_SETTINGS = {
    "CHANNEL_DEFAULT_EMAIL": ChannelType.EMAIL,
    "CHANNEL_TRANSACTIONAL_EMAIL": ChannelType.EMAIL,
    "CHANNEL_DEFAULT_PUSH": ChannelType.PUSH,
    "PUSH_CHANNELS": ChannelType.PUSH,
}

#: Mail backends of Django that hand nothing to a mail server.
_MAIL_GOES_NOWHERE = {f"django.core.mail.backends.{name}.EmailBackend" for name in ("console", "dummy", "filebased")}
_LOCMEM = "django.core.mail.backends.locmem.EmailBackend"

#: What a value of ACE_MESSAGE_TYPES may say, as far as the core knows it; sub-apps know more.
_ABOUT_A_TYPE: dict[str, Any] = {
    "category": str | None,
    "essential": bool | None,
    "on_ambiguous": Literal["repeat", "hold"] | None,
    "sample_context": dict[str, Any],
}


#: What a value of ACE_CATEGORIES may say, as far as the core knows it.
_ABOUT_A_CATEGORY: dict[str, Any] = {
    "label": str | Promise,
    "description": str | Promise,
    "channels": list[str],
    "default": bool,
    "can_be_turned_off": bool,
    "digest": bool,
}


@attrs.frozen
class _Site:
    """
    What all checks look at, found once: reading what is installed takes longer than the rest.

    Attributes:
        installed: The entry points of each group, by name.

        loadable: The names in ACE_ENABLED_CHANNELS that can be imported: the others have a check, and need no log line.

        enabled: The channels that are enabled, by type and name.
    """

    installed: dict[str, dict[str, EntryPoint]]
    loadable: list[str]
    enabled: dict[ChannelType, dict[str, Channel]]


def check_site(**kwargs: object) -> list[CheckMessage]:
    """Run all checks of the core."""
    entry_points_of = entry_points()
    installed = {
        namespace: {entry_point.name: entry_point for entry_point in entry_points_of.select(group=namespace)}
        for namespace, _ in _PLUGIN_SETTINGS.values()
    }
    channels = installed[CHANNEL_EXTENSION_NAMESPACE]
    names = [name for name in _names("ENABLED_CHANNELS") if name in channels]
    loadable = [name for name in names if _load_failure(channels[name]) is None]
    plugins = get_plugins(CHANNEL_EXTENSION_NAMESPACE, loadable)
    enabled = ChannelMap((plugin.name, cast(Channel, plugin.obj)) for plugin in plugins).channel_type_to_channel_impl
    site = _Site(installed, loadable, enabled)
    return [message for check in _CHECKS for message in check(site)]


def _check_types_of_settings(site: _Site) -> list[CheckMessage]:
    """E006: every setting has the type that `edx_ace.conf` documents."""
    found: list[CheckMessage] = []
    for name, expected in get_type_hints(Settings).items():
        value = getattr(settings, name)
        if not _fits(value, expected):
            text = f"ACE_{name} must be {_name_of(expected)}, but it is {_shown(name, value)}."
            is_text_for_list = get_origin(expected) is list and isinstance(value, str)
            hint = f"Write: ACE_{name} = [{value!r}]." if is_text_for_list else "Correct it in the settings."
            found.append(Error(text, hint=hint, id="edx_ace.E006"))
    return found


def _check_plugins(site: _Site) -> list[CheckMessage]:
    """E001 to E003: an unknown name. E007: a plug-in that cannot be imported. W004: a channel that is not set up."""
    found: list[CheckMessage] = []
    for setting, (namespace, check_id) in _PLUGIN_SETTINGS.items():
        installed = site.installed[namespace]
        for name in _names(setting):
            if name not in installed:
                text = unknown_name_text(f"ACE_{setting}", name, namespace)
                provided = ", ".join(sorted(installed)) or "none"
                hint = (
                    f"Installed packages provide: {provided}. After a change of its entry points, install yours again."
                )
                found.append(Error(text, hint=hint, id=check_id))
            elif (failure := _load_failure(installed[name])) is not None:
                found.append(_not_loaded(setting, name, failure))
    for name in site.loadable:
        if not any(name in implementations for implementations in site.enabled.values()):
            text = f"ACE_ENABLED_CHANNELS names {name!r}, but that channel is not set up, so it is left out."
            plugin = site.installed[CHANNEL_EXTENSION_NAMESPACE][name].value.replace(":", ".")
            hint = f"Set what {plugin}.enabled asks for, or take it out of ACE_ENABLED_CHANNELS."
            found.append(Warning(text, hint=hint, id="edx_ace.W004"))
    return found


def _check_channels_are_named(site: _Site) -> list[CheckMessage]:
    """W006: no channel is named, so that no message goes anywhere."""
    if settings.ENABLED_CHANNELS:
        return []
    text = "ACE_ENABLED_CHANNELS is not set or empty, so no message goes anywhere."
    return [Warning(text, hint="For email write: ACE_ENABLED_CHANNELS = ['django_email'].", id="edx_ace.W006")]


def _check_default_channels(site: _Site) -> list[CheckMessage]:
    """E004: a default that names no enabled channel of its type. W001: a default that is not set."""
    found: list[CheckMessage] = []
    for setting, channel_type in _DEFAULT_SETTINGS.items():
        choices = list(site.enabled.get(channel_type, ()))
        for name in _names(setting):
            if name in choices:
                continue
            is_installed = name in site.installed[CHANNEL_EXTENSION_NAMESPACE]
            if is_installed and not choices:
                continue  # A site may name a channel that it does not enable (yet): nothing is to be chosen there.
            suggestion = "" if is_installed else did_you_mean(name, choices)
            text = f"ACE_{setting} names {name!r}, which is no enabled {channel_type} channel.{suggestion}"
            hint = f"Enabled are: {', '.join(choices) or 'none'}. Name one of these, or add it to ACE_ENABLED_CHANNELS."
            found.append(Error(text, hint=hint, id="edx_ace.E004"))
    for settings_of_type in (("CHANNEL_DEFAULT_EMAIL",), ("CHANNEL_DEFAULT_PUSH", "PUSH_CHANNELS")):
        channel_type = _DEFAULT_SETTINGS[settings_of_type[0]]
        choices = list(site.enabled.get(channel_type, ()))
        if choices and not any(getattr(settings, setting) for setting in settings_of_type):
            name = f"ACE_{settings_of_type[0]}"
            text = f"{name} is not set, so {channel_type} goes over {choices[0]!r}, the first that is enabled."
            hint = f"Say so: {name} = {choices[0]!r}. Enabled are: {', '.join(choices)}."
            found.append(Warning(text, hint=hint, id="edx_ace.W001"))
    return found


def _check_rendering(site: _Site) -> list[CheckMessage]:
    """E005: no such template engine. E006: what is put around rendering. E008: the base URL."""
    from edx_ace.content.absolute_urls import SITE

    found: list[CheckMessage] = []
    engine = settings.TEMPLATE_ENGINE
    if isinstance(engine, str):
        try:
            if engine in engines.templates:
                engines[engine]
            else:
                text = f"ACE_TEMPLATE_ENGINE names {engine!r}, but no engine in TEMPLATES has that NAME."
                hint = f"TEMPLATES has: {', '.join(engines.templates) or 'none'}."
                found.append(Error(text + did_you_mean(engine, engines.templates), hint=hint, id="edx_ace.E005"))
        except Exception as error:
            text = f"ACE_TEMPLATE_ENGINE names {engine!r}, which cannot be used: {type(error).__name__}: {error}"
            found.append(Error(text, hint="Correct that engine in TEMPLATES.", id="edx_ace.E005"))
    hook = settings.RENDER_CONTEXT
    if isinstance(hook, str) and (problem := _no_callable(hook)):
        text = f"ACE_RENDER_CONTEXT must be the dotted path of a callable, but {hook!r} {problem}."
        found.append(Error(text, hint="It is called with a message and returns a context manager.", id="edx_ace.E006"))
    base_url = settings.BASE_URL
    if isinstance(base_url, str) and base_url:
        # As absolute_urls tells them apart: only a URL has a slash.
        problem = _no_callable(base_url) if "/" not in base_url else "" if SITE.fullmatch(base_url) else "is neither"
        if problem:
            text = f"ACE_BASE_URL must be a URL or the dotted path of a callable, but {base_url!r} {problem}."
            hint = "For example: 'https://example.com', with http:// or https://."
            found.append(Error(text, hint=hint, id="edx_ace.E008"))
    return found


def _check_message_types(site: _Site) -> list[CheckMessage]:
    """E006: ACE_MESSAGE_TYPES."""
    if not _fits(settings.MESSAGE_TYPES, dict[str, dict[str, Any]]):
        return []  # check_types_of_settings says so.
    texts = []
    for unique_name, about in settings.MESSAGE_TYPES.items():
        place = f"ACE_MESSAGE_TYPES[{unique_name!r}]"
        if not all(unique_name.rpartition(".")):
            texts.append(f"{place} must be called after a message type, as app_label.name.")
        for key, value in about.items():
            if key not in _ABOUT_A_TYPE:
                # A sub-app may know it; a near miss nobody knows.
                suggestion = did_you_mean(key, _ABOUT_A_TYPE)
                texts += [f"{place} has an unknown key {key!r}.{suggestion}"] if suggestion else []
            elif not _fits(value, _ABOUT_A_TYPE[key]):
                texts.append(
                    f"{place}[{key!r}] must be {_name_of(_ABOUT_A_TYPE[key])}, but it is {_shown(key, value)}."
                )
    hint = "For example: {'shop.welcome': {'category': 'news', 'essential': False, 'sample_context': {'name': 'Ann'}}}."
    return [Error(text, hint=hint, id="edx_ace.E006") for text in texts]


def _check_categories(site: _Site) -> list[CheckMessage]:
    """E010: ACE_CATEGORIES, and message types that name a category which is not there."""
    if not all(_fits(value, dict[str, dict[str, Any]]) for value in (settings.CATEGORIES, settings.MESSAGE_TYPES)):
        return []  # _check_types_of_settings says so.
    texts = []
    for name, about in settings.CATEGORIES.items():
        place = f"ACE_CATEGORIES[{name!r}]"
        if not 0 < len(name) <= categories.MAX_NAME_LENGTH:
            texts.append(f"{place}: a name has 1 to {categories.MAX_NAME_LENGTH} characters, and this one {len(name)}.")
        texts += [text for key, value in about.items() for text in _faults_in_category(place, key, value)]
    named = [(f"ACE_MESSAGE_TYPES[{name!r}]", about.get("category")) for name, about in settings.MESSAGE_TYPES.items()]
    named += [(f"{one.__module__}.{one.__qualname__}", one.CATEGORY) for one in message_types.registered().values()]
    # Those of the setting may be malformed, so they are not read here.
    known = {*settings.CATEGORIES, settings.DEFAULT_CATEGORY, *categories.brought()}
    texts += [
        f"{place} is of the category {name!r}, which ACE_CATEGORIES does not have.{did_you_mean(name, known)}"
        for place, name in named
        if isinstance(name, str) and name not in known
    ]
    hint = "For example: {'news': {'label': 'News', 'channels': ['email'], 'default': True, 'digest': True}}."
    return [Error(text, hint=hint, id="edx_ace.E010") for text in texts]


def _faults_in_category(place: str, key: str, value: Any) -> list[str]:
    if key not in _ABOUT_A_CATEGORY:
        # As above: a sub-app may know it.
        suggestion = did_you_mean(key, _ABOUT_A_CATEGORY)
        return [f"{place} has an unknown key {key!r}.{suggestion}"] if suggestion else []
    if not _fits(value, _ABOUT_A_CATEGORY[key]):
        return [f"{place}[{key!r}] must be {_name_of(_ABOUT_A_CATEGORY[key])}, but it is {_shown(key, value)}."]
    known = list(map(str, ALL_TYPES))
    return [
        f"{place}['channels'] names {one!r}, which is no channel type.{did_you_mean(one, known)}"
        for one in (value if key == "channels" else ())
        if one not in known
    ]


def _check_mail_leaves_the_site(site: _Site) -> list[CheckMessage]:
    """W002: with DEBUG off, email that goes to a screen or a file."""
    if django_settings.DEBUG:
        return []
    from edx_ace.channel.django_email import DjangoEmailChannel

    found: list[CheckMessage] = []
    for name, channel in site.enabled.get(ChannelType.EMAIL, {}).items():
        if name == "file_email":
            text = f"ACE_ENABLED_CHANNELS names {name!r} while DEBUG is off: it writes email to files and sends none."
            found.append(Warning(text, hint="Take it out of ACE_ENABLED_CHANNELS.", id="edx_ace.W002"))
        elif isinstance(channel, DjangoEmailChannel) and _goes_nowhere(backend := mail_backend()):
            text = f"The channel {name!r} hands email to {backend} while DEBUG is off: no mail leaves the site."
            hint = "Set the mail backend (MAILERS, or EMAIL_BACKEND) to one that sends."
            found.append(Warning(text, hint=hint, id="edx_ace.W002"))
    return found


def _check_mail_reaches_people(site: _Site) -> list[CheckMessage]:
    """E012: ACE_REDIRECT_ALL_TO is no mailbox. W007: with DEBUG off, all email goes there."""
    given = settings.REDIRECT_ALL_TO
    if not isinstance(given, str) or not given:
        return []
    from edx_ace.channel.mailbox import parse_mailbox

    try:
        parse_mailbox(given, "address in ACE_REDIRECT_ALL_TO", smtputf8=True)
    except InvalidMessageError as error:
        return [Error(str(error), hint="For example: 'staging@example.com'.", id="edx_ace.E012")]
    if django_settings.DEBUG:
        return []
    text = "ACE_REDIRECT_ALL_TO is set while DEBUG is off: every email goes to that address, and to nobody it is for."
    return [Warning(text, hint="Take it out of the settings of a site that writes to people.", id="edx_ace.W007")]


def _check_templates(site: _Site) -> list[CheckMessage]:
    """W003: message types that lack templates. W005: a module of theirs is broken. E009: a channel cannot render."""
    if not isinstance(settings.TEMPLATE_ENGINE, str | None) or _check_rendering(site):
        return []  # Nothing could be found.
    from edx_ace import preview
    from edx_ace.presentation import renderer_of

    found: list[CheckMessage] = []
    try:
        message_types.discover()
    except Exception as error:
        text = f"The module message_types of an app cannot be imported: {type(error).__name__}: {error}"
        found.append(Warning(text, hint="Repair it; `manage.py ace_check` needs it.", id="edx_ace.W005"))
    channels: dict[ChannelType, Channel] = {}
    for channel_type, named in site.enabled.items():
        for name, channel in named.items():
            try:
                renderer_of(channel)
            except UnsupportedChannelError as error:
                text = f"ACE_ENABLED_CHANNELS names {name!r}, which can send nothing. {error}"
                found.append(Error(text, hint=f"Take {name!r} out of ACE_ENABLED_CHANNELS.", id="edx_ace.E009"))
            else:
                channels.setdefault(channel_type, channel)
    for app_label, name in message_types.registered():
        message = Message(app_label, name, None)
        absent = []
        for channel_type, channel in channels.items():
            existing, missing = preview.templates_for(channel, message)
            if not existing:
                absent.append(channel_type)
            else:
                found += [_template_missing(message, channel_type, template) for template in missing]
        if absent and len(absent) == len(channels) and not message_types.is_base(message.unique_name):
            text = f"{message.unique_name} has no templates for {', '.join(map(str, absent))}."
            folder = f"templates/{app_label}/edx_ace/{name}/{absent[0]}/"
            hint = f"Add them in {folder}; a class that is only a base needs none once another derives from it."
            found.append(Warning(text, hint=hint, id="edx_ace.W003"))
    return found


def _check_classes(site: _Site) -> list[CheckMessage]:
    """E011: what the class of a message type says about it; comes last, as `_check_templates` imports them."""
    found: list[CheckMessage] = []
    for message_type in message_types.registered().values():
        for key, expected in _ABOUT_A_TYPE.items():
            # The sample context is made by a method, which may want a database.
            value = getattr(message_type, key.upper(), None)
            if not _fits(value, expected | None):
                place = f"{message_type.__module__}.{message_type.__qualname__}.{key.upper()}"
                text = f"{place} must be {_name_of(expected)}, but it is {_shown(key, value)}."
                found.append(Error(text, hint="Correct it in the class.", id="edx_ace.E011"))
    return found


def _template_missing(message: Message, channel_type: ChannelType, template: str) -> CheckMessage:
    text = f"{message.unique_name} cannot go over {channel_type}: the template {template} does not exist."
    return Warning(text, hint="Add it; `manage.py ace_check` renders every message type.", id="edx_ace.W003")


def _not_loaded(setting: str, name: str, failure: Exception) -> CheckMessage:
    if isinstance(failure, MissingExtraError):
        hint = f'Run: pip install "edx-ace[{failure.extra}]", or take {name!r} out of ACE_{setting}.'
        return Error(f"ACE_{setting} names {name!r}. {failure}", hint=hint, id="edx_ace.E007")
    text = f"ACE_{setting} names {name!r}, which cannot be imported: {type(failure).__name__}: {failure}"
    return Error(text, hint=f"Repair it, or take {name!r} out of ACE_{setting}.", id="edx_ace.E007")


def _load_failure(entry_point: EntryPoint) -> Exception | None:
    try:
        entry_point.load()
    except Exception as error:
        return error
    return None


def _names(setting: str) -> list[str]:
    """Return the names in ACE_<setting>; none where it is not of its type, which is a check of its own."""
    value = getattr(settings, setting)
    if not value or not _fits(value, get_type_hints(Settings)[setting]):
        return []
    return [value] if isinstance(value, str) else list(value)


def mail_backend() -> str:
    """Return the dotted path of the site's mail backend."""
    # Asked for first: where MAILERS is defined, Django has no EMAIL_BACKEND.
    mailers = getattr(django_settings, "MAILERS", None)
    if mailers is not None:
        return str(mailers.get("default", {}).get("BACKEND", ""))
    return str(django_settings.EMAIL_BACKEND)


def _goes_nowhere(backend: str) -> bool:
    # Django's test runner sets locmem, and mail.outbox with it, before it runs the checks.
    return backend in _MAIL_GOES_NOWHERE or (backend == _LOCMEM and not hasattr(mail, "outbox"))


def _no_callable(dotted_path: str) -> str:
    """Return what is wrong with *dotted_path*, or an empty string."""
    try:
        found = import_string(dotted_path)
    except Exception as error:
        return f"cannot be imported ({type(error).__name__}: {error})"
    return "" if callable(found) else f"is a {type(found).__name__}"


def _fits(value: Any, expected: Any) -> bool:
    """Return whether *value* is of the type *expected*; any collection will do for a list."""
    origin, arguments = get_origin(expected), get_args(expected)
    if expected is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is Literal:
        return value in arguments
    if origin is list:
        return isinstance(value, list | tuple | set | frozenset) and all(_fits(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, Mapping) and all(
            _fits(key, arguments[0]) and _fits(item, arguments[1]) for key, item in value.items()
        )
    if isinstance(value, bool):
        return expected is bool
    return isinstance(value, origin or expected)


def _name_of(expected: Any) -> str:
    if get_origin(expected) in (Union, UnionType):
        return " or ".join(map(_name_of, get_args(expected)))
    if get_origin(expected) is Literal:
        return " or ".join(map(repr, get_args(expected)))
    if expected is NoneType:
        return "None"
    if isinstance(expected, type) and not get_args(expected):
        return expected.__name__
    return str(expected).replace("typing.", "").replace(" | ", " or ")


def _shown(name: str, value: Any) -> str:
    """Return *value* for an error, and of a secret only its type."""
    if "KEY" in name or "SECRET" in name:
        return f"a {type(value).__name__}"
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:60] + '…'} ({type(value).__name__})"


_CHECKS = (
    _check_types_of_settings,
    _check_plugins,
    _check_channels_are_named,
    _check_default_channels,
    _check_rendering,
    _check_message_types,
    _check_categories,
    _check_mail_leaves_the_site,
    _check_mail_reaches_people,
    _check_templates,
    _check_classes,
)


def check_by_channel(
    setting: str, given: Any, parse: Callable[[Any], object], *, hint: str, identifier: str
) -> Iterator[CheckMessage]:
    """
    Check *given*, the value of a sub-app's setting: a dict with something for each of some channels, by their names.

    Args:
        setting: Its name, as sites write it.

        given: Its value.

        parse: Raises TypeError or ValueError for what cannot stand there for a channel.

        hint, identifier: Of each error.
    """
    texts = []
    if isinstance(given, dict):
        for name, value in given.items():
            if name not in known_names(CHANNEL_EXTENSION_NAMESPACE):
                texts.append(unknown_name_text(setting, name, CHANNEL_EXTENSION_NAMESPACE))
            try:
                parse(value)
            except (TypeError, ValueError) as error:
                texts.append(f"{setting}[{name!r}]: {error}")
    else:
        texts.append(f"{setting} must be a dict, given {given!r}.")
    for text in texts:
        yield Error(text, hint=hint, id=identifier)
