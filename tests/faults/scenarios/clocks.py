"""
Internal: workers whose clocks are wrong.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from edx_ace.outbox import State
from tests.faults import mail
from tests.faults.nemesis import wait_until_done


@pytest.mark.django_db(transaction=True)
def test_workers_whose_clocks_are_an_hour_off_send_everything_in_its_time(trial):
    """
    The clock is the database's: nothing goes early, expires before its time or outlives it, and leases are kept.
    """
    now = datetime.now(tz=UTC)
    soon = now + timedelta(seconds=6)
    trial.enqueue(mail.mixed(number) for number in range(400))
    trial.enqueue((f"fine-later{number}" for number in range(20)), send_at=soon)
    trial.enqueue((f"fine-half{n}" for n in range(20)), fields={"expiration_time": now + timedelta(minutes=30)})
    trial.enqueue((f"fine-late{n}" for n in range(20)), fields={"expiration_time": now - timedelta(minutes=30)})
    trial.workers.start(traits=["traits.clock_ahead"])
    trial.workers.start(traits=["traits.clock_behind"])
    wait_until_done()
    trial.workers.end()

    found = trial.outcome()
    too_late = {message.uuid: [State.EXPIRED] for message in trial.messages[-20:]}
    assert trial.complaints(found, repeats=mail.cuts(trial.messages), ends=too_late) == []
    for entry in map(json.loads, trial.sink.log.read_text().splitlines()):
        assert "fine-later" not in entry["recipients"][0] or entry["at"] >= soon.timestamp()
