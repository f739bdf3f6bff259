"""
Internal: workers that are asked to end, as each deployment does.
"""

from __future__ import annotations

from itertools import count, islice

import pytest

from tests.faults.nemesis import Nemesis, wait_until_done
from tests.faults.workers import PATIENT


@pytest.mark.django_db(transaction=True)
def test_nothing_is_repeated_when_workers_end_as_they_are_asked(trial):
    """
    Each finishes what it is handing over and gives the rest back.
    """
    local_parts = (f"slow{number}" for number in count())
    trial.enqueue(islice(local_parts, 400))
    nemesis = Nemesis(10, trial.sink)
    groups = trial.workers.start(2, threads=2, **PATIENT)
    codes = []
    for _ in nemesis.moments(6, most=80):
        victim = nemesis.chance.randrange(2)
        codes.append(groups[victim].end())
        [groups[victim]] = trial.workers.start(threads=2, **PATIENT)
        # However quick the others were meanwhile.
        trial.enqueue(islice(local_parts, 120))
    wait_until_done()
    codes += trial.workers.end()

    assert trial.complaints(trial.outcome()) == []
    assert set(codes) == {0}
