"""
Public: every setting of the outbox, with its type, default and meaning; read as those of `edx_ace.conf`.
"""

from __future__ import annotations

from edx_ace import conf


class Settings(conf.Settings):
    """Reads ``ACE_<NAME>`` from Django's settings on every access, else the default given here."""

    #: Whether ``edx_ace.send`` and ``send_many`` leave their deliveries in the tables of the outbox.
    RECORD_SENDS: bool = False
    #: How many messages a worker may be handing over at once: they share one permit and one record of what came of
    #: them. A worker that is killed repeats at most these. Essential messages go one by one.
    OUTBOX_WINDOW: int = 10
    #: How many deliveries a worker claims, renders and asks policies about together.
    OUTBOX_BATCH: int = 100
    #: For how long a claim lasts without progress, in seconds: after that another worker continues. Longer than the
    #: time that a channel may take for one message (EMAIL_TIMEOUT).
    OUTBOX_LEASE_SECONDS: int = 120
    #: How long a worker that found nothing waits before it looks again, in seconds.
    OUTBOX_POLL_SECONDS: float = 1
    #: How often a delivery is attempted before it fails; throttling and a channel that is down do not count.
    OUTBOX_MAX_ATTEMPTS: int = 10
    #: Longest wait before the second attempt, in seconds; it doubles with each further one, up to an hour.
    OUTBOX_RETRY_SECONDS: int = 30
    #: How long ``ace_outbox purge`` keeps deliveries that are done with, their messages and their counts, in days.
    OUTBOX_KEEP_DAYS: float = 90
    #: How long it keeps the history of their attempts, in days.
    OUTBOX_KEEP_ATTEMPTS_DAYS: float = 30
    #: For how long an essential message may be due before the health view reports a problem, in seconds.
    OUTBOX_ALERT_ESSENTIAL_SECONDS: float = 300
    #: For how long any message may, in seconds; longer where great numbers wait for each other, as newsletters do.
    OUTBOX_ALERT_DUE_SECONDS: float = 3600


settings = Settings()
