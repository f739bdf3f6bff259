"""Internal: what the front end says and what campaigns call it: keywords, recipients, times."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from edx_ace.campaigns.models import Campaign, Variant

#: Keywords of the LMS, and ours.
KEYWORDS = {"USER_FULLNAME": "full_name", "COURSE_DISPLAY_NAME": "course_name", "COURSE_END_DATE": "course_end"}

_THEIRS = re.compile(r"%%([A-Z_]+)%%")
_OURS = re.compile(r"\{\{ (\w+) \}\}")
_THEIR_NAMES = {ours: theirs for theirs, ours in KEYWORDS.items()}

#: Recipients with a parameter: what it is called in ours. Those without are called the same.
_PARAMETERS = {"cohort": "cohort", "track": "track"}
_PLAIN = ("myself", "staff", "learners")


def text_in(text: str) -> str:
    """
    Return *text* with our keywords.

    Raises:
        ValueError: If there is none for one of the LMS.
    """
    for name in _THEIRS.findall(text):
        if name not in KEYWORDS:
            known = ", ".join(f"%%{one}%%" for one in KEYWORDS)
            raise ValueError(f"There is no keyword %%{name}%% here. Known: {known}.")
    return _THEIRS.sub(lambda match: f"{{{{ {KEYWORDS[match[1]]} }}}}", text)


def text_out(text: str) -> str:
    """Return *text* with the keywords of the LMS."""
    return _OURS.sub(lambda match: f"%%{_THEIR_NAMES[match[1]]}%%" if match[1] in _THEIR_NAMES else match[0], text)


def parts_in(targets: object) -> list[dict[str, Any]]:
    """
    Return the parts that *targets* are, such as ``["staff", "cohort:Harbour"]``, or the same as JSON.

    Raises:
        ValueError: If they are none.
    """
    expected = f"Expected a JSON list of recipients, given {targets!r}."
    try:
        given = json_in(targets) if isinstance(targets, str) else targets
    except ValueError:
        raise ValueError(expected) from None
    if not isinstance(given, list) or not all(isinstance(target, str) for target in given):
        raise ValueError(expected)
    return [_part_in(target) for target in given]


def _part_in(target: str) -> dict[str, Any]:
    kind, _, value = target.partition(":")
    if target in _PLAIN:
        return {"audience": target}
    if kind in _PARAMETERS and value:
        return {"audience": kind, "params": {_PARAMETERS[kind]: value}}
    raise ValueError(f"Expected {', '.join(_PLAIN)}, cohort:NAME or track:MODE, given {target!r}.")


def targets_out(campaign: Campaign) -> list[str]:
    """Return who *campaign* goes to; what the LMS has no words for, by its name."""
    return [
        f"{part.audience}:{part.params[_PARAMETERS[part.audience]]}" if part.audience in _PARAMETERS else part.audience
        for part in campaign.parts.all()
        if not part.is_excluded
    ]


def json_in(text: str | bytes) -> Any:
    """
    Return what *text* is.

    Raises:
        ValueError: If it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("The JSON is nested too deeply.") from None


def schedule_in(moment: object) -> dict[str, str]:
    """
    Return the fields that say that a campaign starts at *moment*, ISO 8601; at once without one.

    Raises:
        ValueError: If it is no moment.
    """
    if not moment:
        return {"timing": "now"}
    parsed = parse_datetime(moment) if isinstance(moment, str) else None
    if parsed is None:
        raise ValueError(f"Expected schedule to be a time such as 2030-01-31T10:00:00Z, given {moment!r}.")
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    try:
        there = parsed.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"There is no {moment} in UTC: choose another year.") from None
    return {"timing": "at", "zone": "UTC", "wall_time": there.strftime("%Y-%m-%dT%H:%M")}


def fields_in(email: Mapping[str, Any], language: str) -> dict[str, Any]:
    """
    Return the fields of a campaign that *email* has: its recipients, its subject and its text, in *language*.

    Raises:
        ValueError: If one is missing or none.
    """
    given = [email.get(name) for name in ("subject", "message")]
    if not all(isinstance(text, str) and text.strip() for text in given):
        raise ValueError("Expected a subject and a message.")
    subject, message = map(text_in, map(str, given))
    variant = {"channel_type": "email", "language": language, "subject": subject, "format": "html", "source": message}
    return {"parts": parts_in(email.get("targets")), "variants": [variant]}


def email_out(campaign: Campaign, course: str) -> dict[str, Any]:
    """Return what is written in *campaign*, as the LMS has it."""
    variants: Sequence[Variant] = campaign.variants.filter(channel_type="email", language=campaign.language)
    subject, message = next(((one.subject, one.source) for one in variants), (campaign.name, ""))
    return {
        "id": campaign.pk,
        "course_id": course,
        "sender": None if campaign.author is None else campaign.author.get_username(),
        "subject": text_out(subject),
        "html_message": text_out(message),
        "targets": targets_out(campaign),
    }


def schedule_out(campaign: Campaign, course: str) -> dict[str, Any]:
    """Return *campaign*, which is scheduled, as the LMS has it."""
    return {
        "id": campaign.pk,
        "course_email": email_out(campaign, course),
        "task": str(campaign.uuid),
        "task_due": moment_out(campaign.due_at),
    }


def page_out(results: Iterable[Any], count: int, number: int, pages: int) -> dict[str, Any]:
    """Return a page of *results*."""
    return {"count": count, "num_pages": pages, "current_page": number, "results": list(results)}


def moment_out(moment: datetime) -> str:
    """Return *moment* as ISO 8601 in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
