"""
Public: `examine`, which renders every message type without sending any and says what is wrong; ``manage.py ace_check``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from edx_ace import message_types, presentation, preview
from edx_ace.channel import Channel, ChannelType


@attrs.frozen(kw_only=True)
class Problem:
    """
    Something that keeps messages of one type from being sent as they should.

    Attributes:
        message_type: ``app_label.name``.

        channel_type: The kind of channel concerned; None: all of them.

        languages: The languages concerned; empty: it has nothing to do with the language.

        text: What is wrong, with the template and the line where that is known.
    """

    message_type: str
    channel_type: ChannelType | None = None
    languages: tuple[str, ...] = ()
    text: str


@attrs.define
class Findings:
    """
    What `examine` found.

    Attributes:
        problems: What is wrong.

        notes: Sentences about what may be meant to be so.

        renderings: How many messages were rendered.
    """

    problems: list[Problem] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    renderings: int = 0


def examine(languages: Iterable[str]) -> Findings:
    """Render every known message type over every enabled channel type in *languages* and say what is wrong."""
    languages = list(languages)
    findings = Findings()
    with preview.located_errors():
        for app_label, name in message_types.known():
            _examine_type(f"{app_label}.{name}", languages, findings)
    return findings


def _examine_type(unique_name: str, languages: Sequence[str], findings: Findings) -> None:
    def problem(text: str, **fields: Any) -> None:
        findings.problems.append(Problem(message_type=unique_name, text=text, **fields))

    try:
        message = message_types.sample(unique_name, preview.SAMPLE_RECIPIENT, languages[0])
        enabled = preview.enabled_channels(message)
    except Exception as error:
        problem(f"No sample message could be made: {preview.describe(error)}")
        return
    absent = []
    for channel_type, channel in enabled.items():
        try:
            with presentation.host_context(message):
                found, missing = preview.templates_for(channel, message)
        except Exception as error:
            problem(preview.describe(error), channel_type=channel_type)
            continue
        if not found:
            absent.append(channel_type)
        elif missing:
            for name in missing:
                problem(f"The template {name} does not exist.", channel_type=channel_type)
        else:
            findings.renderings += len(languages)
            for text, concerned in _failures(unique_name, channel_type, channel, languages).items():
                problem(text, channel_type=channel_type, languages=tuple(concerned))
    if len(absent) < len(enabled):
        findings.notes += [f"{unique_name} has no {kind} templates, so it does not go over {kind}." for kind in absent]
    elif message_types.is_base(unique_name):
        findings.notes.append(f"{unique_name} has no templates; other message types derive from it.")
    else:
        problem(preview.text_without_templates(message, enabled))


def _failures(
    unique_name: str, channel_type: ChannelType, channel: Channel, languages: Sequence[str]
) -> dict[str, list[str]]:
    """Return what fails when the message is rendered, each with the languages in which it does."""
    failures = defaultdict(list)
    for language in languages:
        message = message_types.sample(unique_name, preview.SAMPLE_RECIPIENT, language)
        try:
            preview.render(message, channel_type, channel)
        except Exception as error:
            # Without what differs from message to message, so that one failure in every language is one line.
            failures[preview.describe(error).replace(message.log_id, unique_name)].append(language)
    return failures
