"""
Public: every setting of the pages, with its type, default and meaning; read as those of `edx_ace.conf`.
"""

from __future__ import annotations

from edx_ace import conf


class Settings(conf.Settings):
    """Reads ``ACE_<NAME>`` from Django's settings on every access, else the default given here."""

    #: Dotted path of a callable ``recipient_of(user)``: returns the Recipient of messages for a logged-in user, or None
    #: if there are none. Unset: the user's primary key and email address.
    RECIPIENT_OF_USER: str | None = None


settings = Settings()
