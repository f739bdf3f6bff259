"""
Internal: the emails, mail servers and mail backends that tests of email put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import django
from django.core.mail.backends.base import BaseEmailBackend
from pytest_django import Settings

from edx_ace import ChannelType, Message, Recipient
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.envelope import Parcel, seal
from edx_ace.renderers import RenderedEmail

SMTP = "django.core.mail.backends.smtp.EmailBackend"
ANYMAIL = "anymail.backends.test.EmailBackend"

#: Django's settings for what MAILERS calls otherwise.
_SETTINGS = {"username": "EMAIL_HOST_USER", "password": "EMAIL_HOST_PASSWORD"}


def use_backend(settings: Settings, path: str, **options: Any) -> None:
    """Make *path* the mail backend of the site: through MAILERS where Django has it, else through EMAIL_*."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": path, "OPTIONS": options}}
    else:
        settings.EMAIL_BACKEND = path
        for name, value in options.items():
            setattr(settings, _SETTINGS.get(name, f"EMAIL_{name.upper()}"), value)


def parcel(to: object = "ann@example.com", /, headers: dict[str, Any] | None = None, **fields: Any) -> Parcel:
    """Return an email: *fields* that RenderedEmail has are rendered ones, the others are options."""
    rendered = {"from_name": "", "subject": "Hello", "body_html": "<p>Hi</p>", "head_html": "", "body": "Hi"}
    options = {name: value for name, value in fields.items() if name not in rendered}
    rendered |= {name: value for name, value in fields.items() if name in rendered}
    message = Message(
        app_label="tests",
        name="welcome",
        recipient=Recipient(None, to),  # type: ignore[arg-type]
        options=options,
        headers=headers or {},
    )
    return Parcel(message, DjangoEmailChannel(), RenderedEmail(**rendered), seal(message, ChannelType.EMAIL))


def deliver(one: Parcel) -> str | None:
    """Deliver one email through the channel."""
    return DjangoEmailChannel().deliver(one.message, one.rendered)


def deliver_many(parcels: Sequence[Parcel]) -> list[str | Exception | None]:
    """Deliver a batch through the channel."""
    return list(DjangoEmailChannel().deliver_many(parcels))


def codes(results: Sequence[str | Exception | None]) -> list[str]:
    """Return "sent" or the error's code for each result."""
    return [
        getattr(result, "code", type(result).__name__) if isinstance(result, Exception) else "sent"
        for result in results
    ]


class ScriptedBackend(BaseEmailBackend):
    """A mail backend that raises or returns what the script holds, in turn, and then succeeds."""

    script: ClassVar[list[Any]] = []
    opened: ClassVar[int] = 0

    def open(self) -> None:
        type(self).opened += 1

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        outcome = self.script.pop(0) if self.script else len(email_messages)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
