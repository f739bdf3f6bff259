"""
Internal: what the policies of this app look up, once for all of them and for all messages of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from edx_ace.message import Message
from edx_ace.outbox.people import person_key
from edx_ace.policy import shared_notes
from edx_ace.preferences.choices import Chosen, chosen_by


def choices_of(messages: Sequence[Message]) -> dict[str, dict[str, Chosen]]:
    """Return what the recipients of *messages* chose, by person and channel type, with at most one query."""
    known: dict[str, dict[str, Chosen]] = shared_notes().setdefault(__name__, {})
    people = {key for message in messages if (key := person_key(message.recipient))}
    if missing := people - known.keys():
        found = chosen_by(missing)
        known.update({key: dict(found.get(key, {})) for key in missing})
    return known
