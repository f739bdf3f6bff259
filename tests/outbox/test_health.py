"""
Internal: figures about the whole outbox, and which of them are problems.
"""

from datetime import timedelta

import pytest

from edx_ace.outbox import State, figures
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.health import problems
from edx_ace.outbox.models import Circuit, Delivery
from tests.outbox.conftest import HOUR

pytestmark = pytest.mark.django_db


def ago(**span):
    return database_now(Delivery, "default") - timedelta(**span)


def test_an_empty_outbox_has_no_figures_and_no_problems():
    """
    Nothing is due, so nothing waits.
    """
    found = figures()

    assert (found.due, found.later, found.retrying, found.claimed, found.handing) == (0, 0, 0, 0, 0)
    assert (found.oldest_due_seconds, found.sent_per_second, found.failed) == ({}, 0, {})
    assert problems(found) == {}


def test_figures_say_where_deliveries_stand(deliveries):
    """
    What was sent or failed long ago does not count.
    """
    deliveries(3)
    deliveries(2, due_in=HOUR)
    deliveries(due_in=HOUR, code="smtp_450")
    deliveries(4, state=State.CLAIMED, lease_until=ago(hours=-1))
    deliveries(1, state=State.HANDING, lease_until=ago(hours=-1))
    deliveries(6, state=State.SENT, finished_at=ago(seconds=20))
    deliveries(5, state=State.SENT, finished_at=ago(hours=1))
    deliveries(2, state=State.FAILED, code="smtp_550", finished_at=ago(hours=2))
    deliveries(1, state=State.FAILED, code="poison", finished_at=ago(hours=2))
    deliveries(1, state=State.FAILED, code="poison", finished_at=ago(hours=30))

    found = figures()

    assert (found.due, found.later, found.retrying, found.claimed, found.handing) == (3, 3, 1, 4, 1)
    assert found.sent_per_second == 0.1
    assert found.failed == {"smtp_550": 2, "poison": 1}


def test_a_figure_stops_at_its_limit(deliveries, monkeypatch):
    """
    It costs no more in a table of a million rows.
    """
    monkeypatch.setattr("edx_ace.outbox.health.LIMIT", 2)
    deliveries(3)

    found = figures()

    assert (found.due, found.as_json()["limit"]) == (2, 2)


@pytest.mark.parametrize(
    ("priority", "waiting", "codes"),
    [
        (2, timedelta(seconds=200), []),
        (2, timedelta(seconds=400), ["essential_waits"]),
        (1, timedelta(seconds=400), []),
        (1, timedelta(hours=2), ["due_waits"]),
        (2, timedelta(hours=2), ["essential_waits", "due_waits"]),
    ],
)
def test_what_waits_too_long_is_a_problem(deliveries, priority, waiting, codes):
    """
    Essential messages sooner than others.
    """
    deliveries(due_in=-waiting, priority=priority)

    assert list(problems(figures())) == codes


def test_a_channel_that_is_left_alone_is_shown_and_soon_a_problem():
    """
    One that failed a moment ago may be back at once.
    """
    for channel, age in (("mail", 90), ("phones", 5)):
        Circuit.objects.create(
            channel=channel, opened_at=ago(seconds=age), probe_at=ago(), pause=timedelta(seconds=1), code="connection"
        )

    found = figures()

    assert [(channel, code) for channel, (_, code) in found.circuits.items()] == [
        ("mail", "connection"),
        ("phones", "connection"),
    ]
    assert problems(found) == {"circuit_open": "The channel mail has not been used for 90 seconds: connection."}
    Circuit.objects.update(opened_at=ago(seconds=90))
    assert problems(figures())["circuit_open"].count("has not been used for 90 seconds") == 2


def test_thresholds_are_the_sites_own(deliveries, settings):
    """
    Where newsletters are sent, hours may be usual.
    """
    settings.ACE_OUTBOX_ALERT_DUE_SECONDS = 10_000
    deliveries(due_in=-2 * HOUR)

    assert problems(figures()) == {}
    settings.ACE_OUTBOX_ALERT_DUE_SECONDS = 60
    assert problems(figures()) == {"due_waits": "A message has been due for 7200 seconds; up to 60 are expected."}
