"""
Internal: a mail server that turns everybody away for a while.
"""

from __future__ import annotations

import time

import pytest

from edx_ace.outbox import circuits
from edx_ace.outbox.models import Attempt, Delivery
from edx_ace.testing.smtp import SmtpSink
from tests.faults.nemesis import wait_for, wait_until_done

#: How long the server cannot be used, in seconds.
OUTAGE_SECONDS = 20

MESSAGES = 2000

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("kind", ["refuses connections", "answers 421"])
def test_an_outage_spends_no_attempt_and_everything_goes_afterwards(trial, kind):
    """
    The circuit opens for all workers, few messages find out that the server is away, and it closes when it is back.
    """
    trial.enqueue(f"fine{number}" for number in range(MESSAGES))
    trial.workers.start(2, threads=2)
    wait_for(lambda: trial.sink.count >= 100, "the first to arrive")
    begin(trial.sink, kind)
    wait_for(lambda: circuits().exists(), "the circuit to open")
    codes = set(circuits().values_list("code", flat=True))
    time.sleep(OUTAGE_SECONDS)
    is_open, arrived = circuits().exists(), trial.sink.count
    end(trial.sink, kind)
    wait_until_done()
    trial.workers.end()

    found = trial.outcome()
    failed = Attempt.objects.exclude(outcome="sent")
    print(f"{kind}: {failed.count()} attempts failed", end=" ")
    # A connection that broke before its server confirmed is not known to have failed.
    unclear = failed.filter(code="ambiguous").count()
    assert trial.complaints(found, repeats=unclear) == []
    assert is_open and arrived < MESSAGES
    assert codes <= {"connection", "smtp_421"}
    assert not circuits().exists()
    assert Delivery.objects.filter(attempts__gt=1).count() <= failed.exclude(code__in=codes).count()
    # Each of four threads may have to try its window a few times before one of their processes knows.
    assert failed.count() <= 4 * 10 * 10


def begin(sink: SmtpSink, kind: str) -> None:
    """Let *sink* turn everybody away."""
    if kind == "refuses connections":
        sink.stop()
    else:
        sink.commands["CONNECT"] = "421 4.3.2 closing down"
        sink.cut_connections()


def end(sink: SmtpSink, kind: str) -> None:
    """Let it be used again."""
    if kind == "refuses connections":
        sink.start()
    else:
        del sink.commands["CONNECT"]
