"""
Internal: what campaigns keep of a person, and for how long: that they were recipients, and lists with their address.

The names of those who wrote and sent campaigns stay: the audit trail answers who did what.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import router
from django.db.models import Q, QuerySet

from edx_ace.campaigns import calls
from edx_ace.campaigns.conf import settings
from edx_ace.campaigns.models import Call, Campaign, Exclusion, ListedAddress, Member, Resolution
from edx_ace.channel import ChannelType
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.privacy import Holding, KeyColumn, Person
from edx_ace.outbox.retention import before

#: Rows that one transaction deletes.
CHUNK_SIZE = 500

#: For how long the recipients are kept that were only counted.
_COUNTED = timedelta(days=1)


def _export(person: Person) -> Mapping[str, Any]:
    members = Member.objects.filter(_theirs(person)).select_related("resolution__campaign").order_by("pk")
    listed = ListedAddress.objects.filter(key__in=_addresses(person)).select_related("list").order_by("pk")
    return {
        "campaigns": [
            {
                "campaign": str(member.resolution.campaign.uuid),
                "name": member.resolution.campaign.name,
                "scope": member.resolution.campaign.scope,
                "found_at": member.resolution.created_at.isoformat(),
                "person": member.recipient,
                "address": member.address,
                "time_zone": member.zone,
                "values": member.person,
                "not_sent_because": member.reason,
            }
            for member in members.iterator(CHUNK_SIZE)
        ],
        "lists": [
            {"list": one.list.name, "address": one.address, "name": one.name, "language": one.language}
            for one in listed.iterator(CHUNK_SIZE)
        ],
    }


def _erase(person: Person) -> Mapping[str, int]:
    using = router.db_for_write(Member)
    members = Member.objects.using(using).filter(_theirs(person))
    blank: dict[str, Any] = {"recipient": None, "address": None, "addresses": "", "key": "", "person": "", "zone": ""}
    # How many there were of which reason stays; whoever was not written to yet is not.
    waiting = members.filter(reason="").update(**blank, reason="erased")
    return {
        "recipients": waiting + members.update(**blank),
        "excluded": Exclusion.objects.using(using).filter(_theirs(person)).delete()[0],
        "listed_addresses": ListedAddress.objects.using(using).filter(key__in=_addresses(person)).delete()[0],
    }


def _purge(older_than: timedelta | None) -> Mapping[str, int]:
    """Delete the recipients of what ended long ago, and of what was only counted; how many they were stays."""
    using = router.db_for_write(Resolution)
    now = database_now(Resolution, using)
    ended = Q(campaign__finished_at__lt=before(now, older_than, settings.CAMPAIGN_RECIPIENTS_KEEP_DAYS))
    counted = Q(created_at__lt=now - _COUNTED) & ~Q(pk__in=_sent_to(using))
    number = 0
    for resolution in Resolution.objects.using(using).filter(ended | counted).order_by("pk"):
        number += _delete_members(resolution, using)
    Resolution.objects.using(using).filter(counted).delete()
    Call.objects.using(using).filter(created_at__lt=now - calls.KEPT).delete()
    return {"recipients of campaigns": number}


def _sent_to(using: str) -> QuerySet[Campaign, Any]:
    return Campaign.objects.using(using).filter(resolution__isnull=False).values("resolution")


def _delete_members(resolution: Resolution, using: str) -> int:
    return sum(members.delete()[0] for members in Member.ranges(resolution.pk, CHUNK_SIZE, using))


def _theirs(person: Person) -> Q:
    return Q(recipient__in=person.keys) | Q(address__in=_addresses(person))


def _addresses(person: Person) -> list[str]:
    """Return the email addresses of *person*, if they were found by one."""
    if not person.is_address:
        return []
    return [address for channel_type, address in person.addresses if channel_type == str(ChannelType.EMAIL)]


HOLDING = Holding("ace_campaigns", _export, _erase, [KeyColumn(Member, "recipient")], _purge)
