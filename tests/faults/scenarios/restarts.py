"""
Internal: a database server that is ended without a goodbye and started again while workers use it.
"""

from __future__ import annotations

import pytest

from tests.faults import mail
from tests.faults.nemesis import Nemesis, wait_until_done

GROUPS = 2
PROCESSES = 2


@pytest.mark.parametrize("window", [1, 10])
def test_nothing_is_lost_and_repeats_are_bounded_when_the_database_restarts(own_database, trial, window):
    """
    Each restart repeats at most what was in flight; the workers themselves go on.
    """
    restarts = 4
    trial.enqueue(mail.mixed(number) for number in range(3000))
    nemesis = Nemesis(window, trial.sink)
    trial.workers.start(GROUPS, processes=PROCESSES, ACE_OUTBOX_WINDOW=window)
    for _ in nemesis.moments(restarts, fewest=100, most=500):
        own_database.restart()
    wait_until_done()
    codes = trial.workers.end()

    repeats = (restarts * GROUPS * PROCESSES + mail.cuts(trial.messages)) * window
    assert trial.complaints(trial.outcome(), repeats) == []
    assert set(codes) == {0}
