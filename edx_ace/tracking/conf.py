"""
Public: every setting of tracking, with its type, default and meaning; read as those of `edx_ace.conf`.
"""

from __future__ import annotations

from edx_ace import conf


class Settings(conf.Settings):
    """Reads ``ACE_<NAME>`` from Django's settings on every access, else the default given here."""

    #: Dotted path of a callable ``consent(messages)`` that returns for each of a list of messages whether its recipient
    #: agreed to opens and clicks being counted. Unset: what the category says (``"track"``) suffices.
    TRACKING_CONSENT: str | None = None
    #: For how long single opens and clicks, links and the figures of single sends are kept, in days; figures by day
    #: stay. A link of a mail that is older leads nowhere any more.
    TRACKING_KEEP_DAYS: float = 400


settings = Settings()
