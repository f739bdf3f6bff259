"""
Public: the same for many scheduled messages, one after another.

Each is a transaction of its own: one that cannot be done keeps no other from being done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
from django.utils import timezone

from edx_ace.automation import controller
from edx_ace.automation.errors import AutomationError
from edx_ace.automation.models import ScheduledMessage
from edx_ace.errors import AceError

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: What can be done with many, and the permission that it takes; `edx_ace.automation.access.require` asks for it.
VERBS: Mapping[str, str] = {
    "cancel": "cancel_message",
    "reschedule": "change_message",
    "send_now": "send_message",
    "resend": "send_message",
}


@attrs.frozen
class Step:
    """
    One more of the messages is done with.

    Attributes:
        number: How many are, with this one.

        total: How many there are in all.

        message: As it is now.

        error: Why nothing was done with it; empty: it was done.
    """

    number: int
    total: int
    message: ScheduledMessage
    error: str = ""


def do(
    verb: str,
    rows: QuerySet[ScheduledMessage],
    *,
    author: Any,
    why: str = "",
    scheduled_at: datetime | None = None,
) -> Iterator[Step]:
    """
    Do the same with each of *rows*, and yield after each how far that is.

    Args:
        verb: One of `VERBS`.

        rows: As they are now: what joins them later is left out.

        author: A user, for the log.

        why: Of cancelling and rescheduling.

        scheduled_at: When they are to go (aware), which rescheduling has to be told.

    Raises:
        KeyError: If there is no such verb.
        AutomationError: If they are to be rescheduled, and not to when.
    """
    VERBS[verb]
    if verb == "reschedule" and scheduled_at is None:
        raise AutomationError("Rescheduling takes `scheduled_at`.")
    moment = scheduled_at or timezone.now()
    done: Mapping[str, Callable[[ScheduledMessage], Any]] = {
        "cancel": lambda message: controller.cancel(message, author=author, why=why),
        "reschedule": lambda message: controller.reschedule(message, moment, author=author, why=why),
        "send_now": lambda message: controller.send_now(message, author),
        "resend": lambda message: controller.resend(message, author),
    }
    keys = list(rows.order_by("scheduled_at", "pk").values_list("pk", flat=True))
    for number, key in enumerate(keys, 1):
        message = ScheduledMessage.objects.filter(pk=key).first()
        if message is None:
            continue
        try:
            done[verb](message)
        except AceError as error:
            yield Step(number, len(keys), message, str(error))
        else:
            yield Step(number, len(keys), message)
