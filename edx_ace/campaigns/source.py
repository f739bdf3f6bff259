"""
Internal: the source of the outbox that makes the messages of campaigns, just before they are sent.

What is written cannot change any more; keywords and language are as they are now. An audience that is a queryset is
asked again whether a person still belongs to it, one query for each part and batch.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID, uuid5

from django.db.models import Model, QuerySet, prefetch_related_objects

from edx_ace.campaigns import content
from edx_ace.campaigns.audiences import Audience, Person
from edx_ace.campaigns.host import host
from edx_ace.campaigns.models import Campaign, Member, Variant
from edx_ace.campaigns.resolving import asked, key_from
from edx_ace.message import Message
from edx_ace.outbox import Source
from edx_ace.report import Skipped

LEFT = Skipped("left", "The person does not belong to the audience any more.")
EXCLUDED = Skipped("excluded", "The person is excluded from the campaign by now.")
INACTIVE = Skipped("inactive", "The person is not active any more.")


def uuid_of(campaign: Campaign, key: int) -> UUID:
    """Return the uuid of the message of *campaign* to the member with that primary key."""
    return uuid5(campaign.uuid, str(key))


def outline(campaign: Campaign) -> Message:
    """Return what all messages of *campaign* have in common, as far as the outbox has to know it."""
    options = {"scope": campaign.scope, "category": campaign.category}
    return Message("ace_campaigns", "campaign", None, send_uuid=campaign.uuid, options=options)


def load(references: Sequence[int]) -> Mapping[int, Message | Skipped]:
    """Return the message of each of *references*, keys of members, or why there is none any more."""
    members: defaultdict[Campaign, list[Member]] = defaultdict(list)
    rows = Member.objects.filter(pk__in=references).select_related("resolution__campaign__author")
    for member in rows:
        members[member.resolution.campaign].append(member)
    found: dict[int, Message | Skipped] = {}
    for campaign, those in members.items():
        found.update(_load(campaign, those))
    return found


SOURCE = Source("ace_campaigns", load)


def _load(campaign: Campaign, members: Sequence[Member]) -> dict[int, Message | Skipped]:
    prefetch_related_objects([campaign], "variants", "parts", "attachments")
    by_type: defaultdict[str, list[Variant]] = defaultdict(list)
    for variant in campaign.variants.all():
        variant.campaign = campaign
        by_type[variant.channel_type].append(variant)
    values = cache(lambda language: host().scope_values(campaign.scope, language))
    found: dict[int, Message | Skipped] = {}
    for key, person in people_of(campaign, members).items():
        if isinstance(person, Skipped):
            found[key] = person
            continue
        variant, *others = (
            content.variant_for(by_type[channel_type], person.language) for channel_type in campaign.channels
        )
        found[key] = content.message_for(
            campaign, variant, person, uuid_of(campaign, key), values(variant.language), others=others
        )
    return found


def people_of(campaign: Campaign, members: Iterable[Member]) -> dict[int, Person | Skipped]:
    """Return who each of *members* is by now, by their primary key."""
    found: dict[int, Person | Skipped] = {}
    by_part: defaultdict[int, list[Member]] = defaultdict(list)
    for member in members:
        if member.key:
            by_part[member.part].append(member)
        else:
            found[member.pk] = Person.from_json(json.loads(member.person))
    parts = {part.position: part for part in campaign.parts.all()}
    ask = cache(lambda position: asked(campaign, parts[position]))
    for position, those in by_part.items():
        # Somebody may have gone from one to another.
        included = [position, *(other for other, part in parts.items() if other != position and not part.is_excluded)]
        excluded = [other for other, part in parts.items() if part.is_excluded]
        rows = ask(position)[1]
        assert isinstance(rows, QuerySet), "It was one when its members were found."
        model = rows.model
        keys = {key_from(model, member.key): member.pk for member in those}
        people: dict[Any, Person | Skipped] = {}
        for answer in map(ask, excluded):
            people.update(dict.fromkeys(_rows(answer, model, keys), EXCLUDED))
        for answer in map(ask, included):
            missing = keys.keys() - people.keys()
            if not missing:
                break
            people.update({key: _if_active(person) for key, person in _rows(answer, model, missing).items()})
        found.update({pk: people.get(key, LEFT) for key, pk in keys.items()})
    return found


def _rows(answer: tuple[Audience, Any], model: type[Model], keys: Collection[Any]) -> dict[Any, Person]:
    """Return the people of *answer* that are the rows of *model* with *keys*, as far as it can be asked for those."""
    audience, found = answer
    if not isinstance(found, QuerySet) or found.model._meta.concrete_model is not model._meta.concrete_model:
        return {}
    rows = list(found.filter(pk__in=keys))
    return {row.pk: person for row, person in zip(rows, audience.people(rows), strict=True)}


def _if_active(person: Person) -> Person | Skipped:
    return person if person.is_active else INACTIVE
