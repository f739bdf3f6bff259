"""
Internal: a plug-in may name a better moment.
"""

from datetime import UTC, datetime, timedelta

import pytest

from edx_ace import Recipient, ace
from edx_ace.channel import ChannelType
from edx_ace.outbox import State, enqueue, status
from edx_ace.outbox.models import Delivery
from edx_ace.policy import channels_for_many
from edx_ace.preferences import Taking, choose, send_time
from edx_ace.preferences.send_time import Estimator
from edx_ace.testing import frozen_clock
from tests.outbox.test_worker import make_due, work
from tests.pipeline import welcome

pytestmark = pytest.mark.django_db

#: Later than it is for the database, by whose clock things come due.
NOON = datetime(2099, 1, 14, 12, tzinfo=UTC)
EVENING = NOON + timedelta(hours=7)


class Evening(Estimator):
    """People read in the evening; of person 8 nothing is known."""

    def __init__(self):
        self.asked = []

    def best_moments(self, questions):
        self.asked.append(questions)
        return [None if one.person == "8" else EVENING for one in questions]


@pytest.fixture(autouse=True)
def estimator(settings, monkeypatch):
    settings.ACE_ENABLED_POLICIES = ["preference", "send_time", "digest"]
    settings.ACE_SEND_TIME = "evening"
    settings.ACE_CATEGORIES = {"news": {"send_time": True, "digest": True}, "urgent": {}}
    estimator = Evening()
    monkeypatch.setattr(send_time, "estimator", lambda: estimator)
    with frozen_clock(NOON):
        yield estimator


def test_a_message_waits_once_for_the_better_moment(channel, estimator):
    """
    When that has come it goes, whatever the plug-in would say then.
    """
    enqueue(message := welcome())
    work()
    assert status(message).states == {State.QUEUED: 1}
    assert Delivery.objects.get().code == "send_time"
    make_due()
    work()

    assert status(message).states == {State.SENT: 1}
    assert len(estimator.asked) == 1


def test_what_is_sent_at_once_does_not_wait(channel, estimator):
    """
    Nobody would send it later.
    """
    assert ace.send(welcome())
    assert estimator.asked == []


@pytest.mark.parametrize("about", [{"category": "urgent"}, {"category": "news", "essential": True}])
def test_only_what_says_so_waits(channel, settings, about):
    """
    And nothing that is essential.
    """
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": about}
    enqueue(message := welcome())
    work()

    assert status(message).states == {State.SENT: 1}


def test_what_a_digest_holds_waits_for_that_alone(channel):
    """
    It is delivered when the digest is.
    """
    choose("7", "news", "email", Taking.DAILY)
    enqueue(welcome())
    work()

    assert Delivery.objects.get().code == "digest"


def test_the_plug_in_is_asked_once_for_many(estimator, settings):
    """
    With all that it may go by.
    """
    messages = [welcome(recipient=Recipient(number, f"p{number}@example.com")) for number in (7, 8)]

    ann, bob = channels_for_many(messages, [{ChannelType.EMAIL: ""}] * 2)

    assert ChannelType.EMAIL not in ann
    assert ChannelType.EMAIL in bob
    [[question, _]] = estimator.asked
    assert (question.person, question.category, question.channel_type) == ("7", "news", ChannelType.EMAIL)
    assert (question.zone.key, question.earliest, question.latest) == (
        settings.TIME_ZONE,
        NOON,
        NOON + timedelta(hours=24),
    )


def test_a_moment_that_is_too_far_counts_as_the_latest(settings):
    """
    ACE_SEND_TIME_HOURS bounds the wait.
    """
    settings.ACE_SEND_TIME_HOURS = 2

    [allowed] = channels_for_many([welcome()], [{ChannelType.EMAIL: ""}])

    assert max(one.until for one in allowed.decisions if one.until) == NOON + timedelta(hours=2)


def test_a_plug_in_that_answers_for_too_few_sends_nothing(monkeypatch):
    """
    As any policy that fails.
    """
    monkeypatch.setattr(Evening, "best_moments", lambda self, questions: [])

    [allowed] = channels_for_many([welcome()], [{ChannelType.EMAIL: ""}])

    assert allowed == set()
    assert "policy_error" in {one.code for one in allowed.decisions}
