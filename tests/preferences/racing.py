"""
Internal: a process that sends to people who have a cap, and stops once after it has counted what they have got.

``python -m tests.preferences.racing DATABASE CAP send|work|fold PERSON…`` prints a line when it has counted, goes on
when it reads one, and prints to whom it has sent something, and the codes of what it has not sent. With ``work`` it is
a worker that empties the outbox, five at a time, and with ``fold`` one that makes digests, today.
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import django
from django.conf import settings

#: A Wednesday.
NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)


def main(database: str, cap: str, what: str, *people: str) -> None:
    """Send a message to each of *people*, or what is in the outbox of that *database*."""
    settings.DATABASES["default"]["NAME"] = database
    settings.ACE_CATEGORIES = {"news": {"label": "News", "digest": what == "fold"}}
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}}
    settings.ACE_ENABLED_POLICIES = ["frequency_cap", "digest"]
    settings.ACE_FREQUENCY_CAPS = {"email": cap}
    settings.ACE_CHANNEL_DEFAULT_EMAIL = None
    settings.ACE_OUTBOX_BATCH = 5
    django.setup()
    from django.core.management import call_command

    from edx_ace import Recipient, ace, channel
    from edx_ace.channel import ChannelMap, ChannelType
    from edx_ace.preferences.caps import FrequencyCapPolicy
    from edx_ace.testing import frozen_clock
    from tests.pipeline import Recorder, welcome

    mail = Recorder()
    registered = ChannelMap([("mail", mail)])
    channel.channels = lambda: registered
    take, has_stopped = FrequencyCapPolicy._take, False

    def stopping(self: FrequencyCapPolicy, *args: Any) -> Any:
        nonlocal has_stopped
        counted = take(self, *args)
        if not has_stopped:
            has_stopped = True
            say("counted")
            sys.stdin.readline()
        return counted

    FrequencyCapPolicy._take = stopping  # type: ignore[method-assign, assignment]
    codes: set[str] = set()
    with nullcontext() if what == "fold" else frozen_clock(NOON):
        if what != "send":
            call_command("ace_worker", once=True, stdout=sys.stderr)
        messages = [welcome(recipient=Recipient(int(one), f"p{one}@example.com")) for one in people]
        for report in ace.send_many(messages):
            found = report[ChannelType.EMAIL]
            codes |= {found.code} if found and found.code else set()
    say([message.recipient.lms_user_id for message in mail.delivered if message.recipient], sorted(codes))


def say(*what: Any) -> None:
    """Tell the process that started this one."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
