"""
Internal: a mail backend such as a careful site writes for the released edx-ace: each thread keeps its connection open.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend as SmtpBackend

_thread = threading.local()


class KeptOpen(BaseEmailBackend):
    """Sends over Django's SMTP backend, one for each thread, which is opened once."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send *email_messages* and return how many were sent."""
        if not hasattr(_thread, "backend"):
            _thread.backend = SmtpBackend()
            _thread.backend.open()
        return _thread.backend.send_messages(email_messages) or 0
