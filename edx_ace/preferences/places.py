"""
Public: the time zone and the language of people, as the host's ACE_PEOPLE says.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import attrs
from django.conf import settings as django_settings
from django.utils.module_loading import import_string

from edx_ace.errors import ConfigurationError
from edx_ace.message import Message
from edx_ace.policy import shared_notes
from edx_ace.preferences.conf import settings
from edx_ace.recipient import Recipient

LOG = logging.getLogger(__name__)


@attrs.frozen
class Place:
    """
    Where a person is, as far as messages go by it.

    Attributes:
        zone: Their time zone.

        language: A language code.
    """

    zone: ZoneInfo
    language: str


def places_of(recipients: Sequence[Recipient]) -> list[Place]:
    """
    Return the place of each of *recipients*; the host is asked once for all of them.

    Raises:
        ConfigurationError: If ACE_PEOPLE answers with anything but one pair for each.
    """
    default = Place(_zone(django_settings.TIME_ZONE) or ZoneInfo("UTC"), django_settings.LANGUAGE_CODE)
    if not settings.PEOPLE:
        return [default] * len(recipients)
    given = import_string(settings.PEOPLE)(recipients)
    if not isinstance(given, Sequence) or len(given) != len(recipients):
        raise ConfigurationError(
            f"ACE_PEOPLE must return one pair for each of {len(recipients)} recipients, in order, given "
            f"{len(given) if isinstance(given, Sequence) else 'a'} {type(given).__name__}."
        )
    return [_place(one, default) for one in given]


def zones_of(messages: Sequence[Message]) -> list[ZoneInfo]:
    """Return the time zone of whom each of *messages* goes to; the host is asked once a batch for each person."""
    if not settings.PEOPLE:
        return [place.zone for place in places_of([Recipient(None)])] * len(messages)
    known: dict[int, ZoneInfo] = shared_notes().setdefault(__name__, {})
    missing = {id(message): message.recipient for message in messages if id(message) not in known}
    found = places_of([Recipient(None) if one is None else one for one in missing.values()]) if missing else []
    known.update(zip(missing, (place.zone for place in found), strict=True))
    return [known[id(message)] for message in messages]


def _place(given: Any, default: Place) -> Place:
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ConfigurationError(
            f"ACE_PEOPLE must return pairs of a time zone and a language, such as ('Asia/Tokyo', 'ja'), given a "
            f"{type(given).__name__}."
        )
    zone, language = given
    if zone and not isinstance(zone, ZoneInfo):
        zone = _zone(str(zone))
    return Place(zone or default.zone, language or default.language)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # People's profiles hold what they hold; their messages go all the same.
        LOG.warning("There is no time zone called %r; the site's own is used instead.", name)
        return None
