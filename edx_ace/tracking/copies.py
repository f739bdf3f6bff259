"""
Public: the content step ``keep_copy``: what was really sent is kept for a while, for whoever has to answer for it.

Only where the message's category says for how many days: ``"keep_copy_days": 30`` in ACE_CATEGORIES. Put the step last.
A copy holds all that the mail did, also its links with their tokens; showing one needs the permission
``ace_tracking.view_copy``. A message that is tried again replaces its copy. A mail goes out all the same where its copy
cannot be written.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
from django.db import DatabaseError, connections, router, transaction
from django.db.models import QuerySet

from edx_ace import categories
from edx_ace.envelope import Parcel
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox.clock import DatabaseNow, from_now
from edx_ace.outbox.people import address_key, person_key
from edx_ace.tracking.models import Copy

LOG = logging.getLogger(__name__)

#: The key of a category that says for how many days copies of its messages are kept.
CATEGORY_KEY = "keep_copy_days"


def keep_copy(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Return *parcels* as they are; those whose category says so are kept, with one statement."""
    days = {name: category.more.get(CATEGORY_KEY) for name, category in categories.all_categories().items()}
    copies = [
        _copy_of(parcel, kept_days)
        for parcel in parcels
        if (kept_days := days.get(categories.of(parcel.message))) and attrs.has(type(parcel.rendered))
    ]
    if copies:
        try:
            _write(copies)
        except DatabaseError as error:
            LOG.error("Copies of %d messages could not be kept: %s", len(copies), type(error).__name__)
    return list(parcels)


def kept(message: UUID, channel_type: str) -> QuerySet[Copy]:
    """Return the copy of *message* as it went over *channel_type*, unless none was kept, or not any more."""
    return Copy.objects.filter(message=message, channel_type=channel_type, expires_at__gt=DatabaseNow())


def content_of(message: UUID, channel_type: str) -> dict[str, str] | None:
    """Return the fields of that copy; None: there is none."""
    copy = kept(message, channel_type).first()
    return None if copy is None else fields_of(copy)


def fields_of(copy: Copy) -> dict[str, str]:
    """Return the rendered fields that *copy* holds, by name."""
    fields: dict[str, str] = json.loads(zlib.decompress(bytes(copy.content)))
    return fields


def _copy_of(parcel: Parcel, days: float) -> Copy:
    fields: dict[str, Any] = {name: str(value) for name, value in attrs.asdict(parcel.rendered).items()}
    return Copy(
        message=parcel.message.uuid,
        channel_type=str(parcel.channel.channel_type),
        content=zlib.compress(json.dumps(fields).encode()),
        person=person_key(parcel.message.recipient),
        address=_address_of(parcel),
        expires_at=from_now(timedelta(days=days)),
    )


def _address_of(parcel: Parcel) -> str | None:
    try:
        return address_key(parcel.channel.channel_type, parcel.envelope.to)
    except InvalidMessageError:
        # Nothing will be sent there.
        return None


def _write(copies: list[Copy]) -> None:
    using = router.db_for_write(Copy)
    # MySQL and MariaDB take whichever unique key there is.
    has_target = connections[using].features.supports_update_conflicts_with_target
    with transaction.atomic(using):
        Copy.objects.using(using).bulk_create(
            sorted(copies, key=lambda copy: (copy.message, copy.channel_type)),
            update_conflicts=True,
            unique_fields=["message", "channel_type"] if has_target else None,
            update_fields=["content", "person", "address", "expires_at"],
        )
