"""
Public: what sub-apps write about deliveries that go from one state to another, in the same transaction.

A sub-app that counts what becomes of messages registers a function in ``AppConfig.ready``. What it returns is a part of
the statement that moves the rows: a `Note` that fails undoes the transition, so it appends to a table of its own and
does no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edx_ace.outbox.leases import Note

#: Returns what to write about deliveries that go from one state (empty: they enter the outbox) to another (empty: they
#: are purged, and not there any more).
Writer = Callable[[str, str], Sequence[Note]]

_writers: list[Writer] = []


def register(writer: Writer) -> None:
    """Write what *writer* returns from now on; once, however often it is registered: Django may call ready again."""
    if writer not in _writers:
        _writers.append(writer)


def unregister(writer: Writer) -> None:
    """Write it no more."""
    _writers.remove(writer)


def further_notes(from_state: str, to_state: str) -> list[Note]:
    """Return what all registered writers have to write about that transition."""
    return [note for writer in _writers for note in writer(from_state, to_state)]
