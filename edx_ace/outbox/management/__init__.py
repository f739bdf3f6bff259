"""
Internal: the commands of the outbox, and what they share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management import CommandError

from edx_ace.errors import InvalidMessageError

if TYPE_CHECKING:
    from edx_ace.outbox.privacy import Person


def person(given: str) -> Person:
    """Return who *given*, an argument of a command, is."""
    from edx_ace.outbox.privacy import Person

    try:
        return Person.find(given)
    except InvalidMessageError as error:
        raise CommandError(str(error)) from None
