"""
Internal: worker groups that are killed with SIGKILL while a mail server answers in every way it may.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.faults import mail
from tests.faults.nemesis import PATIENCE_SECONDS, Nemesis, wait_until_done
from tests.faults.trial import Trial

GROUPS = 2
PROCESSES = 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("window", [1, 10])
def test_nothing_is_lost_and_repeats_are_bounded_when_workers_are_killed(trial, window):
    """
    Every message ends in a state that agrees with what arrived; each kill and each cut repeats at most a window.
    """
    assert kill_workers(trial, messages=3000, kills=20, window=window) == []


def kill_workers(
    trial: Trial,
    messages: int,
    kills: int,
    window: int,
    traits: Sequence[str] = (),
    patience: float = PATIENCE_SECONDS,
) -> list[str]:
    """Return what is wrong after so many groups were killed."""
    trial.enqueue(mail.mixed(number) for number in range(messages))
    nemesis = Nemesis(window, trial.sink)
    how = {"processes": PROCESSES, "traits": traits, "ACE_OUTBOX_WINDOW": window}
    groups = trial.workers.start(GROUPS, **how)
    for _ in nemesis.moments(kills, fewest=messages // (6 * kills), most=messages // (2 * kills)):
        victim = nemesis.chance.randrange(GROUPS)
        groups[victim].kill()
        groups[victim : victim + 1] = trial.workers.start(**how)
    wait_until_done(patience)
    codes = trial.workers.end()
    found = trial.outcome()
    repeats = (kills * PROCESSES + mail.cuts(trial.messages)) * window
    faults = [f"Workers ended with {codes}."] if any(codes) else []
    return trial.complaints(found, repeats) + faults
