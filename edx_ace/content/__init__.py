"""
Public: applies the content steps, which change what was rendered before it is delivered.

A content step is a function ``step(parcels: Sequence[Parcel]) -> Sequence[Parcel]`` under the entry-point group
``openedx.ace.content_step``: it returns one parcel for each that it was given, in the same order, and changes by
copying (`attrs.evolve`). It changes the kinds of rendered content that it knows and returns other parcels as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from edx_ace.conf import settings
from edx_ace.envelope import Parcel
from edx_ace.errors import ConfigurationError
from edx_ace.utils.plugins import load

CONTENT_STEP_NAMESPACE = "openedx.ace.content_step"

Step = Callable[[Sequence[Parcel]], Sequence[Parcel]]


def apply(parcels: Sequence[Parcel], steps: Sequence[str] | None = None) -> list[Parcel | Exception]:
    """
    Return *parcels* as *steps* (names; None: those of ACE_CONTENT_STEPS) leave them, in their order.

    A parcel that a step could not change is replaced by the exception and is given to no further step; the others are
    not affected: a step that raises for a batch is asked again for each parcel alone.
    """
    results: list[Parcel | Exception] = list(parcels)
    try:
        names = tuple(settings.CONTENT_STEPS if steps is None else steps)
        loaded = load(CONTENT_STEP_NAMESPACE, names) if names else ()
    except Exception as error:  # The setting is no list, for example.
        return [error for _ in parcels]
    for extension in loaded:
        going_on = [index for index, result in enumerate(results) if isinstance(result, Parcel)]
        changed = _isolated(extension.name, extension.plugin, [cast(Parcel, results[index]) for index in going_on])
        for index, result in zip(going_on, changed, strict=True):
            results[index] = result
    return results


def _isolated(name: str, step: Step, parcels: list[Parcel]) -> Sequence[Parcel | Exception]:
    if not parcels:
        return []
    try:
        return _checked(name, step, parcels)
    except Exception as error:
        if len(parcels) > 1:
            return [result for parcel in parcels for result in _isolated(name, step, [parcel])]
        # Not logged: the error is the result, and whoever reports a message's failure logs it once.
        error.add_note(f"in content step {name!r}")
        return [error]


def _checked(name: str, step: Step, parcels: list[Parcel]) -> Sequence[Parcel]:
    changed = list(step(parcels) or ())
    if [id(parcel.message) for parcel in changed] != [id(parcel.message) for parcel in parcels]:
        raise ConfigurationError(
            f"Content step {name!r} was given {len(parcels)} parcel(s) and returned {len(changed)}, or in another "
            "order. It must return one parcel for each, in the same order."
        )
    return changed
