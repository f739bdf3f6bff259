"""
Internal: the source of the outbox that makes the letters of scheduled messages, just before they are sent.

Objects, addresses and languages are as they are then, looked up with one query a model for all letters of a claim. What
was rendered is kept in the letters, which afterwards are what was sent; so is why something could not be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connections, router
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from edx_ace.automation import addressing, composing
from edx_ace.automation.composing import DATABASE_ERRORS, Draft
from edx_ace.automation.errors import AutomationError, ConflictError
from edx_ace.automation.models import Letter
from edx_ace.channel import ChannelType
from edx_ace.envelope import Parcel
from edx_ace.message import Message
from edx_ace.outbox import Source, State
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.people import address_key
from edx_ace.renderers import RenderedEmail
from edx_ace.report import Skipped, code_of

#: Characters that are written at a time: MariaDB refuses statements of over 16 MB.
STATEMENT_SIZE = 4_000_000

#: Reasons that are written at a time.
STATEMENT_ROWS = 100

_RENDERED = ("address", "language", "subject", "body_html", "body_text", "error")


def load(references: Sequence[UUID]) -> Mapping[UUID, Message | Skipped]:
    """Return the message of each of *references*, uuids of letters, or why there is none."""
    using = router.db_for_write(Letter)
    # Whoever looks at a message that was sent does not change what is kept of it.
    is_being_sent = Exists(Delivery.objects.filter(payload=OuterRef("uuid"), state=State.CLAIMED))
    rows = Letter.objects.using(using).filter(uuid__in=references).annotate(is_being_sent=is_being_sent)
    letters = list(rows.select_related("message").defer("body_html", "body_text").order_by("pk"))
    messages = {letter.message_id: letter.message for letter in letters}
    drafts, resolved = composing.drafts(messages.values(), {letter.uuid: letter.recipient for letter in letters})
    found: dict[UUID, Message | Skipped] = {}
    broken = []
    for letter in letters:
        try:
            found[letter.uuid] = _letter(letter, drafts[letter.message_id], resolved[letter.uuid])
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            letter.error = composing.described(error)
            found[letter.uuid] = Skipped(code_of(error), letter.error)
            if letter.is_being_sent:
                broken.append(letter)
    Letter.objects.using(using).bulk_update(broken, ["error"], batch_size=STATEMENT_ROWS)
    return found


def keep(parcels: Sequence[tuple[UUID, Parcel]]) -> None:
    """Keep what was rendered in the letters, all at once unless it is too long for a statement."""
    rendered = {uuid: parcel for uuid, parcel in parcels if isinstance(parcel.rendered, RenderedEmail)}
    using = router.db_for_write(Letter)
    letters = list(Letter.objects.using(using).filter(uuid__in=rendered).order_by("pk"))
    for letter in letters:
        parcel = rendered[letter.uuid]
        as_sent = composing.as_sent(parcel.rendered)
        letter.subject, letter.body_html, letter.body_text = as_sent.subject, as_sent.html, as_sent.text
        letter.language, letter.error = parcel.message.language or "", ""
        if parcel.message.recipient is not None:
            letter.address = address_key(ChannelType.EMAIL, parcel.message.recipient.email_address)
    # MySQL and MariaDB take whichever unique key there is.
    has_target = connections[using].features.supports_update_conflicts_with_target
    for part in _parts(letters):
        Letter.objects.using(using).bulk_create(
            part, update_conflicts=True, unique_fields=["id"] if has_target else None, update_fields=_RENDERED
        )


SOURCE = Source("ace_automation", load, keep)


def _letter(letter: Letter, draft: Draft | Exception, resolved: Any) -> Message:
    if isinstance(draft, Exception):
        raise draft
    if draft.message.batch != letter.batch:
        raise ConflictError(_("The message was put into the outbox anew."))
    if isinstance(resolved, Exception):
        raise resolved
    if draft.message.is_to_all:
        addressees = []
        for reference, one in zip(letter.recipient, resolved, strict=True):
            addressees.append(addressing.addressee(reference, one, draft.action))
    else:
        addressees = [addressing.addressee(letter.recipient, resolved, draft.action)]
    first = addressees[0]
    if first.person != letter.person:
        # The outbox knows them by it.
        raise AutomationError(_("Their address has changed while it was being sent."), code="address_changed")
    return composing.compose(draft, addressees, letter)


def _parts(letters: Sequence[Letter]) -> list[list[Letter]]:
    parts: list[list[Letter]] = []
    size = STATEMENT_SIZE
    for letter in letters:
        own = len(letter.body_html) + len(letter.body_text)
        if size + own > STATEMENT_SIZE:
            parts.append([])
            size = 0
        parts[-1].append(letter)
        size += own
    return parts
