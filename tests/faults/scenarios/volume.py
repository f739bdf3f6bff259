"""
Internal: more messages in one call than anybody would hold in memory.
"""

from __future__ import annotations

import json

import pytest

from edx_ace.outbox import State, status

MESSAGES = 200_000

#: How much larger the peak of memory may be at the end than after a tenth, in KiB. A list with a reference to each of
#: the other messages, to say nothing of what it refers to, would be 1,400.
GROWTH_KIB = 1024


@pytest.mark.django_db(transaction=True)
def test_a_generator_is_enqueued_in_constant_memory(trial):
    """
    All of it in one transaction, in a process that does nothing else.
    """
    told = json.loads(trial.workers.run("tests.faults.caller", str(trial.batch), str(MESSAGES)))

    early, peak = told["peaks_kib"]
    print(f"{early / 1024:.0f} MiB after a tenth, {peak / 1024:.0f} MiB at the end", end=" ")
    assert told["written"] == MESSAGES
    assert status(batch=trial.batch).states == {State.QUEUED: MESSAGES}
    assert peak - early <= GROWTH_KIB
