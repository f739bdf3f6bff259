"""
Internal: ``manage.py ace_rehash``.
"""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand

from edx_ace.outbox import privacy
from edx_ace.text import counted


class Command(BaseCommand):
    """Makes digests of addresses anew."""

    help = (
        "Make the digests by which people without an account are known anew, after a secret was added to "
        "ACE_ADDRESS_KEYS. May be stopped, and run again, while everything else goes on."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        numbers = privacy.rehash()
        said = f"{counted(numbers['hashed'], 'digest is', 'digests are')} made anew"
        if numbers["dropped"]:
            said += f"; {counted(numbers['dropped'], 'row', 'rows')} went, as there was a later one of the same person"
        if numbers["left"]:
            stay = counted(numbers["left"], "stays as it is", "stay as they are")
            said += f"; {stay}, as the same send reached the person under both"
        self.stdout.write(f"{said}.")
