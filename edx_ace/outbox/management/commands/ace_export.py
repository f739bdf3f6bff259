"""
Internal: ``manage.py ace_export``.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand

from edx_ace.outbox import privacy
from edx_ace.outbox.management import person


class Command(BaseCommand):
    """Writes all that is kept of a person."""

    help = "Write all that is kept of a person, as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("person", help="The site's id of somebody, a mail address, or a number such as +4930123.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = privacy.export(person(options["person"]))
        self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
