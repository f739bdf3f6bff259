"""
Internal: whom a scheduled message goes to: how its row keeps them, and who they are when it is sent.

A row holds a reference to the object of each, a mailbox as text, or the fields of a `Recipient`. Addresses of objects
are those that they have at that moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import attrs
from django.utils.translation import gettext as _

from edx_ace.automation import references
from edx_ace.automation.errors import AutomationError, GoneError
from edx_ace.channel import ChannelType
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox import people
from edx_ace.recipient import Recipient

if TYPE_CHECKING:
    from edx_ace.automation.actions import Action

_RECIPIENT = "recipient"


@attrs.frozen
class Addressee:
    """
    Somebody that a message goes to.

    Attributes:
        reference: As the row of the message has it.

        value: What it refers to: what the template knows as ``recipient``.

        recipient: Who it is.

        language: That they read, or None.

        zone: The time zone in which they are shown times, or None.

        person, address: What tables know them by; see `edx_ace.outbox.people`.
    """

    reference: Any
    value: Any
    recipient: Recipient
    language: str | None
    zone: ZoneInfo | None
    person: str | None
    address: str | None


def dump(recipients: Sequence[Any]) -> list[Any]:
    """
    Return what a row keeps of *recipients*: objects, mailboxes, `edx_ace.Recipient`, or what this returned.

    Raises:
        AutomationError: If one is something else.
    """
    return [_dump(one, f"recipients[{number}]") for number, one in enumerate(recipients)]


def addressee(reference: Any, resolved: Any, action: Action) -> Addressee:
    """
    Return who *reference* is.

    Args:
        reference: As the row has it.

        resolved: What `references.resolve` made of it.

        action: Says who an object is, and which language they read.

    Raises:
        GoneError: If the object is gone.
        AutomationError: If they have no address that can be used.
        Exception: Whatever the action raises.
    """
    if isinstance(resolved, references.Gone):
        raise GoneError(_("%(object)s, who was to get it, is gone.") % {"object": resolved})
    value = Recipient.from_json(resolved[_RECIPIENT]) if isinstance(resolved, dict) else resolved
    recipient = action.person(value)
    if not recipient.email_address:
        text = _("%(recipient)s has no email address.")
        raise AutomationError(text % {"recipient": _name(value)}, code="no_address")
    try:
        address = people.address_key(ChannelType.EMAIL, recipient.email_address)
    except InvalidMessageError as error:
        raise AutomationError(str(error), code=error.code) from error
    zone = action.zone(value)
    return Addressee(
        reference,
        value,
        recipient,
        action.language(value),
        None if zone is None else ZoneInfo(zone),
        people.person_key(recipient),
        address,
    )


def _name(value: Any) -> str:
    if isinstance(value, Recipient):
        value = value.lms_user_id
    return str(value or _("Somebody without an account"))


def _dump(recipient: Any, path: str) -> Any:
    if isinstance(recipient, Recipient):
        return {_RECIPIENT: recipient.to_json()}
    if isinstance(recipient, dict) and recipient.keys() == {_RECIPIENT}:
        return recipient
    return references.dump(recipient, path)
