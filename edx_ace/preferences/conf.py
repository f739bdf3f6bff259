"""
Public: every setting of preferences, with its type, default and meaning; read as those of `edx_ace.conf`.
"""

from __future__ import annotations

from edx_ace import conf


class Settings(conf.Settings):
    """Reads ``ACE_<NAME>`` from Django's settings on every access, else the default given here."""

    #: Postal address of whoever sends, which has to stand in every mail that is not essential: lines of text, or the
    #: dotted path of a callable ``postal_address(message)`` returning them.
    POSTAL_ADDRESS: str | None = None


settings = Settings()
