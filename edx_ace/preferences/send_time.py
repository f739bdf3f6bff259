"""
Public: the policy ``send_time``, which lets a plug-in name a better moment for a person and category.

A plug-in subclasses `Estimator` and is found under the entry-point group ``openedx.ace.send_time`` by the name in
ACE_SEND_TIME. It is constructed once, without arguments, and shared by all threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import attrs

from edx_ace.channel import ChannelType
from edx_ace.errors import ConfigurationError
from edx_ace.message import Message
from edx_ace.policy import Policy, PolicyResult
from edx_ace.preferences.conf import settings
from edx_ace.preferences.digests import is_held
from edx_ace.preferences.lookup import NOTHING, asked_about
from edx_ace.preferences.places import zones_of
from edx_ace.utils import date
from edx_ace.utils.plugins import get_plugins

SEND_TIME_NAMESPACE = "openedx.ace.send_time"


@attrs.frozen
class Question:
    """
    When should a message go?

    Attributes:
        person: Whom it goes to, as tables know them: see `edx_ace.outbox.people.person_key`.

        category: Name of what it is about.

        channel_type: What it goes over.

        zone: The person's time zone.

        earliest, latest: Between which moments (aware, UTC).
    """

    person: str
    category: str
    channel_type: ChannelType
    zone: ZoneInfo
    earliest: datetime
    latest: datetime


class Estimator(ABC):
    """Names better moments."""

    @classmethod
    def enabled(cls) -> bool:
        """Whether it can be used as the site is configured now."""
        return True

    @abstractmethod
    def best_moments(self, questions: Sequence[Question]) -> Sequence[datetime | None]:
        """
        Return, for each of *questions* in order, the moment (aware) from which the message should go; None: at once.

        One query should answer for all of them. What lies after ``latest`` counts as that.
        """


class SendTimePolicy(Policy):
    """
    Defers messages of the outbox once to the moment that a plug-in names for the person and category.

    Only of categories that say ``"send_time": True`` in ACE_CATEGORIES, and only what has not waited for anything yet.
    """

    @classmethod
    def enabled(cls) -> bool:
        """Whether a plug-in is named."""
        return bool(settings.SEND_TIME)

    def check(self, message: Message) -> PolicyResult:
        """Return the better moment for *message*."""
        return self.check_many([message])[0]

    def check_many(self, messages: Sequence[Message]) -> list[PolicyResult]:
        """Return the better moment for each of *messages*; the plug-in is asked once for all of them."""
        earliest = date.get_current_time()
        latest = earliest + timedelta(hours=settings.SEND_TIME_HOURS)
        questions: list[Question] = []
        defers: list[dict[ChannelType, int]] = []
        for asked, zone in zip(asked_about(messages), zones_of(messages), strict=True):
            defers.append({})
            category = asked.category
            if category is None or asked.person is None or not category.more.get("send_time") or not asked.waited:
                continue
            for channel_type, code in asked.waited.items():
                if not code and not is_held(asked, channel_type):
                    defers[-1][channel_type] = len(questions)
                    questions.append(Question(asked.person, category.name, channel_type, zone, earliest, latest))
        moments = _moments(questions)
        results = []
        for places in defers:
            defer = {
                channel_type: min(moment, latest)
                for channel_type, number in places.items()
                if (moment := moments[number]) is not None and moment > earliest
            }
            reason = "It goes when the person is most likely to read it."
            results.append(PolicyResult(defer=defer, code="send_time", reason=reason) if defer else NOTHING)
        return results


def estimator() -> Estimator:
    """
    Return the plug-in that ACE_SEND_TIME names.

    Raises:
        ConfigurationError: If it cannot be used.
    """
    name = settings.SEND_TIME
    plugins = get_plugins(SEND_TIME_NAMESPACE, [name] if name else [])
    if not plugins:
        raise ConfigurationError(f"ACE_SEND_TIME names {name!r}, which cannot be used; run manage.py check.")
    return cast(Estimator, plugins[0].obj)


def _moments(questions: Sequence[Question]) -> list[datetime | None]:
    if not questions:
        return []
    moments = list(estimator().best_moments(questions))
    if len(moments) != len(questions):
        raise ConfigurationError(
            f"{settings.SEND_TIME}.best_moments must return one moment for each of {len(questions)} questions, given "
            f"{len(moments)}."
        )
    return moments
