"""
Internal: a process that finds the members of a campaign, or puts them into the outbox, until it is killed.

``python -m tests.campaigns.killed DATABASE CAMPAIGN resolve|expand NUMBER`` kills itself at that person.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from typing import Any

import django
from django.conf import settings

CHUNK_SIZE = 50


def main(database: str, campaign_pk: str, what: str, number: str) -> None:
    """Do *what* for a campaign of that *database*."""
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from edx_ace.campaigns import audiences, expanding, resolving
    from edx_ace.campaigns.models import Campaign
    from tests.campaigns.conftest import Accounts

    calls = count(1)

    def killing(function: Any) -> Any:
        def call(*args: Any) -> Any:
            if next(calls) == int(number):
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args)

        return call

    audiences.register(Accounts)
    Accounts.person = killing(Accounts.person)  # type: ignore[method-assign]
    expanding.uuid_of = killing(expanding.uuid_of)  # type: ignore[attr-defined]
    resolving.CHUNK_SIZE = expanding.CHUNK_SIZE = CHUNK_SIZE
    campaign = Campaign.objects.get(pk=campaign_pk)
    if what == "resolve":
        assert campaign.resolution is not None
        resolving.resolve(campaign.resolution, lambda: True)
    else:
        expanding.expand(campaign, lambda: True)


if __name__ == "__main__":
    main(*sys.argv[1:])
