"""
Public: finding and loading the plug-ins of an entry-point group.

Only what is named is imported, in the order of the names; a name that is unknown or does not load is logged as an error
(and is a failing system check) and never stops the others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.metadata import entry_points
from threading import RLock
from typing import Any

from stevedore import ExtensionManager, NamedExtensionManager
from stevedore.extension import Extension

from edx_ace.errors import did_you_mean

LOG = logging.getLogger(__name__)

#: Held while an instance is made, as threads share it. A plug-in may make others use theirs.
_constructing = RLock()


def get_manager(namespace: str, names: Sequence[str] | None = None) -> ExtensionManager[Any]:
    """
    Return a new stevedore manager with the classes of *names* in *namespace* loaded; None: of all of them.

    Nothing is constructed and nothing is filtered: see `get_plugins`.
    """
    if names is None:
        return ExtensionManager(namespace, on_load_failure_callback=_log_load_failure)
    return NamedExtensionManager(
        namespace,
        list(dict.fromkeys(names)),
        name_order=True,
        on_load_failure_callback=_log_load_failure,
        on_missing_entrypoints_callback=lambda missing: _log_missing(namespace, missing),
    )


def get_plugins(namespace: str, names: Sequence[str] | None = None) -> list[Extension[Any]]:
    """
    Return the enabled plug-ins of *names* in *namespace*, in that order, each with one shared instance as ``obj``.

    Classes are imported once a process; whether one is enabled is asked at each call, so that changed settings count.
    """
    loaded = load(namespace, None if names is None else tuple(names))
    return [extension for extension in loaded if check_plugin(extension, namespace, names)]


def check_plugin(extension: Extension[Any], namespace: str, names: Sequence[str] | None = None) -> bool:
    """Return whether *extension* is one of *names* (None: any name) and enabled, constructing its instance if so."""
    if names is not None and extension.name not in names:
        return False
    try:
        if not extension.plugin.enabled():
            return False
        if extension.obj is None:
            with _constructing:
                if extension.obj is None:
                    extension.obj = extension.plugin()
    except Exception:
        LOG.exception("%s: plug-in %r could not be used; it is left out.", namespace, extension.name)
        return False
    return True


@lru_cache(maxsize=64)
def load(namespace: str, names: tuple[str, ...] | None) -> list[Extension[Any]]:
    """Return what `get_manager` finds. Looked for once a process: what is installed does not change while it runs."""
    return list(get_manager(namespace, names))


@lru_cache(maxsize=64)
def known_names(namespace: str) -> tuple[str, ...]:
    """Return the names of all entry points of *namespace* that were installed at the first call; imports none."""
    return tuple(sorted({entry_point.name for entry_point in entry_points(group=namespace)}))


def unknown_name_text(setting: str, name: str, namespace: str) -> str:
    """Return the sentence that says that *name*, given in *setting*, is provided by no installed package."""
    return (
        f"{setting} names {name!r}, but no installed package provides it under {namespace!r}."
        f"{did_you_mean(name, known_names(namespace))}"
    )


def _log_load_failure(_manager: object, entry_point: Any, error: BaseException) -> None:
    LOG.error(
        "Plug-in %r (%s) could not be loaded: %s: %s", entry_point.name, entry_point.value, type(error).__name__, error
    )


def _log_missing(namespace: str, missing: Iterable[str]) -> None:
    for name in sorted(missing):
        LOG.error("%s", unknown_name_text("A setting", name, namespace))
