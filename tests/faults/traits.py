"""
Internal: what sets single workers of a test of faults apart from others; each is named when they are started.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine
from django.conf import settings

from edx_ace import Message, Policy, PolicyResult, policy
from edx_ace.channel.django_email import DjangoEmailChannel


def clock_ahead() -> None:
    """Let the worker's clock be an hour ahead."""
    _set_clock(timedelta(hours=1))


def clock_behind() -> None:
    """Let the worker's clock be an hour behind."""
    _set_clock(-timedelta(hours=1))


def _set_clock(by: timedelta) -> None:
    time_machine.travel(datetime.now(tz=UTC) + by, tick=True).start()


def stops_itself() -> None:
    """Stop with SIGSTOP while the message to "stop" is prepared; once in each worker."""
    stopped = []

    def stop() -> None:
        if not stopped:
            stopped.append(True)
            (Path(settings.FAULTS["journal"]).parent / f"stopped-{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGSTOP)

    _when_prepared("stop", stop)


def dies_of_poison() -> None:
    """End with SIGKILL when the message to "poison" is prepared, and when the one to "venom" is handed over."""
    _when_prepared("poison", _die)
    compose = DjangoEmailChannel.compose

    def deadly(self: DjangoEmailChannel, message: Message, *args: Any, **kwargs: Any) -> Any:
        if _name(message) == "venom":
            _die()
        return compose(self, message, *args, **kwargs)

    DjangoEmailChannel.compose = deadly


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _when_prepared(name: str, act: Callable[[], None]) -> None:
    class Acts(Policy):
        def check(self, message: Message) -> PolicyResult:
            if _name(message) == name:
                act()
            return PolicyResult()

    policy.policies = lambda: [Acts()]


def _name(message: Message) -> str:
    return str(message.recipient.email_address).partition("@")[0]
