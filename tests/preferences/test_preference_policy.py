"""
Internal: what people chose is kept to, when a message is prepared and at the last moment.
"""

import pytest
from django.db import transaction

from edx_ace import Recipient, ace
from edx_ace.channel import ChannelType
from edx_ace.outbox import State, enqueue, status
from edx_ace.outbox.models import Delivery
from edx_ace.policy import channels_for_many
from edx_ace.preferences import Taking, choose
from tests.outbox.test_worker import work
from tests.pipeline import Recorder, welcome

pytestmark = pytest.mark.django_db


def test_what_is_turned_off_is_not_sent_and_the_report_says_why(channel):
    """
    It is a policy like others.
    """
    choose("7", "news", "email", Taking.OFF)

    report = ace.send(welcome())

    assert channel.delivered == []
    assert report[ChannelType.EMAIL].code == "opted_out"
    assert "'news'" in report[ChannelType.EMAIL].reason


def test_what_was_never_asked_for_is_not_sent(channel, settings):
    """
    Where a category is off by default.
    """
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "offers"}}

    assert ace.send(welcome())[ChannelType.EMAIL].code == "not_opted_in"
    choose("7", "offers", "email", Taking.IMMEDIATE)
    assert ace.send(welcome())


@pytest.mark.parametrize("about", [{"essential": True, "category": "news"}, {"category": "security"}])
def test_what_cannot_be_turned_off_is_sent(channel, settings, about):
    """
    Whoever turned everything off still gets their password.
    """
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": about}
    choose("7", "", "email", Taking.OFF)

    assert ace.send(welcome())
    enqueue(message := welcome())
    work()
    assert status(message).states == {State.SENT: 1}


def test_a_choice_for_a_course_stops_its_messages_alone(channel):
    """
    The message says what it belongs to.
    """
    choose("7", "news", "email", Taking.OFF, scope="course:1")

    assert not ace.send(welcome(options={"scope": "course:1"}))
    assert ace.send(welcome(options={"scope": "course:2"}))


def test_many_messages_need_one_query(django_assert_num_queries):
    """
    Whoever they go to.
    """
    messages = [welcome(recipient=Recipient(number, f"p{number}@example.com")) for number in range(1, 51)]
    choose("7", "news", "email", Taking.OFF)

    with django_assert_num_queries(1):
        allowed = channels_for_many(messages)

    assert [
        message.recipient.lms_user_id
        for message, channels in zip(messages, allowed, strict=True)
        if ChannelType.EMAIL not in channels
    ] == [7]


def test_an_unknown_category_sends_nothing(channel, settings):
    """
    Nobody could have turned it off.
    """
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "new"}}

    assert ace.send(welcome())[ChannelType.EMAIL].code == "policy_error"


class TurnsOff(Recorder):
    """The person turns the category off while the first message is on its way."""

    def deliver(self, message, rendered):
        choose("7", "news", "email", Taking.OFF)
        return super().deliver(message, rendered)


def test_what_is_turned_off_after_the_policy_was_asked_is_not_handed_over(use_channels, settings):
    """
    The guard is part of the permit: of two messages in one claim the second is stopped.
    """
    settings.ACE_OUTBOX_WINDOW = 1
    channel = TurnsOff()
    use_channels(mail=channel)
    enqueue([welcome(), welcome()])

    work()

    assert len(channel.delivered) == 1
    assert sorted(Delivery.objects.values_list("state", "code")) == [("sent", ""), ("skipped", "opted_out")]


@pytest.mark.parametrize(
    ("choices", "states"),
    [
        ([("news", "course:1", Taking.OFF)], ["sent", "skipped"]),
        ([("news", "", Taking.OFF), ("news", "course:1", Taking.IMMEDIATE)], ["skipped", "sent"]),
        ([("", "course:2", Taking.OFF), ("news", "", Taking.IMMEDIATE)], ["skipped", "sent"]),
        ([("", "", Taking.OFF), ("news", "", Taking.IMMEDIATE)], ["sent", "sent"]),
    ],
)
def test_the_guard_goes_by_the_same_choice_as_the_policy(channel, settings, choices, states):
    """
    The first message belongs to the second course and the second to the first.
    """
    settings.ACE_ENABLED_POLICIES = []
    for category, scope, value in choices:
        choose("7", category, "email", value, scope=scope)
    enqueue([welcome(options={"scope": "course:2"}), welcome(options={"scope": "course:1"})])

    work()

    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == states


@pytest.mark.parametrize(
    ("choices", "code"),
    [
        ([], "not_opted_in"),
        ([("offers", "", Taking.IMMEDIATE)], ""),
        ([("offers", "course:2", Taking.IMMEDIATE)], ""),
        ([("offers", "course:1", Taking.IMMEDIATE)], "not_opted_in"),
        ([("news", "", Taking.OFF)], "not_opted_in"),
        ([("", "", Taking.OFF)], "opted_out"),
        ([("offers", "", Taking.OFF)], "opted_out"),
    ],
)
@pytest.mark.parametrize("policies", [[], ["preference"]])
def test_what_goes_only_to_those_who_chose_it_goes_to_nobody_else(channel, settings, choices, code, policies):
    """
    Policy and guard give the same reason.
    """
    settings.ACE_ENABLED_POLICIES = policies
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "offers"}}
    for category, scope, value in choices:
        choose("7", category, "email", value, scope=scope)
    enqueue(welcome(options={"scope": "course:2"}))

    work()

    assert Delivery.objects.get().code == code


def test_a_choice_that_is_rolled_back_stops_nothing(channel):
    """
    It belongs to the caller's transaction.
    """
    enqueue(message := welcome())
    with transaction.atomic():
        choose("7", "news", "email", Taking.OFF)
        transaction.set_rollback(True)

    work()

    assert status(message).states == {State.SENT: 1}
