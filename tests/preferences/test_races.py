"""
Internal: processes that race for the last message that a person may get.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection

from edx_ace import Recipient
from edx_ace.outbox import State, enqueue, status
from edx_ace.outbox.models import Delivery
from edx_ace.preferences import Taking, choose
from edx_ace.preferences.models import Slot
from tests.outbox.test_worker import make_due, work
from tests.pipeline import welcome

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[2]

CAPPED = "frequency_cap"


class Racer:
    """Another process, which stops once it has counted what people have got."""

    def __init__(self, cap, what, *people):
        place = [connection.settings_dict["NAME"], cap, what, *map(str, people)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.preferences.racing", *place],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self):
        """Return when it has counted."""
        assert self.process.stdout.readline() == '["counted"]\n', self.process.communicate()[1]

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def result(self):
        """Return whom it has sent something, and the codes of what it has not sent."""
        out, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        return json.loads(out)


@pytest.fixture
def race():
    """Return a function that lets processes go on together once all of them have counted, and gives their results."""
    begun = []

    def run(*racers):
        for racer in racers:
            racer.wait()
        for racer in racers:
            racer.go_on()
        return [racer.result() for racer in racers]

    def begin(*arguments):
        begun.append(Racer(*arguments))
        return begun[-1]

    run.begin = begin
    yield run
    for racer in begun:
        racer.process.kill()
        racer.process.communicate()


def test_one_of_two_processes_gets_the_last_slot(race):
    """
    Both have counted two of three before either has written; the other's message waits for tomorrow.
    """
    for _ in range(2):
        earlier = race.begin("3/day", "send", 7)
        assert race(earlier) == [[[7], []]]

    results = race(race.begin("3/day", "send", 7), race.begin("3/day", "send", 7))

    assert sorted(results) == [[[], [CAPPED]], [[7], []]]
    assert sorted(Slot.objects.values_list("number", flat=True)) == [1, 2, 3]


def test_processes_that_go_through_the_same_people_in_another_order_give_each_their_due(race):
    """
    Four, each with two messages for each of twenty people, who may get three: nothing fails or is turned away.
    """
    people = list(range(1, 21))
    racers = [race.begin("3/day", "send", *(people[::step] * 2)) for step in (1, -1, 1, -1)]

    results = race(*racers)

    assert Counter(person for sent, _ in results for person in sent) == dict.fromkeys(people, 3)
    assert {code for _, codes in results for code in codes} == {CAPPED}


def test_one_of_two_workers_gets_the_last_slot(race):
    """
    What the other has waits in the outbox, under the code of the cap.
    """
    enqueue(first := welcome(recipient=Recipient(7, "ann@example.com")))
    one = race.begin("1/day", "work")
    one.wait()
    enqueue(second := welcome(recipient=Recipient(7, "ann@example.com")))
    other = race.begin("1/day", "work")
    other.wait()
    one.go_on(), other.go_on()

    assert sorted([one.result(), other.result()]) == [[[], []], [[7], []]]
    states = [status(message).states for message in (first, second)]
    assert {State.SENT: 1} in states
    assert {State.QUEUED: 1} in states
    assert Delivery.objects.get(state=State.QUEUED).code == CAPPED


def test_two_workers_make_one_digest_for_each_person(race, channel, settings):
    """
    Of all that is held, by whichever of them.
    """
    settings.ACE_ENABLED_POLICIES = ["digest"]
    people = [Recipient(number, f"p{number}@example.com") for number in range(1, 11)]
    for person in people:
        choose(person, "news", "email", Taking.DAILY)
    enqueue(messages := [welcome(recipient=person) for person in people * 3])
    work()
    make_due()

    results = race(race.begin("9/day", "fold"), race.begin("9/day", "fold"))

    assert sorted(person for sent, _ in results for person in sent) == list(range(1, 11))
    folded = Delivery.objects.filter(state=State.FOLDED)
    assert {row.payload_id for row in folded} == {message.uuid for message in messages}
    assert folded.values("folded_into").distinct().count() == len(people)
