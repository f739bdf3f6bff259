"""
Internal: a provider whose HTTP interface fails in every way it may, while workers are killed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from uuid import UUID

import attrs
import pytest
from django.db import connection

from edx_ace.outbox import State
from edx_ace.outbox.models import Attempt
from tests.faults.nemesis import Nemesis, wait_until_done
from tests.faults.trial import Trial
from tests.http_twin import Answer, Request

GROUPS = 3
WINDOW = 10
KILLS = 2

MESSAGES = 320

#: What the provider asks to wait for, in seconds: longer than the channel waits where nothing is asked for.
RETRY_AFTER_SECONDS = 15

#: Longer than a hand-over may take.
STALL_SECONDS = 4

SETTINGS = {
    "ACE_ENABLED_CHANNELS": ["braze_email"],
    "ACE_CHANNEL_DEFAULT_EMAIL": "braze_email",
    "ACE_CHANNEL_BRAZE_API_KEY": "key",
    "ACE_CHANNEL_BRAZE_APP_ID": "app",
    "ACE_CHANNEL_BRAZE_REST_ENDPOINT": "rest.braze.example",
}


@attrs.frozen
class Kind:
    """
    People about whom the provider answers in one way.

    Attributes:
        answer: How. What is not 2xx does not take the message.

        is_once: Whether it takes the next one as any other.

        ends: The states in which their messages may end.
    """

    answer: Answer
    is_once: bool = True
    ends: Collection[str] = (State.SENT,)


#: What may have been accepted is unknown once it was lost three times, by a stall or with its worker.
_LOST = (State.SENT, State.UNKNOWN)

ACCEPTED = Answer(201, {"dispatch_id": "a1b2c3", "message": "success"})

KINDS = {
    "throttled": Kind(Answer(429, {"message": "slow down"}, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})),
    "faulty": Kind(Answer(500, {"message": "a fault here"})),
    "gateway": Kind(Answer(502, "<html><h1>502 Bad Gateway</h1></html>", headers={"Content-Type": "text/html"})),
    "garbled": Kind(Answer(200, '{"dispatch_id": ')),
    "torn": Kind(Answer(200, {"dispatch_id": "a1b2c3"}, cut="body")),
    "stalled": Kind(Answer(503, wait=STALL_SECONDS), ends=_LOST),
    # Takes the message, and says so when nobody listens any more.
    "late": Kind(Answer(201, wait=STALL_SECONDS), ends=_LOST),
    "refused": Kind(Answer(400, {"message": "no such user"}), is_once=False, ends=(State.FAILED,)),
}


class Script:
    """
    What the provider answers about the messages of *trial*: one in four is not taken at once, of each kind as many.

    Attributes:
        taken: How often each message was.

        asked: When (as of `time.monotonic`) each was tried.
    """

    def __init__(self, trial: Trial) -> None:
        self.uuids = {str(message.recipient.lms_user_id): message.uuid for message in trial.messages}
        names = list(KINDS)
        self.kinds = {
            message.uuid: names[number // 4 % len(names)]
            for number, message in enumerate(trial.messages)
            if number % 4 == 0
        }
        self.taken: Counter[UUID] = Counter()
        self.asked: dict[UUID, list[float]] = {uuid: [] for uuid in self.uuids.values()}

    def answer_to(self, request: Request) -> Answer:
        """Return how *request* is answered."""
        [person] = request.json["external_user_ids"]
        uuid = self.uuids[person]
        self.asked[uuid].append(time.monotonic())
        kind = KINDS.get(self.kinds.get(uuid, ""))
        is_usual = kind is None or (kind.is_once and len(self.asked[uuid]) > 1)
        answer = ACCEPTED if is_usual else kind.answer
        if answer.status < 300:
            self.taken[uuid] += 1
        return answer

    @property
    def count(self) -> int:
        """How many messages were taken."""
        return self.taken.total()

    @property
    def ends(self) -> Mapping[UUID, Collection[str]]:
        """The states in which the messages may end that are not taken at once."""
        return {uuid: KINDS[name].ends for uuid, name in self.kinds.items()}

    def of_kind(self, name: str) -> list[UUID]:
        """Return the messages of one kind."""
        return [uuid for uuid, kind in self.kinds.items() if kind == name]


@pytest.mark.django_db(transaction=True)
def test_a_provider_that_fails_in_every_way_loses_nothing_and_repeats_what_it_did_not_confirm(
    trial, provider, settings
):
    """
    Whatever it answers concerns that message alone, and it is given the time that it asks for.
    """
    for name, value in SETTINGS.items():
        setattr(settings, name, value)
    trial.enqueue(f"person{number}" for number in range(MESSAGES))
    script = Script(trial)
    provider.answer_to = script.answer_to
    nemesis = Nemesis(WINDOW, script)
    groups = trial.workers.start(GROUPS, ACE_OUTBOX_WINDOW=WINDOW, **SETTINGS)
    for _ in nemesis.moments(KILLS, most=60):
        victim = nemesis.chance.randrange(GROUPS)
        groups[victim].kill()
        [groups[victim]] = trial.workers.start(ACE_OUTBOX_WINDOW=WINDOW, **SETTINGS)
    wait_until_done()
    trial.workers.end()

    repeats = KILLS * WINDOW + len(script.of_kind("late"))
    assert trial.complaints(trial.outcome(script.taken), repeats, script.ends) == []
    # What a worker had no time to record was not heard.
    codes = Counter(Attempt.objects.exclude(outcome="sent").values_list("code", flat=True))
    print(f"{connection.vendor}: {dict(codes)}", end=" ")
    assert {"http_429", "http_500", "http_502", "http_400", "timeout"} <= codes.keys()
    throttled = Attempt.objects.filter(code="http_429").values_list("delivery__payload", flat=True)
    for first, second, *_ in (script.asked[uuid] for uuid in throttled):
        assert second - first >= RETRY_AFTER_SECONDS
