"""
Internal: what other sub-apps let workers do when they sweep.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.test import override_settings

from edx_ace.outbox import chores
from edx_ace.outbox.chores import Chore
from edx_ace.outbox.worker import Worker, sweep

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


def test_a_chore_that_has_more_to_do_is_called_again_at_once():
    """
    A worker that ends when nothing is due waits for its end, and delivers what is due meanwhile.
    """
    left = [chores.AGAIN, chores.AGAIN, None]
    with registered(lambda: left.pop(0)):
        Worker(once=True).run()

    assert left == []


def test_one_chore_that_has_more_to_do_is_enough():
    """
    Whatever the others return, such as how much they did.
    """
    with registered(lambda: chores.AGAIN, lambda: 12):
        assert chores.do_all()
    with registered(lambda: 12, lambda: True):
        assert not chores.do_all()


def test_a_prompt_chore_is_done_between_sweeps():
    """
    As often as the worker looks what is due; the others wait for the next sweep.
    """
    prompt, others = [], []

    def look() -> None:
        prompt.append(1)
        if len(prompt) == 3:
            worker.stop()

    def other() -> None:
        others.append(1)

    worker = Worker()
    chores.register(look, is_prompt=True)
    with override_settings(ACE_OUTBOX_POLL_SECONDS=0.01), registered(other):
        worker._work()
    chores.unregister(look)

    assert (len(prompt), len(others)) == (3, 1)
