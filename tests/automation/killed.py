"""
Internal: a process that claims what is due, and is killed before it has put it into the outbox.

``python -m tests.automation.killed DATABASE NUMBER`` kills itself at that message.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from typing import Any

import django
from django.conf import settings


def main(database: str, number: str) -> None:
    """Do what a sweep does for scheduled messages of that *database*."""
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from edx_ace.automation import sending

    prepare = sending._prepare
    calls = count(1)

    def killing(row: Any, recipients: Any) -> Any:
        if next(calls) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return prepare(row, recipients)

    sending._prepare = killing
    sending.tick()


if __name__ == "__main__":
    main(*sys.argv[1:])
