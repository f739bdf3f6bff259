"""
Internal: what policies may do once all of them have been asked, and what they are told of messages that waited.
"""

import pytest

from edx_ace import ChannelType, Policy, PolicyResult, ace, policy
from edx_ace.report import Outcome
from tests.pipeline import Recorder, Says, welcome


class Counts(Policy):
    """Lets two messages through and counts them when they are about to go."""

    def __init__(self, fails=0):
        self.left = 2
        self.fails = fails
        self.settled = []

    def check(self, message):
        return PolicyResult()

    def settle(self, messages, allowed):
        if self.fails:
            self.fails -= 1
            raise LookupError("no counter")
        self.settled.append(
            [(message.uuid, set(channels)) for message, channels in zip(messages, allowed, strict=True)]
        )
        results = []
        for channels in allowed:
            if channels and self.left:
                self.left -= 1
                results.append(PolicyResult())
            else:
                results.append(PolicyResult({ChannelType.EMAIL}, code="used_up"))
        return results


@pytest.fixture
def channel(use_channels):
    channel = Recorder()
    use_channels(mail=channel)
    return channel


def test_a_policy_settles_what_all_have_left(channel, use_policies):
    """
    Whatever their order: it is called after the last one was asked.
    """
    counts = Counts()
    use_policies(counts, Says(lambda message: PolicyResult({ChannelType.PUSH})))

    reports = [ace.send(welcome()) for _ in range(3)]

    assert [bool(report) for report in reports] == [True, True, False]
    assert reports[2][ChannelType.EMAIL].code == "used_up"
    assert counts.settled[0][0][1] == {ChannelType.EMAIL}


def test_many_messages_are_settled_together(channel, use_policies):
    """
    In one call.
    """
    counts = Counts()
    use_policies(counts)

    reports = list(ace.send_many([welcome() for _ in range(4)]))

    assert sorted(map(bool, reports)) == [False, False, True, True]
    assert [len(batch) for batch in counts.settled] == [4]


def test_explaining_settles_nothing(channel, use_policies):
    """
    Nothing is sent.
    """
    counts = Counts()
    use_policies(counts)

    assert ace.explain(welcome())
    assert counts.settled == []


@pytest.mark.parametrize(("fails", "sent"), [(1, 2), (2, 1)])
def test_what_cannot_be_settled_goes_nowhere(channel, use_policies, caplog, fails, sent):
    """
    It is tried message by message first.
    """
    use_policies(Counts(fails))

    reports = list(ace.send_many([welcome(), welcome()]))

    assert sorted(map(bool, reports)) == [False] * (2 - sent) + [True] * sent
    failed = [report[ChannelType.EMAIL] for report in reports if not report]
    assert [(one.outcome, one.code) for one in failed] == [(Outcome.FAILED, "policy_error")] * (2 - sent)


@pytest.mark.parametrize("given", [[], [PolicyResult()] * 2, None])
def test_settling_answers_once_for_each_message(channel, use_policies, caplog, given):
    """
    Otherwise nobody knows what belongs to which: the message goes nowhere, and nobody else is kept from sending.
    """

    class Miscounts(Counts):
        def settle(self, messages, allowed):
            return given

    use_policies(Miscounts())

    report = ace.send(welcome())

    assert [(one.outcome, one.code) for one in report.deliveries if one.channel_type is ChannelType.EMAIL] == [
        (Outcome.FAILED, "policy_error")
    ]
    assert channel.delivered == []


def test_a_policy_is_told_what_a_message_of_a_queue_waited_for(use_policies):
    """
    And that others are sent now or never.
    """
    told = []
    use_policies(Says(lambda message: told.append(policy.waited_for(message)) or PolicyResult()))

    policy.channels_for_many([welcome()], [{ChannelType.EMAIL: "quiet_hours"}])
    policy.channels_for(welcome())

    assert told == [{ChannelType.EMAIL: "quiet_hours"}, None]
    assert policy.waited_for(welcome()) is None
