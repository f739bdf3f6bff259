"""
Internal: what `edx_ace.testing.capture` and the fixture ``ace_outbox`` promise.
"""

from unittest import TestCase

import pytest
from django.core import mail
from django.test import override_settings

from edx_ace import Channel, ChannelType, Message, MessageType, PolicyResult, Recipient, ace
from edx_ace.report import Outcome
from edx_ace.testing import capture, make_message, make_recipient
from tests.pipeline import Says, welcome

EMAIL, PUSH, SMS = ChannelType.EMAIL, ChannelType.PUSH, ChannelType.SMS


class Welcome(MessageType):
    """A type whose templates exist."""

    @classmethod
    def sample_context(cls):
        return {"name": "Ann"}


@pytest.fixture(autouse=True)
def names_push(settings):
    """The site names a push channel, which is not set up for tests."""
    settings.ACE_CHANNEL_DEFAULT_PUSH = "push_notification"


def test_what_is_sent_is_recorded_by_channel_type_and_goes_nowhere(ace_outbox):
    """
    A message over email and push is in both lists, rendered, with its envelope; no mail leaves the site.
    """
    report = ace.send(welcome(headers={"X-Course": "101"}))

    assert report.outcomes == {EMAIL: Outcome.SENT, PUSH: Outcome.SENT}
    (email,), (push,) = ace_outbox.email, ace_outbox.push
    assert (email.rendered.subject, email.envelope.to, email.channel) == (
        "Welcome, Ann",
        "ann@example.com",
        "django_email",
    )
    assert email.envelope.headers["X-Course"] == "101"
    assert push.channel_type is PUSH
    assert push.message == email.message
    assert ace_outbox.sent == [email, push]
    assert mail.outbox == []


def test_the_batch_door_is_recorded_too(ace_outbox):
    """
    Messages sent by send_many are in the outbox as those of send are.
    """
    reports = list(ace.send_many([make_message(Welcome), make_message(Welcome)]))

    assert all(reports)
    assert len(ace_outbox.assert_sent(Welcome, channel=EMAIL, count=2)) == 2


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"to": "ann@example.com"},
        {"to": 7},
        {"to": Recipient(7, "ann@example.com")},
        {"channel": EMAIL},
        {"channel": "email"},
        {"channel": "django_email"},
        {"count": 2},  # over email and over push
        {"to": "ann@example.com", "channel": EMAIL, "count": 1},
        {"to": "bob@example.com", "count": 0},
    ],
)
def test_assert_sent_holds_for(ace_outbox, criteria):
    """
    A message is found by its type, and by recipient, channel and number where they are given.
    """
    ace.send(welcome())

    ace_outbox.assert_sent(Welcome, **criteria)
    ace_outbox.assert_sent("tests.welcome", **criteria)


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (
            {"to": "bob@example.com"},
            "Expected tests.welcome to bob@example.com, at least once, but it was sent 0 ×. Sent:",
        ),
        ({"channel": SMS}, "Expected tests.welcome over sms, at least once, but it was sent 0 ×. Sent:"),
        ({"count": 1}, "Expected tests.welcome, 1 ×, but it was sent 2 ×. Sent:"),
    ],
)
def test_a_failing_assert_sent_shows_what_was_sent_instead(ace_outbox, criteria, expected):
    """
    The error names what was looked for and lists every message that was sent.
    """
    ace.send(welcome())

    with pytest.raises(AssertionError) as failure:
        ace_outbox.assert_sent(Welcome, **criteria)

    assert str(failure.value).splitlines() == [
        expected,
        "  tests.welcome to ann@example.com over email (django_email): 'Welcome, Ann'",
        "  tests.welcome to 7 over push (push_notification): 'Welcome'",
    ]


def test_assert_sent_says_that_nothing_was_sent(ace_outbox):
    """
    With an empty outbox the error says so, and where to look.
    """
    with pytest.raises(AssertionError, match="Nothing was sent; a message that failed left a line in the log"):
        ace_outbox.assert_sent(Welcome)


def test_assert_nothing_sent(ace_outbox):
    """
    It holds for an empty or a cleared outbox, and otherwise lists what was sent.
    """
    ace_outbox.assert_nothing_sent()
    ace.send(welcome(), [EMAIL])

    with pytest.raises(AssertionError, match=r"nothing is sent\. Sent:\n  tests\.welcome to ann@example.com"):
        ace_outbox.assert_nothing_sent()

    ace_outbox.clear()
    ace_outbox.assert_nothing_sent()


def test_policies_are_the_sites_own(ace_outbox, use_policies):
    """
    A policy that denies email keeps the message out of the outbox.
    """
    use_policies(Says(lambda message: PolicyResult(deny={EMAIL})))

    ace.send(welcome())

    assert ace_outbox.email == []
    ace_outbox.assert_sent(Welcome, channel=PUSH)


def test_what_the_email_channel_checks_is_checked(ace_outbox):
    """
    A recipient without a mailbox fails as it would in production.
    """
    report = ace.send(welcome(recipient=make_recipient(email_address="no mailbox")), [EMAIL])

    assert report[EMAIL].outcome is Outcome.FAILED
    ace_outbox.assert_nothing_sent()


def test_the_choice_of_the_channel_is_the_sites_own(ace_outbox):
    """
    A message that asks for another enabled channel is recorded under that one's name.
    """
    ace.send(welcome(options={"override_default_channel": "file_email"}))

    ace_outbox.assert_sent(Welcome, channel="file_email", count=1)


@override_settings(ACE_ENABLED_CHANNELS=[], ACE_CHANNEL_DEFAULT_EMAIL="mailer", ACE_CHANNEL_DEFAULT_PUSH="pusher")
def test_without_enabled_channels_the_names_in_the_settings_are_recorded(caplog):
    """
    A site whose test settings enable no channel still gets email and push, and no error in its log.
    """
    with capture() as outbox:
        ace.send(welcome())

    assert [sent.channel for sent in outbox.sent] == ["mailer", "pusher"]
    assert caplog.records == []


def test_further_channels_record_when_given(ace_outbox):
    """
    A channel of another type, with its own renderer, is recorded under its class's name.
    """

    class Texts:
        def render(self, channel: object, message: Message) -> str:
            return f"Hello {message.context['name']}"

    class Sms(Channel):
        channel_type = SMS
        renderer = Texts()

        def deliver(self, message, rendered_message):
            raise AssertionError("This would reach a provider.")

    with capture(Sms) as outbox:
        ace.send(welcome(), [SMS])

    (sent,) = outbox.sms
    assert (sent.channel, sent.rendered) == ("Sms", "Hello Ann")
    assert outbox.in_app == outbox.chat == outbox.webhook == []


def test_after_the_block_messages_go_out_again():
    """
    Recording ends with the block.
    """
    with capture() as outbox:
        pass

    ace.send(welcome(), [EMAIL])

    outbox.assert_nothing_sent()
    assert len(mail.outbox) == 1


class InUnittest(TestCase):
    """The outbox serves test cases that know no fixtures."""

    def test_capture_is_a_context_manager(self) -> None:
        """
        A test case enters it like any other context.
        """
        outbox = self.enterContext(capture())

        ace.send(welcome(), [EMAIL])

        outbox.assert_sent("tests.welcome", to="ann@example.com")
