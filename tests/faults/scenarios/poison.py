"""
Internal: messages that end their worker each time.
"""

from __future__ import annotations

import pytest

from edx_ace.outbox import State
from edx_ace.outbox.worker import MAX_CLAIMS
from tests.faults.nemesis import wait_until_done


@pytest.mark.django_db(transaction=True)
def test_a_message_that_kills_its_worker_each_time_fails_and_the_others_go_out(trial):
    """
    One while it is prepared, one while it is handed over; their worker is started anew by its manager.
    """
    trial.enqueue(["poison", "venom", *(f"fine{number}" for number in range(60))])
    trial.workers.start(processes=2, traits=["traits.dies_of_poison"], ACE_OUTBOX_LEASE_SECONDS=3)
    wait_until_done()
    codes = trial.workers.end()

    found = trial.outcome()
    poison, venom = (message.uuid for message in trial.messages[:2])
    # The others may be in the window of the one that is handed over, until it is tried alone.
    assert trial.complaints(found, MAX_CLAIMS * 10, {poison: [State.FAILED], venom: [State.FAILED]}) == []
    assert {found.rows[uuid].code for uuid in (poison, venom)} == {"poison"}
    assert codes == [0]
