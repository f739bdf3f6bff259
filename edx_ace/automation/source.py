"""
Internal: the source of the outbox that makes the letters of scheduled messages, just before they are sent.

Objects, addresses and languages are as they are then, looked up with one query a model for all letters of a claim. What
was rendered is kept in the letters, which afterwards are what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connections, router
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from edx_ace.automation import addressing, composing
from edx_ace.automation.composing import DATABASE_ERRORS, Draft, Rendered
from edx_ace.automation.errors import AutomationError, ConflictError
from edx_ace.automation.models import Letter
from edx_ace.message import Message
from edx_ace.outbox import Source, State
from edx_ace.outbox.models import Delivery
from edx_ace.report import Skipped, code_of

#: Characters that are written at a time: MariaDB refuses statements of over 16 MB.
STATEMENT_SIZE = 4_000_000

_RENDERED = ("address", "language", "subject", "body_html", "body_text", "error")


def load(references: Sequence[UUID]) -> Mapping[UUID, Message | Skipped]:
    """Return the message of each of *references*, uuids of letters, or why there is none."""
    using = router.db_for_write(Letter)
    # Whoever looks at a message that was sent does not change what is kept of it.
    is_being_sent = Exists(Delivery.objects.filter(payload=OuterRef("uuid"), state=State.CLAIMED))
    rows = Letter.objects.using(using).filter(uuid__in=references).annotate(is_being_sent=is_being_sent)
    letters = list(rows.select_related("message").order_by("pk"))
    messages = {letter.message_id: letter.message for letter in letters}
    drafts, resolved = composing.drafts(messages.values(), {letter.uuid: letter.recipient for letter in letters})
    found: dict[UUID, Message | Skipped] = {}
    with composing.lookups_shared():
        for letter in letters:
            try:
                message = _letter(letter, drafts[letter.message_id], resolved[letter.uuid])
                _keep(letter, composing.render(message), message.language or "")
                found[letter.uuid] = message
            except DATABASE_ERRORS:
                raise
            except Exception as error:
                letter.error = composing.described(error)
                found[letter.uuid] = Skipped(code_of(error), letter.error)
    _save([letter for letter in letters if letter.is_being_sent], using)
    return found


SOURCE = Source("ace_automation", load)


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
    letter.address = first.address
    return composing.compose(draft, addressees, letter)


def _keep(letter: Letter, rendered: Rendered, language: str) -> None:
    letter.subject, letter.body_html, letter.body_text = rendered.subject, rendered.html, rendered.text
    letter.language, letter.error = language, ""


def _save(letters: Sequence[Letter], using: str) -> None:
    """Write what was rendered, all at once unless it is too long for a statement."""
    # MySQL and MariaDB take whichever unique key there is.
    has_target = connections[using].features.supports_update_conflicts_with_target
    for part in _parts(letters):
        Letter.objects.using(using).bulk_create(
            part, update_conflicts=True, unique_fields=["id"] if has_target else None, update_fields=_RENDERED
        )


def _parts(letters: Sequence[Letter]) -> list[list[Letter]]:
    parts: list[list[Letter]] = []
    size = STATEMENT_SIZE
    for letter in letters:
        own = len(letter.body_html) + len(letter.body_text) + len(letter.error)
        if size + own > STATEMENT_SIZE:
            parts.append([])
            size = 0
        parts[-1].append(letter)
        size += own
    return parts
