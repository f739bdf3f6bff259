"""
Internal: the network between a worker and its database, or its mail server, that breaks or swallows everything.
"""

from __future__ import annotations

import time

import pytest
from django.db import connection

from tests.faults import mail
from tests.faults.nemesis import Nemesis, wait_until_done
from tests.faults.proxy import Proxy

pytestmark = pytest.mark.django_db(transaction=True)

#: Longer than the lease and than the time-out of SMTP connections, which `tests.faults.settings` has.
OUTAGE_SECONDS = 6


@pytest.mark.parametrize("window", [1, 10])
@pytest.mark.parametrize("fail", [Proxy.cut, Proxy.swallow])
def test_a_worker_that_cannot_reach_its_database_repeats_at_most_a_window(trial, fail, window):
    """
    Another, which can, goes on meanwhile; the counts are exact though the answer to a commit may be lost.
    """
    trial.enqueue(mail.mixed(number, others="slow") for number in range(1000))
    nemesis = Nemesis(window, trial.sink)
    with Proxy(int(connection.settings_dict["PORT"])) as proxy:
        trial.workers.start(ACE_OUTBOX_WINDOW=window)
        trial.workers.start(database_port=proxy.port, ACE_OUTBOX_WINDOW=window)
        outages = 3
        for moment in nemesis.moments(outages, most=100):
            fail(proxy)
            # Not for long each time: what is due is sent again while the worker still tries.
            time.sleep(OUTAGE_SECONDS if moment == 0 else 0.5)
            proxy.restore()
        wait_until_done()
        codes = trial.workers.end()

    repeats = (outages + mail.cuts(trial.messages)) * window
    assert trial.complaints(trial.outcome(), repeats) == []
    assert set(codes) == {0}


@pytest.mark.parametrize("window", [1, 10])
@pytest.mark.parametrize("fail", [Proxy.cut, Proxy.swallow])
def test_nothing_is_lost_when_the_mail_server_cannot_be_reached(trial, fail, window):
    """
    Each outage repeats at most what was in flight.
    """
    trial.enqueue(f"slow{number}" for number in range(800))
    nemesis = Nemesis(window, trial.sink)
    groups, outages = 2, 3
    with Proxy(trial.sink.port) as proxy:
        trial.workers.smtp_port = proxy.port
        trial.workers.start(groups, ACE_OUTBOX_WINDOW=window)
        for moment in nemesis.moments(outages, most=100):
            fail(proxy)
            time.sleep(OUTAGE_SECONDS if moment == 0 else 0.5)
            proxy.restore()
        wait_until_done()
        codes = trial.workers.end()

    assert trial.complaints(trial.outcome(), repeats=outages * groups * window) == []
    assert set(codes) == {0}
