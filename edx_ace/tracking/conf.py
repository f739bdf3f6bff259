"""
Public: every setting of tracking, with its type, default and meaning; read as those of `edx_ace.conf`.
"""

from __future__ import annotations

from typing import Any

from edx_ace import conf


class Settings(conf.Settings):
    """Reads ``ACE_<NAME>`` from Django's settings on every access, else the default given here."""

    #: How many soft bounces suppress an address, if nothing was delivered to it in between.
    SOFT_BOUNCE_LIMIT: int = 5
    #: Within how many days they have to come.
    SOFT_BOUNCE_DAYS: float = 30
    #: For how many days soft bounces then suppress the address.
    SOFT_BOUNCE_SUPPRESS_DAYS: float = 90
    #: How long ``ace_outbox purge`` keeps what providers said, in days; it goes with its delivery in any case.
    PROVIDER_EVENTS_KEEP_DAYS: float = 90
    #: How long it keeps who added and lifted suppressions, in days.
    SUPPRESSION_CHANGES_KEEP_DAYS: float = 1095
    #: What a channel may cost in a calendar month (UTC), as text, by the name of the channel:
    #: ``{"sms": {"amount": "500", "then": "deny"}}``. Then ``deny`` skips what is too much, ``defer`` keeps it for the
    #: next month. The policy ``budget`` keeps to it.
    BUDGETS: dict[str, dict[str, str]] = {}
    #: Where ``manage.py ace_bounces`` reads what comes back: ``{"host": …, "user": …, "password": …}``, and if they
    #: differ ``"port": 993, "ssl": True, "folder": "INBOX"``. With ``"done_folder": "Processed"`` it moves what it has
    #: recorded there, otherwise it deletes it.
    BOUNCE_MAILBOX: dict[str, Any] = {}
    #: Dotted path of a callable ``consent(messages)`` that returns for each of a list of messages whether its recipient
    #: agreed to opens and clicks being counted. Unset: what the category says (``"track"``) suffices.
    TRACKING_CONSENT: str | None = None
    #: How long ``ace_outbox purge`` keeps single opens and clicks, links and the figures of single sends, in days;
    #: figures by day stay. A link in a mail that is older leads nowhere any more.
    TRACKING_KEEP_DAYS: float = 400


settings = Settings()
