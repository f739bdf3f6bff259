"""
Internal: the network between a worker and its database, or its mail server, that breaks or swallows everything.
"""

from __future__ import annotations

import time
from itertools import count, islice

import pytest
from django.db import connection

from edx_ace.outbox.models import Delivery
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
    local_parts = (mail.mixed(number, others="slow") for number in count())
    trial.enqueue(islice(local_parts, 250))
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
            # However quick the other was meanwhile.
            trial.enqueue(islice(local_parts, 150))
        wait_until_done()
        codes = trial.workers.end()

    repeats = (outages + mail.cuts(trial.messages)) * window
    assert trial.complaints(trial.outcome(), repeats) == []
    assert set(codes) == {0}


@pytest.mark.parametrize("window", [1, 10])
@pytest.mark.parametrize("fail", [Proxy.cut, Proxy.swallow])
def test_nothing_is_lost_when_the_mail_server_cannot_be_reached(trial, fail, window):
    """
    Each outage repeats at most what was in flight, and spends an attempt of nothing else.
    """
    trial.enqueue(f"slow{number}" for number in range(400))
    nemesis = Nemesis(window, trial.sink)
    # What is cut off three times is unknown.
    groups, outages = 2, 2
    with Proxy(trial.sink.port) as proxy:
        trial.workers.smtp_port = proxy.port
        trial.workers.start(groups, ACE_OUTBOX_WINDOW=window)
        for moment in nemesis.moments(outages, most=100):
            fail(proxy)
            time.sleep(OUTAGE_SECONDS if moment == 0 else 0.5)
            proxy.restore()
        wait_until_done()
        codes = trial.workers.end()

    in_flight = outages * groups * window
    assert trial.complaints(trial.outcome(), repeats=in_flight) == []
    assert Delivery.objects.filter(attempts__gt=1).count() <= in_flight
    assert set(codes) == {0}
