"""
Internal: the links in messages by which people choose without logging in, and what they stand for.

A link is made for one purpose and is worth nothing for another. It leads to ACE_BASE_URL and never to wherever a
request came from. `Mandate.read` is how a page learns for whom it acts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self
from urllib.parse import urljoin

import attrs
from django.urls import reverse
from django.utils.translation import get_language

from edx_ace import categories
from edx_ace.categories import Category
from edx_ace.channel import ChannelType
from edx_ace.content.absolute_urls import base_url
from edx_ace.errors import BadTokenError
from edx_ace.message import Message
from edx_ace.message_types import MessageTypeInfo, info
from edx_ace.outbox.people import person_key, rehashed, shortened
from edx_ace.tokens import seal, unseal

#: Purposes, each the name of the page under ``ace_web`` that takes it.
UNSUBSCRIBE = "unsubscribe"
PREFERENCES = "preferences"
VIEW = "view"

#: Says what is known about a message type.
About = Callable[[str, str], MessageTypeInfo]

_NAME_OF_PAGE = {UNSUBSCRIBE: "ace_web:unsubscribe", PREFERENCES: "ace_web:preferences_by_link", VIEW: "ace_web:view"}


@attrs.frozen(kw_only=True)
class Mandate:
    """
    For whom the holder of a link acts, and about what.

    Attributes:
        person: As `edx_ace.outbox.people.person_key` returns it now, also if keys were added since the link was made.

        language: Of the message that held the link.

        message: The uuid of that message.

        category, channel_type, scope: What that message was of.

        is_test: Whether that message was a test (``options["is_test"]``): its links show pages and change nothing.
    """

    person: str
    language: str
    message: str
    category: str
    channel_type: str
    scope: str
    is_test: bool = attrs.field(converter=bool)

    @classmethod
    def of(cls, message: Message, channel_type: ChannelType, about: About = info) -> Self | None:
        """
        Return what links in *message* stand for, in the active language; None: nobody can be known by them.

        Args:
            message, channel_type: Where the links are.

            about: `info`, or what remembers it for whoever asks for many messages.
        """
        person = person_key(message.recipient)
        if person is None:
            return None
        return cls(
            person=person,
            language=get_language() or "",
            message=str(message.uuid),
            category=about(message.app_label, message.name).category_of(message),
            channel_type=str(channel_type),
            scope=shortened(categories.scope_of(message)),
            is_test=message.options.get("is_test", False),
        )

    @classmethod
    def read(cls, purpose: str, token: str) -> Self:
        """
        Return what *token* stands for.

        Raises:
            BadTokenError: If it was not made for *purpose*.
        """
        parts = unseal(purpose, token)
        if len(parts) != len(_PARTS):
            raise BadTokenError
        mandate = cls(**dict(zip(_PARTS, parts, strict=True)))
        return attrs.evolve(mandate, person=rehashed(mandate.person) or mandate.person)

    @property
    def parts(self) -> tuple[str, ...]:
        """What a token is made of, whatever it is for."""
        return (
            self.person,
            self.language,
            self.message,
            self.category,
            self.channel_type,
            self.scope,
            "1" if self.is_test else "",
        )

    def token(self, purpose: str) -> str:
        """Return the token for *purpose*."""
        return seal(purpose, *self.parts)

    def path(self, purpose: str) -> str:
        """
        Return the path of the page for *purpose*.

        Raises:
            NoReverseMatch: If the site does not include ``edx_ace.web.urls``.
        """
        return path(purpose, self.token(purpose))

    def url(self, purpose: str, message: Message) -> str:
        """
        Return the URL of the page for *purpose*, on the site of *message*.

        Raises:
            ConfigurationError: If ACE_BASE_URL is not set.
            NoReverseMatch: If the site does not include ``edx_ace.web.urls``.
        """
        return address(purpose, message, self.token(purpose))


#: Of a token, in order.
_PARTS = tuple(field.name for field in attrs.fields(Mandate))


def path(purpose: str, token: str) -> str:
    """
    Return the path of the page for *purpose* to which *token* leads.

    Raises:
        NoReverseMatch: If the site does not include ``edx_ace.web.urls``.
    """
    return reverse(_NAME_OF_PAGE[purpose], args=[token])


def address(purpose: str, message: Message, token: str) -> str:
    """
    Return the URL of the page for *purpose* to which *token* leads, on the site of *message*.

    Raises:
        ConfigurationError: If ACE_BASE_URL is not set.
        NoReverseMatch: If the site does not include ``edx_ace.web.urls``.
    """
    there = path(purpose, token)
    return urljoin(base_url(message, there), there)


def url(message: Message, channel_type: ChannelType, purpose: str) -> str:
    """
    Return the URL in *message* for *purpose*, in the active language; empty where there is nothing to be done by it.

    Raises:
        ConfigurationError: If ACE_BASE_URL is not set.
        NoReverseMatch: If the site does not include ``edx_ace.web.urls``.
    """
    if purpose == UNSUBSCRIBE and left_by(message) is None:
        return ""
    mandate = Mandate.of(message, channel_type)
    return "" if mandate is None else mandate.url(purpose, message)


def left_by(message: Message, about: About = info) -> Category | None:
    """
    Return the category that the recipient of *message* can unsubscribe from; None: it is essential.

    Args:
        message: The message.

        about: As for `Mandate.of`.

    Raises:
        UnknownCategoryError: If its category does not exist.
    """
    known = about(message.app_label, message.name)
    if known.is_essential(message):
        return None
    category = categories.get(known.category_of(message))
    return category if category.can_be_turned_off else None
