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
    #: For how long a claim lasts without progress, in seconds: after that another worker continues.
    OUTBOX_LEASE_SECONDS: int = 120
    #: How long handing over the messages of one window may take in all, in seconds; shorter than the lease. What is on
    #: its way then may have been accepted, and what was not begun waits.
    OUTBOX_HANDOVER_SECONDS: int = 60
    #: How long a worker that found nothing waits before it looks again, in seconds.
    OUTBOX_POLL_SECONDS: float = 1
    #: Whether Celery's workers deliver: what is enqueued rings for them when it is committed.
    OUTBOX_CELERY: bool = False
    #: How often a delivery is attempted before it fails; throttling and a channel that is down do not count.
    OUTBOX_MAX_ATTEMPTS: int = 10
    #: Longest wait before the second attempt, in seconds; it doubles with each further one, up to an hour.
    OUTBOX_RETRY_SECONDS: int = 30
    #: Secrets, oldest first, for the digests by which people without an account are known (`edx_ace.outbox.people`).
    #: Add one at the end and run ``manage.py ace_rehash``; never take one out. Unset: ``SECRET_KEY``, so that what such
    #: people chose is lost with it.
    ADDRESS_KEYS: list[str] = []
    #: How many messages a channel may be given in a time, over all workers, by the name of the channel:
    #: ``{"django_email": "14/s, 50000/day"}``. The times are s, min, h and day. What exceeds a limit waits.
    RATE_LIMITS: dict[str, str] = {}
    #: Which share of each limit is kept for essential messages, from 0 to below 1; at least one message, if not 0.
    RATE_LIMITS_RESERVE: float = 0.1
    #: URL of the Redis database that keeps how much of the limits is used, as redis-py reads it; one for each site.
    #: Unset: a row for each limited channel in the outbox's database.
    RATE_LIMITS_REDIS: str | None = None
    #: What one unit of a channel costs, as text, in the site's currency: ``{"django_email": "0.0001"}``, or by provider
    #: where the channel has several: ``{"sms": {"twilio": "0.0083"}}``. What is not named costs nothing.
    PRICES: dict[str, str | dict[str, str]] = {}
    #: How long ``ace_outbox purge`` keeps deliveries that are done with, their messages, their counts, and what each
    #: send cost, in days.
    OUTBOX_KEEP_DAYS: float = 90
    #: How long it keeps the history of their attempts, in days.
    OUTBOX_KEEP_ATTEMPTS_DAYS: float = 30
    #: For how long an essential message may be due before the health view reports a problem, in seconds.
    OUTBOX_ALERT_ESSENTIAL_SECONDS: float = 300
    #: For how long any message may, in seconds; longer where great numbers wait for each other, as newsletters do.
    OUTBOX_ALERT_DUE_SECONDS: float = 3600
    #: For how long a channel may be left alone, because it fails, before that is a problem, in seconds.
    OUTBOX_ALERT_CIRCUIT_SECONDS: float = 60


settings = Settings()
