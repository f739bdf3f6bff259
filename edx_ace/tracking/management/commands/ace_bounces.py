"""
Internal: ``manage.py ace_bounces``.
"""

from __future__ import annotations

import imaplib
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from edx_ace.errors import ConfigurationError, MissingExtraError
from edx_ace.text import counted
from edx_ace.tracking import bounces


class Command(BaseCommand):
    """Reads the bounce mailbox."""

    help = (
        "Read the mailbox to which undeliverable mail and complaints come back (ACE_BOUNCE_MAILBOX), and record what "
        "became of which message. Made for cron."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=1000, help="Mails to read at most. Default: 1000.")

    def handle(self, *args: Any, limit: int, **options: Any) -> None:
        try:
            numbers = bounces.read(bounces.Mailbox.configured(), limit)
        except (ConfigurationError, MissingExtraError) as error:
            raise CommandError(str(error)) from None
        except (OSError, imaplib.IMAP4.error) as error:
            raise CommandError(f"The mailbox cannot be read: {type(error).__name__}: {error}") from None
        recorded = counted(numbers["recorded"], "bounce or complaint is", "bounces or complaints are")
        other = counted(numbers["other"], "other mail", "other mails")
        self.stdout.write(f"{recorded} recorded. Left as read: {numbers['unmatched']:,} of no message here, {other}.")
