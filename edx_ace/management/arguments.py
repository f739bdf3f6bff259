"""
Internal: the arguments by which commands name a message, and what they mean.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management import CommandError

from edx_ace import channel as channel_package
from edx_ace.channel.base import ALL_TYPES
from edx_ace.channel.registry import limits_of
from edx_ace.errors import UnknownChannelError, did_you_mean


def add_message_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that say which message."""
    parser.add_argument("message_type", metavar="app_label.MessageType", help="The message type, by class or by name.")
    parser.add_argument("--language", help="Language of the message, one of the setting LANGUAGES.")
    parser.add_argument(
        "--context",
        action="append",
        nargs="+",
        default=[],
        metavar="JSON|KEY=VALUE",
        help="Goes over the type's sample context: a JSON object, or keys with values that are text.",
    )
    parser.add_argument("--channel", help="Only this channel type (email, push …), or the channel of this name.")


def context_of(given: Iterable[Iterable[str]]) -> dict[str, Any]:
    """
    Return the context that the values of ``--context`` give; a later one wins.

    Raises:
        CommandError: If one is neither a JSON object nor ``key=value``, saying where it is wrong.
    """
    context: dict[str, Any] = {}
    for text in (text for texts in given for text in texts):
        key, equals, value = text.partition("=")
        if text.lstrip()[:1] in ("{", "["):
            context.update(_json_object(text))
        elif key and equals:
            context[key] = value
        else:
            raise CommandError(f"--context: expected a JSON object or key=value, given {text!r}.")
    return context


def channels_of(given: str | None) -> list[str] | None:
    """
    Return what ``--channel`` limits the message to; None: nothing.

    Raises:
        CommandError: If it names no channel.
    """
    if given is None:
        return None
    try:
        limits_of([given])
    except UnknownChannelError as error:
        # Looked up on the package at each call: tests replace it there.
        known = [*map(str, ALL_TYPES), *channel_package.channels().names()]
        raise CommandError(
            f"--channel: expected a channel type or the name of a channel ({', '.join(known)}), given {given!r}."
            f"{did_you_mean(given, known)}"
        ) from error
    return [given]


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except RecursionError:
        raise CommandError(
            "--context: expected a JSON object, but this one is nested too deeply. Flatten it."
        ) from None
    except ValueError as error:
        raise CommandError(f"--context: expected a JSON object, but {text!r} is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise CommandError(f"--context: expected a JSON object, given {text!r}, which is a {type(found).__name__}.")
    return found
