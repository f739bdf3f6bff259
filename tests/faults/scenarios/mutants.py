"""
Internal: that the scenarios would find a fault: each is run with workers that have one.
"""

from __future__ import annotations

import pytest

from tests.faults.scenarios.freezes import freeze_a_worker
from tests.faults.scenarios.kills import kill_workers
from tests.faults.scenarios.opt_outs import stop_messages

pytestmark = pytest.mark.django_db(transaction=True)

#: How long nothing has to move until it is certain that nothing will, in seconds: some leases and sweeps.
STALLED_SECONDS = 15


def test_without_reclaiming_messages_stay_where_a_dead_worker_left_them(trial):
    """
    They are open for ever.
    """
    found = kill_workers(trial, 300, kills=3, window=10, traits=["mutants.no_reclaim"], patience=STALLED_SECONDS)

    assert any("are still claimed" in complaint for complaint in found)


def test_what_is_written_as_sent_before_it_is_sent_is_lost_by_a_kill(trial):
    """
    The row says so, and the mail server has never seen it.
    """
    found = kill_workers(trial, 600, kills=6, window=10, traits=["mutants.sent_before_sending"])

    assert any("are sent, but did not arrive" in complaint for complaint in found)


def test_a_guard_that_is_asked_only_at_the_claim_comes_too_early(trial):
    """
    Who opts out while the message is prepared gets it.
    """
    found = stop_messages(trial, traits=["mutants.guards_at_the_claim"], patience=STALLED_SECONDS)

    assert any("after they had opted out" in complaint for complaint in found)


def test_a_permit_without_the_fencing_number_lets_a_frozen_worker_send_what_is_not_its_own(trial):
    """
    What it sends then is sent twice.
    """
    found = freeze_a_worker(trial, traits=["mutants.no_fence"])

    assert any("The frozen worker sent" in complaint for complaint in found)
