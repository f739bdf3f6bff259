"""
Internal: finding the recipients of a campaign: its audiences become members, each person and each address once.

Excluded audiences are read first. A queryset is read by its primary key, a chunk a transaction; how far it has come is
written in the same one, so that reading goes on where a process died, and several that read the same do no harm. Two
unique keys decide who is there already.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import attrs
from django.db import InterfaceError, OperationalError, models, router, transaction
from django.db.models import Count, QuerySet

from edx_ace.campaigns import audiences
from edx_ace.campaigns.audiences import Audience, Person
from edx_ace.campaigns.errors import CampaignError
from edx_ace.campaigns.models import Campaign, Exclusion, Member, Part, Resolution
from edx_ace.channel import ChannelType
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox.clock import DatabaseNow
from edx_ace.outbox.inserting import insert_lines
from edx_ace.outbox.people import address_key, person_key
from edx_ace.text import shown

LOG = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: Rows of an audience that are read, and members that are written, in one transaction.
CHUNK_SIZE = 5000

#: Channel types over which nobody is reached who has no address for them; others know people by their account.
_NEED_ADDRESS = (ChannelType.EMAIL, ChannelType.SMS)

#: Columns in which members, and exclusions, differ.
_MEMBER = ("recipient", "address", "addresses", "key", "person", "zone", "reason")
_EXCLUSION = ("recipient", "address")

#: Longest name of a zone that a member keeps.
_MAX_ZONE_LENGTH = 40


def resolve(resolution: Resolution, should_go_on: Callable[[], bool]) -> bool:
    """
    Find members until all are there, and return whether they are; otherwise call it again.

    Args:
        resolution: Which one; several processes may work on it.

        should_go_on: Asked after each chunk. What is no queryset is read to its end all the same, as it would have to
            begin anew.

    Raises:
        CampaignError: If an audience cannot be read; its reason is for people.
    """
    for is_resumed in chunks(resolution):
        if not should_go_on() and is_resumed:
            return False
    return resolution.done_at is not None


def chunks(resolution: Resolution) -> Iterator[bool]:
    """
    Find members, as `resolve` does, and yield after each chunk whether it could be gone on with from there.

    Raises:
        CampaignError: If an audience cannot be read; its reason is for people.
    """
    # Those who are excluded first.
    parts = list(resolution.campaign.parts.order_by("-is_excluded", "position"))
    reader = _Reader(resolution, parts)
    while resolution.part < len(parts):
        number = resolution.part
        yield from reader.read(parts[number])
        if resolution.part == number:
            # Somebody else has begun to read it.
            return
    _finish(resolution)


def asked(campaign: Campaign, part: Part) -> tuple[Audience, QuerySet[Any] | Iterable[Person]]:
    """
    Return the audience of *part* and who belongs to it: a queryset that can be filtered, or people.

    Raises:
        CampaignError: If it cannot be read.
    """
    audience = audiences.get(part.audience)
    if not _answer(part, audience.is_offered, campaign.scope, campaign.author):
        raise CampaignError(
            f"The audience {part.audience!r} is not offered to {campaign.author or 'nobody'} here. Choose another.",
            code="audience_not_offered",
        )
    found = _answer(part, audience.resolve, campaign.scope, part.params, campaign.author)
    if not isinstance(found, Iterable):
        raise _wrong(part, "a queryset or an iterable of Person", found)
    if isinstance(found, QuerySet):
        query = found.query
        if query.is_sliced or query.combinator or query.distinct_fields:
            return audience, (person for rows in in_chunks(found, CHUNK_SIZE) for person in audience.people(rows))
    return audience, found


def read(part: Part, people: Iterator[Answer]) -> Iterator[Answer]:
    """
    Yield *people* of the audience of *part*, one by one.

    Raises:
        CampaignError: If the audience cannot be read.
    """
    found: list[Answer]
    while found := _answer(part, list, islice(people, 1)):
        yield found[0]


def checked(part: Part, person: object) -> Person:
    """
    Return *person*, whom the audience of *part* gave.

    Raises:
        CampaignError: If that is no person.
    """
    if not isinstance(person, Person):
        raise _wrong(part, "instances of Person", person)
    return person


def in_chunks(found: QuerySet[Any], size: int) -> Iterator[list[Any]]:
    """Yield the rows of *found*, which is read once, *size* at a time."""
    rows = found.iterator(size)
    while chunk := list(islice(rows, size)):
        yield chunk


def key_of(row: models.Model) -> str:
    """Return the primary key of *row* as text."""
    return str(row._meta.pk.value_to_string(row))


def key_from(model: type[models.Model], text: str) -> Any:
    """Return the primary key that `key_of` made a text of."""
    return model._meta.pk.to_python(text)


class _Reader:
    """Reads *parts* of one resolution."""

    def __init__(self, resolution: Resolution, parts: Sequence[Part]) -> None:
        self._resolution = resolution
        self._is_anybody_excluded = any(part.is_excluded for part in parts)
        channel_types = [ChannelType(value) for value in resolution.campaign.channels]
        self._other_types = [kind for kind in channel_types if kind is not ChannelType.EMAIL]
        self._is_email = len(channel_types) > len(self._other_types)
        self._using = router.db_for_write(Member)

    def read(self, part: Part) -> Iterator[bool]:
        """Read *part* on, unless somebody else reads it, and yield as `chunks` does."""
        audience, found = asked(self._resolution.campaign, part)
        if isinstance(found, QuerySet):
            return self._read_rows(part, audience, found)
        return self._read_people(part, found)

    def _read_rows(self, part: Part, audience: Audience, found: QuerySet[Any]) -> Iterator[bool]:
        resolution, number = self._resolution, self._resolution.part
        while resolution.part == number:
            following = found.order_by("pk")
            if resolution.position:
                following = following.filter(pk__gt=key_from(found.model, resolution.position))
            rows: list[models.Model] = _answer(part, list, following[:CHUNK_SIZE])
            people = _answer(part, _people, audience, rows)
            self._write(part, people, (number, key_of(rows[-1])) if len(rows) == CHUNK_SIZE else (number + 1, ""))
            yield True

    def _read_people(self, part: Part, found: Iterable[Person]) -> Iterator[bool]:
        # Whoever has begun last reads it.
        resolution, number, own = self._resolution, self._resolution.part, uuid.uuid4().hex
        with transaction.atomic(self._using):
            if self._move(number, own):
                # Nothing tells them from one another: they would be there once more.
                Member.objects.using(self._using).filter(
                    resolution=resolution, part=part.position, recipient=None
                ).delete()
        people = iter(found)
        while resolution.position == own:
            chunk: list[Person] = _answer(part, list, islice(people, CHUNK_SIZE))
            to = (number, own) if len(chunk) == CHUNK_SIZE else (number + 1, "")
            self._write(part, [("", person) for person in chunk], to)
            yield False

    def _write(self, part: Part, people: Sequence[tuple[str, Person]], to: tuple[int, str]) -> None:
        """Write *people*, and that reading has come *to* there, unless somebody else did."""
        for _, person in people:
            checked(part, person)
        found = [_Found.of(key, person) for key, person in people]
        lines = [(one.recipient, one.address) for one in found] if part.is_excluded else self._members(found)
        common = {"resolution_id": self._resolution.pk}
        with transaction.atomic(self._using):
            if not self._move(*to):
                return
            if part.is_excluded:
                insert_lines(Exclusion, common, _EXCLUSION, lines, self._using)
            else:
                common["part"] = part.position
                insert_lines(Member, common, _MEMBER, lines, self._using, ignore_conflicts=True)

    def _move(self, part: int, position: str) -> bool:
        """Say how far reading has come; otherwise, if somebody else did meanwhile, learn how far that is."""
        resolution = self._resolution
        rows = Resolution.objects.using(self._using).filter(pk=resolution.pk)
        if rows.filter(part=resolution.part, position=resolution.position).update(part=part, position=position):
            resolution.part, resolution.position = part, position
            return True
        resolution.refresh_from_db(fields=["part", "position", "done_at"])
        return False

    def _members(self, found: Sequence[_Found]) -> list[tuple[Any, ...]]:
        """Return what differs between the members that *found* become, in the order of `_MEMBER`."""
        people, addresses = self._whom_not(found) if self._is_anybody_excluded else ((), ())
        lines: list[tuple[Any, ...]] = []
        for one in found:
            others = self._other_addresses(one.person) if self._other_types else {}
            if one.recipient in people or one.address in addresses:
                reason = Member.EXCLUDED
            elif not one.person.is_active:
                reason = Member.INACTIVE
            elif self._is_reached(one, others):
                reason = ""
            else:
                reason = one.code
            lines.append(
                (
                    one.recipient,
                    None if reason else one.address,
                    json.dumps(others) if others else "",
                    one.key,
                    "" if one.key else json.dumps(one.person.to_json(), default=str),
                    _zone(one.person.zone),
                    reason,
                )
            )
        return lines

    def _whom_not(self, found: Sequence[_Found]) -> tuple[set[str | None], set[str | None]]:
        """Return which people and which addresses of *found* are excluded."""
        rows = Exclusion.objects.using(self._using).filter(resolution=self._resolution)
        people = rows.filter(recipient__in={one.recipient for one in found if one.recipient})
        addresses = rows.filter(address__in={one.address for one in found if one.address})
        return set(people.values_list("recipient", flat=True)), set(addresses.values_list("address", flat=True))

    def _other_addresses(self, person: Person) -> dict[str, str]:
        found = {str(kind): address_key(kind, person.recipient.address_for(kind)) for kind in self._other_types}
        return {kind: address for kind, address in found.items() if address}

    def _is_reached(self, found: _Found, others: Mapping[str, str]) -> bool:
        if self._is_email and found.address:
            return True
        return any(kind not in _NEED_ADDRESS or str(kind) in others for kind in self._other_types)


@attrs.define
class _Found:
    """
    Somebody an audience has given.

    Attributes:
        key: Of the row that they are; empty: none.

        person: The person.

        recipient, address: As tables know them.

        code: Why there is no address.
    """

    key: str
    person: Person
    recipient: str | None
    address: str | None
    code: str

    @classmethod
    def of(cls, key: str, person: Person) -> _Found:
        """Return *person* with what tables know them by."""
        recipient = person_key(person.recipient)
        try:
            return cls(key, person, recipient, address_key(ChannelType.EMAIL, _address(person)), Member.NO_ADDRESS)
        except InvalidMessageError as error:
            return cls(key, person, recipient, None, error.code)


def _finish(resolution: Resolution) -> None:
    """Note how many there are, once."""
    using = router.db_for_write(Member)
    with transaction.atomic(using):
        rows = Resolution.objects.using(using).filter(pk=resolution.pk)
        if rows.filter(done_at=None).update(done_at=DatabaseNow()):
            Exclusion.objects.using(using).filter(resolution=resolution).delete()
            by_reason = resolution.members.using(using).order_by().values_list("reason").annotate(number=Count("pk"))
            rows.update(numbers=dict(by_reason))
    resolution.refresh_from_db()


def _address(person: Person) -> str | None:
    return person.recipient.address_for(ChannelType.EMAIL)


@lru_cache(maxsize=1024)
def _zone(name: str | None) -> str:
    """Return *name* if there is a time zone called so; what a person says of it may be anything."""
    try:
        return name if name and len(name) <= _MAX_ZONE_LENGTH and ZoneInfo(name) else ""
    except (KeyError, ValueError, OSError):
        return ""


def _people(audience: Audience, rows: Iterable[models.Model]) -> list[tuple[str, Person]]:
    # A join may give a row twice.
    by_key = {key_of(row): row for row in rows}
    return list(zip(by_key, audience.people(list(by_key.values())), strict=True))


def _answer(part: Part, question: Callable[..., Answer], *about: Any) -> Answer:
    """
    Return what the host answers to *question*, which concerns *part*.

    Raises:
        CampaignError: If it fails, except by a database that is away, which may answer later.
    """
    try:
        return question(*about)
    except (OperationalError, InterfaceError, CampaignError):
        raise
    except Exception as error:
        LOG.exception("The audience %s cannot be read.", part.audience)
        raise CampaignError(
            f"The audience {part.audience!r} cannot be read: it raised {type(error).__name__}; see the log.",
            code="audience_failed",
        ) from error


def _wrong(part: Part, expected: str, given: object) -> CampaignError:
    return CampaignError(
        f"The audience {part.audience!r} must give {expected}, given {shown(given)} ({type(given).__name__}).",
        code="bad_audience",
    )
