"""
Internal: ``manage.py ace_send``.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from edx_ace import ace, message_types, preview
from edx_ace.errors import AceError
from edx_ace.management.arguments import add_message_arguments, channels_of, context_of
from edx_ace.recipient import Recipient


class Command(BaseCommand):
    """Sends one message, for real."""

    help = (
        "Send one message of a type to somebody, for real, with the type's sample context, and print what came of it. "
        "Ends with 1 if nothing was sent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_message_arguments(parser)
        parser.add_argument(
            "--to",
            required=True,
            help="Mail address of the recipient, or the id of an account (a number), as push needs.",
        )

    def handle(
        self,
        *args: Any,
        message_type: str,
        to: str,
        language: str | None,
        context: list[list[str]],
        channel: str | None,
        **options: Any,
    ) -> None:
        message_types.discover()
        # Longer than any id of a database is no id.
        is_id = to.isdecimal() and len(to) <= 20
        recipient = Recipient(lms_user_id=int(to)) if is_id else Recipient(None, email_address=to)
        try:
            unique_name = ".".join(message_types.resolve(message_type))
            code = preview.language_of(language) if language else None
            message = message_types.sample(unique_name, recipient, code, context_of(context))
            report = ace.send(message, channels_of(channel))
        except AceError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. Whether the message was sent is not known.", returncode=130) from None
        self.stdout.write(str(report))
        if not report:
            raise CommandError("Nothing was sent; see above.")
