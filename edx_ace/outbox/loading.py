"""
Internal: from payloads to messages: their own JSON is read, and each source is asked once for all of its references.
"""

from __future__ import annotations

import copy
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F

from edx_ace.errors import InvalidMessageError
from edx_ace.message import Message
from edx_ace.outbox import payloads, sources
from edx_ace.outbox.errors import SourceError, UnknownSourceError, UnserializableError
from edx_ace.outbox.lookups import OneOf
from edx_ace.outbox.models import Payload
from edx_ace.outbox.sources import Source
from edx_ace.report import Skipped
from edx_ace.validation import validate

LOG = logging.getLogger(__name__)

#: A message, or why there is none: on purpose, for now (`SourceError`) or for good (any other error).
Loaded = Message | Skipped | Exception


class Stored(NamedTuple):
    """What a payload is read from; see `edx_ace.outbox.models.Payload`."""

    uuid: UUID
    source: str
    content: str


def stored(uuids: Collection[UUID]) -> list[Stored]:
    """Return the payloads that have *uuids*."""
    # No instances, which would take longer to make than all the rest.
    rows = Payload.objects.filter(OneOf(F("uuid"), uuids)).values_list(*Stored._fields)
    return [Stored(*row) for row in rows]


def load(rows: Iterable[Stored], is_time_left: Callable[[], bool]) -> dict[UUID, Loaded]:
    """
    Return the message of each payload, with the payload's uuid.

    Args:
        rows: The payloads.

        is_time_left: Whether a source that failed for many may be asked for fewer of them; otherwise all have failed.
    """
    found: dict[UUID, Loaded] = {}
    contents: dict[UUID, str] = {}
    by_source: defaultdict[str, dict[UUID, Any]] = defaultdict(dict)
    for uuid, source, content in rows:
        if source:
            try:
                by_source[source][uuid] = payloads.load_reference(content)
            except UnserializableError as error:
                found[uuid] = error
        else:
            contents[uuid] = content
    found.update(payloads.load(contents))
    for name, references in by_source.items():
        found.update(_load_from(name, references, is_time_left))
    return found


def kept(uuid: UUID) -> Message | None:
    """Return the message *uuid* as it would be sent now; None: the outbox does not have it, or it cannot be sent."""
    found = load(stored([uuid]), lambda: False).get(uuid)
    return found if isinstance(found, Message) else None


def _load_from(name: str, references: Mapping[UUID, Any], is_time_left: Callable[[], bool]) -> dict[UUID, Loaded]:
    try:
        source = sources.get(name)
    except UnknownSourceError as error:
        return dict.fromkeys(references, error)
    given = _ask(source, list(dict.fromkeys(references.values())), is_time_left)
    return {uuid: _own(given[reference], uuid) for uuid, reference in references.items()}


def _ask(source: Source, references: Sequence[Any], is_time_left: Callable[[], bool]) -> dict[Any, Loaded]:
    """Return what *source* gives for each of *references*; one for which it fails is found by halves."""
    try:
        given = source.load(references)
    except Exception as error:
        if len(references) > 1 and is_time_left():
            middle = len(references) // 2
            halves = references[:middle], references[middle:]
            return {reference: one for half in halves for reference, one in _ask(source, half, is_time_left).items()}
        if len(references) == 1 and isinstance(error, InvalidMessageError):
            return {references[0]: error}
        LOG.exception("The source %s failed for %d messages.", source.name, len(references))
        return dict.fromkeys(
            references, SourceError(f"The source {source.name!r} raised {type(error).__name__}; see the log.")
        )
    return _checked(source, references, given)


def _checked(source: Source, references: Sequence[Any], given: Any) -> dict[Any, Loaded]:
    """Return what *source* gave for each of *references*, with errors that name what it should not have given."""
    if not isinstance(given, Mapping):
        error = _wrong(source, f"a mapping from references to messages, given a {type(given).__name__}")
        return dict.fromkeys(references, error)
    stranger = next((key for key in given if key not in references), None)
    found: dict[Any, Loaded] = {}
    for reference in references:
        one = given.get(reference)
        if isinstance(one, Message | Skipped):
            found[reference] = one
        elif reference in given:
            found[reference] = _wrong(
                source, f"a Message or Skipped for the reference {reference!r}, given a {type(one).__name__}"
            )
        elif stranger is not None:
            # Most likely the same in another type: taken for gone, a whole send would end as skipped.
            found[reference] = _wrong(source, f"what it was asked for, {reference!r}, given {stranger!r} instead")
        else:
            found[reference] = Skipped(
                "reference_gone", f"The source {source.name!r} has no message for {reference!r} any more."
            )
    return found


def _wrong(source: Source, expected_and_given: str) -> SourceError:
    return SourceError(f"Expected of the source {source.name!r} {expected_and_given}.", code="bad_source")


def _own(given: Loaded, uuid: UUID) -> Loaded:
    """Return *given* as the message *uuid*: a reference may stand in several payloads."""
    if not isinstance(given, Message):
        return given
    message = copy.copy(given)
    message.uuid = uuid
    try:
        validate(message)
    except InvalidMessageError as error:
        return error
    return message
