"""
Internal: ``manage.py ace_erase``.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from edx_ace.outbox import privacy
from edx_ace.outbox.management import person


class Command(BaseCommand):
    """Erases all that is kept of a person."""

    help = (
        "Erase all that is kept of a person: what was sent, chosen and said by providers. What is open is cancelled. "
        "Counts stay, and suppressed addresses stay so, as a digest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("person", help="The site's id of somebody, a mail address, or a number such as +4930123.")
        parser.add_argument("--no-input", action="store_true", help="Do not ask.")

    def handle(self, *args: Any, **options: Any) -> None:
        who = person(options["person"])
        if not options["no_input"] and input("What is erased cannot be brought back. Go on? [y/N] ").lower() != "y":
            raise CommandError("Nothing was erased.")
        for app, numbers in privacy.erase(who).items():
            for name, number in numbers.items():
                self.stdout.write(f"{app}: {number} {name.replace('_', ' ')}")
