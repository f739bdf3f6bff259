"""
Public: what workers outside, without access to the database, are given: all that a message needs, as plain values.

One locks a message that is due, and has it for a while under a fencing number; then it says what came of it, by
`edx_ace.automation.controller.succeed`, `fail` or `cancel`. Nobody's permission is asked here: see
`edx_ace.automation.access`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any
from uuid import UUID

import attrs
from django.db.models import Model
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _

from edx_ace.automation import actions, addressing, composing, controller, examining, finding, sending, values
from edx_ace.automation.addressing import Addressee
from edx_ace.automation.attachments import read
from edx_ace.automation.composing import DATABASE_ERRORS
from edx_ace.automation.errors import AutomationError, NotFoundError
from edx_ace.automation.examining import Preview
from edx_ace.automation.models import ScheduledMessage
from edx_ace.recipient import Recipient
from edx_ace.report import code_of

#: How deep relations of objects are followed: those of a value, and of what these lead to only how it reads.
MAX_DEPTH = 2


@attrs.frozen(kw_only=True)
class Reader:
    """
    Somebody that a message goes to.

    Attributes:
        address: Their mailbox.

        person: The host's id of them, as text; empty: they have no account.

        language: That they read; empty: the site's.

        value: What the template knows as ``recipient``, as `plain` has it.
    """

    address: str
    person: str
    language: str
    value: Any


@attrs.frozen(kw_only=True)
class Job:
    """
    A message that a worker outside has now.

    Attributes:
        message: The row, whose `content` is what is written.

        fence: The fencing number, which the worker has to be told by with what came of it.

        context: The values of the template by name, as `plain` has them.

        recipients: Whom it goes to, each once.

        unreachable: Why it does not go to others that it was meant for.
    """

    message: ScheduledMessage
    fence: int
    context: Mapping[str, Any]
    recipients: Sequence[Reader]
    unreachable: Sequence[str]


def message(uuid: UUID) -> ScheduledMessage:
    """
    Return the message with that UUID, which workers outside send.

    Raises:
        NotFoundError: If there is none.
    """
    found = finding.message(uuid)
    if not found.is_external:
        raise NotFoundError(_("There is no such message."))
    return found


def take(message: ScheduledMessage, author: Any = None) -> Job:
    """
    Lock *message* and look up all that it needs.

    If something of that is gone, it can go to nobody, or it was locked again and again and nothing came of it, the
    message has failed, as if the worker had said so.

    Args:
        message: One of workers outside.

        author: The worker's user, for the log.

    Raises:
        ConflictError: If it is not due, not sent by workers outside, or another has it.
        AutomationError: If it has failed, with the code and the reason of that.
    """
    fence = controller.lock(message, author)
    try:
        return _look_up(message, fence)
    except DATABASE_ERRORS:
        raise
    except Exception as error:
        code, reason = code_of(error), composing.described(error)
        controller.fail(message, code, reason, fence, author)
        raise AutomationError(reason, code=code) from error


def letters(message: ScheduledMessage, fence: int) -> list[Preview]:
    """
    Return the letters of *message* as our own workers would send them, for whoever locked it.

    Raises:
        ConflictError: If somebody else has it by now.
    """
    controller.check_lock(message, fence)
    return examining.preview(message)


def attachment(message: ScheduledMessage, key: int, fence: int) -> tuple[str, bytes, str]:
    """
    Return the name, the content and the type of an attachment of *message*, for whoever locked it.

    Raises:
        ConflictError: If somebody else has it by now.
        NotFoundError: If it has no such attachment.
        AutomationError: If the storage does not give it.
    """
    controller.check_lock(message, fence)
    return read(finding.attachment(message, key))


def plain(value: Any) -> Any:
    """
    Return *value* as JSON has it: what templates may read of it.

    An object has its fields and properties by name, with how it reads as ``__str__`` and the label of its model as
    ``__model__``; the objects that it refers to likewise, and of what these refer to only that. Decimals are text,
    moments that of ISO 8601, files their name.
    """
    return _plain(value, 0)


def _look_up(message: ScheduledMessage, fence: int) -> Job:
    sending.check_claims(message)
    made, resolved = composing.drafts([message], dict(enumerate(message.recipients)))
    draft = made[message.pk]
    if isinstance(draft, Exception):
        raise draft
    action = actions.get(message.action)
    found: dict[str | None, Addressee] = {}
    errors: list[AutomationError] = []
    for number, reference in enumerate(message.recipients):
        if isinstance(resolved[number], Exception):
            raise resolved[number]
        try:
            one = addressing.addressee(reference, resolved[number], action)
        except AutomationError as error:
            errors.append(error)
        else:
            found.setdefault(one.address, one)
    if not found:
        raise AutomationError(" ".join(map(str, errors)), code=errors[0].code)
    return Job(
        message=message,
        fence=fence,
        context={name: plain(value) for name, value in draft.values.items()},
        recipients=[_reader(one) for one in found.values()],
        unreachable=[composing.described(error) for error in errors],
    )


def _reader(one: Addressee) -> Reader:
    return Reader(
        address=str(one.recipient.email_address),
        person=one.person or "",
        language=one.language or "",
        value=plain(one.value),
    )


def _plain(value: Any, depth: int) -> Any:
    match value:
        case None | bool() | int():
            return value
        case str():
            return str.__str__(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case date() | time():
            return value.isoformat()
        case list() | tuple():
            return [_plain(one, depth) for one in value]
        case Recipient():
            return {"email_address": value.email_address, "lms_user_id": _plain(value.lms_user_id, depth)}
        case FieldFile():
            return value.name or ""
        case Mapping():
            return {str(name): _plain(one, depth) for name, one in value.items()}
        case Model():
            return _object(value, depth)
    return str(value)


def _object(value: Model, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {"__model__": value._meta.label, "__str__": str(value), "pk": _plain(value.pk, depth)}
    for name in sorted(values.readable(type(value))) if depth < MAX_DEPTH else ():
        try:
            found[name] = _plain(values.attribute(value, name)[1], depth + 1)
        except DATABASE_ERRORS:
            raise
        except Exception:
            # Nobody may want it: a template that does cannot be rendered for want of it.
            continue
    return found
