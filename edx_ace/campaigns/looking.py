"""
Internal: looking at some of the recipients that a campaign would have now, without finding all of them.

Exclusions are left out of account, and somebody may come more than once: this is for previews and samples. How many
there are says a forecast.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, reduce
from itertools import islice
from operator import or_

import attrs
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from edx_ace.campaigns.audiences import Person
from edx_ace.campaigns.errors import CampaignError
from edx_ace.campaigns.models import Campaign, Part
from edx_ace.campaigns.resolving import asked, checked, in_chunks, key_from, key_of, read
from edx_ace.text import shown

#: How many people are looked through at most where an audience gives no queryset, and left out before at most.
MAX_READ = 10_000


@attrs.frozen
class Seen:
    """
    Somebody an audience gives.

    Attributes:
        reference: By which `seen` finds them again.

        person: The person, as the audience says now.
    """

    reference: str
    person: Person


def look(campaign: Campaign, limit: int, search: str = "", start: int = 0) -> list[Seen]:
    """
    Return up to *limit* people of *campaign*, audience by audience.

    Args:
        campaign: Its audiences that are not excluded are asked.

        limit: How many at most.

        search: What has to be in one of the audience's search fields, or of people that come without rows, in their
            addresses or values.

        start: How many to leave out before, up to `MAX_READ`: nobody is seen after more.

    Raises:
        CampaignError: If an audience cannot be read.
    """
    if start > MAX_READ:
        return []
    found = (
        one for part in campaign.parts.filter(is_excluded=False) for one in read(part, _seen_in(campaign, part, search))
    )
    return list(islice(found, start, start + limit))


def seen(campaign: Campaign, reference: str) -> Person:
    """
    Return who *reference* stands for, if they still belong to *campaign*.

    Raises:
        CampaignError: If nobody does.
    """
    position, _, key = reference.partition(":")
    part = campaign.parts.filter(is_excluded=False, position=position).first() if _is_number(position) else None
    for person in () if part is None else read(part, _with_key(campaign, part, key)):
        return person
    raise CampaignError(f"Nobody of this campaign is {shown(reference)}. Look for somebody else.", code="nobody")


def _with_key(campaign: Campaign, part: Part, key: str) -> Iterator[Person]:
    audience, answer = asked(campaign, part)
    if isinstance(answer, QuerySet):
        try:
            row = answer.filter(pk=key_from(answer.model, key)).first()
        except (TypeError, ValueError, ValidationError):
            return
        if row is not None:
            yield checked(part, audience.people([row])[0])
    elif _is_number(key) and int(key) < MAX_READ:
        for person in islice(answer, int(key), int(key) + 1):
            yield checked(part, person)


def _seen_in(campaign: Campaign, part: Part, search: str) -> Iterator[Seen]:
    audience, answer = asked(campaign, part)
    if isinstance(answer, QuerySet):
        rows = answer.order_by("pk")
        if search:
            if not audience.search_fields:
                return
            rows = rows.filter(reduce(or_, (Q(**{f"{name}__icontains": search}) for name in audience.search_fields)))
        for chunk in in_chunks(rows, 100):
            for row, person in zip(chunk, audience.people(chunk), strict=True):
                yield Seen(f"{part.position}:{key_of(row)}", checked(part, person))
        return
    for number, person in enumerate(map(partial(checked, part), islice(answer, MAX_READ))):
        texts = [person.recipient.email_address, *person.recipient.addresses.values(), *person.values.values()]
        if not search or any(search.lower() in str(text).lower() for text in texts):
            yield Seen(f"{part.position}:{number}", person)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10
