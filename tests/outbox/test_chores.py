"""
Internal: what other sub-apps let workers do when they sweep, and what they hear of transitions.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edx_ace import outbox
from edx_ace.outbox import chores
from edx_ace.outbox.chores import Chore
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.signals import deliveries_moved
from edx_ace.outbox.states import State
from edx_ace.outbox.worker import Worker, sweep
from tests.pipeline import welcome

pytestmark = pytest.mark.django_db


@contextmanager
def registered(*given: Chore) -> Iterator[None]:
    for chore in given:
        chores.register(chore)
    yield
    for chore in given:
        chores.unregister(chore)


def test_a_chore_is_done_with_every_sweep():
    """
    Until it is taken out.
    """
    done = []
    with registered(lambda: done.append(1)):
        sweep()
        sweep()
    sweep()

    assert done == [1, 1]


def test_a_chore_that_fails_keeps_no_other_from_being_done(caplog):
    """
    It is logged by its name.
    """

    def broken() -> None:
        raise ValueError("no")

    done = []
    with registered(broken, lambda: done.append(1)), caplog.at_level(logging.ERROR):
        sweep()

    assert done == [1]
    assert "The chore broken failed" in caplog.text


def test_transitions_are_told_with_their_rows_and_the_type_of_their_message(channel, django_assert_num_queries):
    """
    Nothing has to be looked up for that.
    """
    told = []

    def hear(sender, rows, from_state, to_state, using, **kwargs):
        with django_assert_num_queries(0):
            told.append((from_state, to_state, [row.payload.message_type for row in rows]))

    deliveries_moved.connect(hear, sender=Delivery)
    outbox.enqueue(welcome())
    deliveries_moved.disconnect(hear, sender=Delivery)

    assert told == [("", State.QUEUED, ["tests.welcome"])]


def test_a_worker_tells_of_what_it_sent_without_looking_the_message_up_again(channel):
    """
    The payload is on the row.
    """
    told = []

    def hear(sender, rows, from_state, to_state, using, **kwargs):
        if to_state == State.SENT:
            told.extend((row.payload.message_type, "payload" in row._state.fields_cache) for row in rows)

    deliveries_moved.connect(hear, sender=Delivery)
    outbox.enqueue(welcome())
    Worker(once=True).run()
    deliveries_moved.disconnect(hear, sender=Delivery)

    assert told == [("tests.welcome", True)]
