"""
Internal: what automation keeps of a person, and for how long: that a message was or will be for them, and what it said.

The names of those who changed messages and templates stay: the log answers who did what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings as django_settings
from django.db import router, transaction
from django.db.models import Q

from edx_ace.automation import attachments, controller
from edx_ace.automation.conf import settings
from edx_ace.automation.models import Attachment, Letter, ScheduledMessage
from edx_ace.automation.states import EDITABLE
from edx_ace.channel import ChannelType
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.people import address_key, shortened
from edx_ace.outbox.privacy import Holding, KeyColumn, Person
from edx_ace.outbox.retention import before

#: Rows that one transaction deletes.
CHUNK_SIZE = 200


def _export(person: Person) -> Mapping[str, Any]:
    letters = Letter.objects.filter(_theirs(person)).select_related("message").order_by("pk")
    return {
        "letters": [
            {
                **_about(letter.message),
                "person": letter.person,
                "address": letter.address,
                "language": letter.language,
                "subject": letter.subject,
                "html": letter.body_html,
                "text": letter.body_text,
                "not_sent_because": letter.error,
            }
            for letter in letters.iterator(CHUNK_SIZE)
        ],
        "messages": [
            {**_about(message), "recipient": one}
            for message, recipients in _naming(person)
            for one in message.recipients
            if one not in recipients
        ],
    }


def _about(message: ScheduledMessage) -> dict[str, Any]:
    return {
        "message": str(message.uuid),
        "action": message.action,
        "about": f"{message.object_type} {message.object_key}".strip(),
        "state": message.state,
        "scheduled_at": message.scheduled_at.isoformat(),
    }


def _erase(person: Person) -> Mapping[str, int]:
    using = router.db_for_write(Letter)
    letters = Letter.objects.using(using).filter(_theirs(person))
    erased = 0
    for message, recipients in list(_naming(person)):
        ScheduledMessage.objects.using(using).filter(pk=message.pk).update(recipients=recipients)
        if not recipients:
            attachments.remove(message.attachments.all())
            if message.state in EDITABLE:
                controller.cancel(message, why="Its recipient was erased.", code="erased")
        erased += 1
    blank: dict[str, Any] = {"recipient": [], "person": None, "address": None}
    blank |= {"subject": "", "body_html": "", "body_text": "", "error": ""}
    return {"messages": erased, "letters": letters.update(**blank)}


def _naming(person: Person) -> Iterator[tuple[ScheduledMessage, list[Any]]]:
    """Yield the messages that name *person*, and their other recipients. Reads all: nothing finds who is in a list."""
    rows = ScheduledMessage.objects.using(router.db_for_write(ScheduledMessage)).order_by("pk")
    for message in rows.only("uuid", "action", "object_type", "object_key", "state", "scheduled_at", "recipients"):
        others = [one for one in message.recipients if not _is(person, one)]
        if len(others) < len(message.recipients):
            yield message, others


def _is(person: Person, reference: Any) -> bool:
    """Return whether *reference*, as a row keeps a recipient, is *person*."""
    match reference:
        case {"recipient": fields}:
            account, address = fields.get("lms_user_id"), fields.get("email_address")
        case {"model": str(model), "pk": account}:
            if model.lower() != django_settings.AUTH_USER_MODEL.lower():
                return False
            address = None
        case str():
            account, address = None, reference
        case _:
            return False
    if account and shortened(str(account)) in person.keys:
        return True
    try:
        return bool(address) and address_key(ChannelType.EMAIL, address) in _addresses(person)
    except InvalidMessageError:
        return False


def _purge(older_than: timedelta | None) -> Mapping[str, int]:
    """Delete what ended long ago, with its log, what was sent, and its files."""
    using = router.db_for_write(ScheduledMessage)
    last = before(database_now(ScheduledMessage, using), older_than, settings.AUTOMATION_KEEP_DAYS)
    old = ScheduledMessage.objects.using(using).filter(ended_at__lt=last).order_by("pk").values_list("pk", flat=True)
    number = 0
    while chunk := list(old[:CHUNK_SIZE]):
        with transaction.atomic(using):
            attachments.remove(Attachment.objects.using(using).filter(message__in=chunk))
            ScheduledMessage.objects.using(using).filter(pk__in=chunk).delete()
        number += len(chunk)
    return {"scheduled messages": number}


def _theirs(person: Person) -> Q:
    return Q(person__in=person.keys) | Q(address__in=_addresses(person))


def _addresses(person: Person) -> list[str]:
    """Return the email addresses of *person*, if they were found by one."""
    if not person.is_address:
        return []
    return [address for channel_type, address in person.addresses if channel_type == str(ChannelType.EMAIL)]


HOLDING = Holding("ace_automation", _export, _erase, [KeyColumn(Letter, "person")], _purge)
