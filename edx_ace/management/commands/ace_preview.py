"""
Internal: ``manage.py ace_preview``.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.utils.translation import get_supported_language_variant

from edx_ace import message_types, preview
from edx_ace.errors import AceError
from edx_ace.management.arguments import add_message_arguments, channels_of, context_of
from edx_ace.management.page_server import Page, PageServer

DEFAULT_PORT = 8025


class Command(BaseCommand):
    """Shows a message without sending it."""

    help = (
        "Show a message as it would be sent, with the type's sample context: as a page in a file, or on a page of "
        "this machine that renders it anew at each reload. Nothing is sent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_message_arguments(parser)
        target = parser.add_mutually_exclusive_group(required=True)
        target.add_argument("--output", metavar="FILE", help="Write the page to this file.")
        target.add_argument(
            "--serve",
            nargs="?",
            type=int,
            const=DEFAULT_PORT,
            metavar="PORT",
            help=f"Serve the page on localhost (default: port {DEFAULT_PORT}) until Ctrl+C.",
        )

    def handle(
        self,
        *args: Any,
        message_type: str,
        language: str | None,
        context: list[list[str]],
        channel: str | None,
        output: str | None,
        serve: int | None,
        **options: Any,
    ) -> None:
        message_types.discover()
        try:
            unique_name = ".".join(message_types.resolve(message_type))
            code = preview.language_of(language) if language else get_supported_language_variant(settings.LANGUAGE_CODE)
        except AceError as error:
            raise CommandError(str(error)) from error
        page = partial(preview.page, unique_name, context=context_of(context), only=channels_of(channel))
        if output is not None:
            try:
                html = page(language=code)
            except Exception as error:
                raise CommandError(preview.describe(error)) from error
            try:
                Path(output).write_text(html, encoding="utf-8")
            except OSError as error:
                raise CommandError(
                    f"--output: {output!a} cannot be written: {error.strerror}. Name a file in a folder that exists."
                ) from error
            self.stdout.write(f"Written to {output}")
        elif serve is not None:
            self._serve(serve, lambda asked: _response(unique_name, asked or code, page))

    def _serve(self, port: int, page: Page) -> None:
        try:
            server = PageServer(port, page)
        except (OSError, OverflowError) as error:
            reason = str(error).rstrip(".")
            raise CommandError(f"Port {port} cannot be used: {reason}. Choose another one: --serve PORT.") from error
        with server:
            self.stdout.write(f"http://localhost:{server.server_port}/ shows the message (stop with Ctrl+C)")
            self.stdout.flush()
            with suppress(KeyboardInterrupt):
                server.serve_forever()


def _response(message_type: str, language: str, page: Callable[..., str]) -> tuple[HTTPStatus, str]:
    try:
        return HTTPStatus.OK, page(language=preview.language_of(language), links=True)
    except Exception as error:
        return HTTPStatus.INTERNAL_SERVER_ERROR, preview.error_page(message_type, language, error)
