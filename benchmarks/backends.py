"""
Internal: mail backends: one such as a careful site writes for the released edx-ace, and one that counts and forgets.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend as SmtpBackend

_thread = threading.local()


class KeptOpen(BaseEmailBackend):
    """Sends over Django's SMTP backend, one for each thread, so that each keeps its connection open."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send *email_messages* and return how many were sent."""
        if not hasattr(_thread, "backend"):
            _thread.backend = SmtpBackend()
            _thread.backend.open()
        return _thread.backend.send_messages(email_messages) or 0


class Tally(BaseEmailBackend):
    """Sends nothing, and lets the file that the setting BENCHMARK_TALLY names grow by a byte for each message."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Count *email_messages* and return how many there are."""
        tally = os.open(settings.BENCHMARK_TALLY, os.O_WRONLY | os.O_APPEND)
        try:
            return os.write(tally, b"." * len(email_messages))
        finally:
            os.close(tally)
