"""
Internal: ``manage.py ace_check``.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from edx_ace import examination, message_types, preview
from edx_ace.errors import AceError


class Command(BaseCommand):
    """Renders every message type and lists what is missing or fails."""

    help = (
        "Render every message type over every enabled channel type in every language, with sample contexts, and list "
        "what is missing or fails. Nothing is sent. Ends with 1 if something is wrong."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--language",
            nargs="+",
            action="extend",
            help="Only these languages (default: all of the setting LANGUAGES).",
        )

    def handle(self, *args: Any, language: list[str] | None, **options: Any) -> None:
        try:
            languages = [preview.language_of(code) for code in language or dict(settings.LANGUAGES)]
        except AceError as error:
            raise CommandError(f"--language: {error}") from error
        message_types.discover()
        findings = examination.examine(dict.fromkeys(languages))
        for note in findings.notes:
            self.stdout.write(note)
        if findings.problems:
            self.stdout.write(_table(findings.problems, every=len(languages)))
        types, tried = _counted(len(message_types.known()), "message type"), _counted(len(languages), "language")
        rendered, problems = _counted(findings.renderings, "message"), _counted(len(findings.problems), "problem")
        self.stdout.write(f"{types}, {tried}: {rendered} rendered, {problems}.")
        if findings.problems:
            raise CommandError("Some messages cannot be sent as they should; see above.")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _table(problems: list[examination.Problem], every: int) -> str:
    rows = [("Message type", "Channel", "Languages", "Problem")]
    for problem in problems:
        languages = "all" if len(problem.languages) in (0, every) else ", ".join(problem.languages)
        rows.append((problem.message_type, str(problem.channel_type or "all"), languages, problem.text))
    # The problem comes last, so that it can be as long as it needs to be.
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    ]
    return "\n".join(["", lines[0], "-" * max(map(len, lines)), *lines[1:], ""])
