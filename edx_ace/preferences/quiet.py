"""
Public: when people are to be left alone. `edx_ace.preferences` has `set_quiet_hours`,
`reset_quiet_hours` and `quiet_hours_of`.
"""

from __future__ import annotations

from datetime import time

from django.db import router, transaction
from django.db.models import Q

from edx_ace.outbox import reconsider
from edx_ace.preferences.choices import person_of
from edx_ace.preferences.errors import ChoiceError
from edx_ace.preferences.lookup import site_hours
from edx_ace.preferences.models import QuietHours
from edx_ace.preferences.moments import Hours
from edx_ace.recipient import Recipient

#: The code under which deliveries wait for the end of quiet hours.
QUIET = "quiet_hours"


def set_quiet_hours(person: Recipient | str, start: time | None, end: time | None) -> None:
    """
    Leave *person* alone from *start* to *end* on their own clock from now on; a part of the caller's transaction.

    What waits for the end of the hours they had before is looked at anew.

    Args:
        person: A recipient, or what `edx_ace.outbox.people.person_key` returns for one.

        start, end: Times of the day, without a time zone; an earlier *end* is on the next day. Both None: never.

    Raises:
        ChoiceError: If these are no hours.
    """
    key = person_of(person)
    if (start, end) != (None, None) and not (_is_time(start) and _is_time(end) and start != end):
        raise ChoiceError(
            f"Quiet hours go from one time of the day to another, without a time zone, given {start!r} and {end!r}."
        )
    using = router.db_for_write(QuietHours)
    with transaction.atomic(using):
        QuietHours.objects.using(using).update_or_create(person=key, defaults={"start": start, "end": end})
        reconsider(Q(recipient=key), due=Q(code=QUIET))


def reset_quiet_hours(person: Recipient | str) -> None:
    """
    Leave *person* alone when the site says from now on, as if they had never said it; a part of the transaction.

    What waits for the end of the hours they had before is looked at anew.

    Args:
        person: As `set_quiet_hours` takes it.
    """
    key = person_of(person)
    using = router.db_for_write(QuietHours)
    with transaction.atomic(using):
        QuietHours.objects.using(using).filter(person=key).delete()
        reconsider(Q(recipient=key), due=Q(code=QUIET))


def quiet_hours_of(person: Recipient | str) -> Hours | None:
    """Return when *person* is left alone, on their own clock: as they set it, else as the site does; None: never."""
    row = QuietHours.objects.filter(person=person_of(person)).first()
    if row is None:
        return site_hours()
    return None if row.start is None or row.end is None else (row.start, row.end)


def _is_time(given: object) -> bool:
    return isinstance(given, time) and given.tzinfo is None
