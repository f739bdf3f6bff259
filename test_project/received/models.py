"""Internal: a message as it came in over SMTP."""

from __future__ import annotations

import re
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from html import unescape

from django.conf import settings
from django.db import models
from django.urls import reverse

#: The hidden text with which a message begins, up to the characters that pad it.
_PREHEADER = re.compile(r'<div class="ace-preheader"[^>]*>\s*([^<]*?)\s*(?:\u034f|<)')
_HTML_LANGUAGE = re.compile(r"<html[^>]*\slang=[\"']?([\w-]+)", re.IGNORECASE)


class ReceivedMessage(models.Model):
    """One message: its SMTP envelope, its bytes, and what those say when parsed."""

    received_at = models.DateTimeField()
    envelope_from = models.CharField(max_length=320)
    envelope_to = models.CharField(max_length=320)
    source = models.BinaryField()
    sender = models.CharField(max_length=320)
    subject = models.TextField()
    language = models.CharField(max_length=10, choices=settings.LANGUAGES, db_index=True)
    html = models.TextField()
    text = models.TextField()

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.envelope_to}: {self.subject}"

    def get_absolute_url(self) -> str:
        return reverse("received:message", args=[self.pk])

    @classmethod
    def parse(
        cls, source: bytes, *, pk: int, envelope_from: str, envelope_to: str, received_at: datetime
    ) -> ReceivedMessage:
        """Return *source*, unsaved, with its headers and bodies decoded."""
        parsed = message_from_bytes(source, policy=policy.default)
        html = _body(parsed, "html")
        language = _HTML_LANGUAGE.search(html)
        return cls(
            pk=pk,
            received_at=received_at,
            envelope_from=envelope_from,
            envelope_to=envelope_to,
            source=source,
            sender=_header(parsed, "From"),
            subject=_header(parsed, "Subject"),
            language=language.group(1) if language else "",
            html=html,
            text=_body(parsed, "plain"),
        )

    @property
    def sender_name(self) -> str:
        """The sender's display name, or the address."""
        name, address = parseaddr(self.sender)
        return name or address

    @property
    def recipient(self) -> str:
        """The address it came to, with an internationalised domain in its own script."""
        mailbox, _, domain = self.envelope_to.rpartition("@")
        return f"{mailbox}@{domain.encode().decode('idna')}" if domain.isascii() else self.envelope_to

    @property
    def preview(self) -> str:
        """What mail programs show beside the subject: the hidden text with which the message begins, or its text."""
        preheader = _PREHEADER.search(unescape(self.html))
        return preheader[1] if preheader and preheader[1] else self.text

    @property
    def source_text(self) -> str:
        """The bytes as they came, for reading."""
        return bytes(self.source).decode("utf-8", "replace")


def _header(message: EmailMessage, name: str) -> str:
    # Python 3.11 leaves the space of a line that is folded right after the name.
    return str(message[name] or "").strip()


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""
