"""
Internal: the known faults of edx-ace 1.15.0, by their numbers in the contract, and that this package has none of them.

Those of a vendor (18 to 24) are tested beside its channel.
"""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.test import override_settings

import edx_ace
from edx_ace import Channel, ChannelType, Message, MessageType, PolicyResult, Recipient, ace, delivery
from edx_ace.channel import channels, get_channel_for_message
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.errors import RecoverableChannelDeliveryError
from edx_ace.renderers import RenderedEmail
from edx_ace.report import Outcome
from edx_ace.signals import ACE_MESSAGE_SENT
from tests.pipeline import Recorder, Says, Scripted, welcome

EMAIL, PUSH, SMS = ChannelType.EMAIL, ChannelType.PUSH, ChannelType.SMS


def test_01_limit_to_channels_limits(use_channels):
    """
    A send limited to push leaves email alone.
    """
    mailer, pusher = Recorder(), Recorder(PUSH)
    use_channels(mailer=mailer, pusher=pusher)

    ace.send(welcome(), limit_to_channels=[PUSH])

    assert (len(mailer.delivered), len(pusher.delivered)) == (0, 1)


def test_02_nested_context_keys_are_left_as_they_are():
    """
    uuid, recipient and their like mean something at the top level alone.
    """
    nested = dict.fromkeys(("uuid", "send_uuid", "expiration_time", "recipient", "message"), "as it is")
    message = welcome(context={"course": nested, "list": [nested]})

    assert Message.from_string(str(message)).context == {"course": nested, "list": [nested]}


def test_03_channels_come_in_the_order_of_their_types():
    """
    The order of channels is the same in every process.
    """
    script = (
        "import django; django.setup()\n"
        "from edx_ace import ace, policy; from tests.pipeline import welcome\n"
        "print([str(entry.channel_type) for entry in ace.explain(welcome()).plan])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": str(seed), "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(3)
    }

    assert outputs == {"['email', 'push']\n"}


def test_04_any_exception_of_one_channel_leaves_the_others_alone(use_channels):
    """
    An error that nobody foresaw fails its channel only.
    """
    pusher = Recorder(PUSH)
    use_channels(mailer=Scripted(ZeroDivisionError()), pusher=pusher)

    report = ace.send(welcome())

    assert report.outcomes == {EMAIL: Outcome.FAILED, PUSH: Outcome.SENT}


def test_04_an_exception_of_a_policy_fails_closed_and_is_reported(use_channels, use_policies):
    """
    A policy that breaks lets the message go nowhere, and the caller goes on.
    """

    def breaks(_message):
        raise ZeroDivisionError

    mailer = Recorder()
    use_channels(mailer=mailer)
    use_policies(Says(breaks))

    report = ace.send(welcome())

    assert mailer.delivered == []
    assert (report[EMAIL].outcome, report[EMAIL].code) == (Outcome.FAILED, "policy_error")
    assert report[EMAIL].reason == "Says failed with ZeroDivisionError."


def test_05_failures_are_returned_and_logged(use_channels, caplog):
    """
    A failed send is a falsy report and one line.
    """
    use_channels(mailer=Scripted(OSError()))

    assert not ace.send(welcome(), [EMAIL])
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("deny", "text"),
    [
        ({"email"}, r"must hold ChannelType members, given 'email'"),
        ([EMAIL], r"must be a set of ChannelType, given \[<ChannelType.EMAIL"),
        ("email", r"must be a set of ChannelType, given 'email'"),
    ],
)
def test_06_a_denial_that_would_have_no_effect_is_an_error(deny, text):
    """
    Strings and lists are refused where they are written.
    """
    with pytest.raises(TypeError, match=text):
        PolicyResult(deny=deny)


@pytest.mark.parametrize("result", [None, {EMAIL}, [EMAIL]])
def test_06_a_policy_that_returns_something_else_fails_closed(use_channels, use_policies, result):
    """
    What is no PolicyResult lets nothing through.
    """
    use_channels(mailer=Recorder())
    use_policies(Says(lambda _: result))

    report = ace.send(welcome())

    assert report[EMAIL].code == "policy_error"
    assert report[EMAIL].reason.startswith("Says must return a PolicyResult for each message, given ")


@override_settings(ACE_CHANNEL_TRANSACTIONAL_EMAIL="nope", ACE_CHANNEL_DEFAULT_EMAIL="file_email")
def test_07_an_unknown_candidate_leaves_the_good_ones(caplog):
    """
    One mistyped name is logged and the next candidate is used.
    """
    channel = get_channel_for_message(EMAIL, welcome(options={"transactional": True}))

    assert channel is channels().get_channel_by_name(EMAIL, "file_email")
    assert "ACE_CHANNEL_TRANSACTIONAL_EMAIL names 'nope', which is no registered email channel" in caplog.text


@override_settings(ACE_CHANNEL_DEFAULT_EMAIL="djnago_email")
def test_07_with_no_good_candidate_the_first_channel_of_the_type_is_used(caplog):
    """
    As always, but not in silence.
    """
    assert isinstance(get_channel_for_message(EMAIL, welcome()), DjangoEmailChannel)
    assert "Did you mean 'django_email'?" in caplog.text


def test_08_what_is_not_enabled_is_not_imported():
    """
    A site with email alone loads no vendor.
    """
    script = (
        "import sys, django; from django.test import override_settings\n"
        "django.setup()\n"
        "from edx_ace import ace; from tests.pipeline import welcome\n"
        "with override_settings(ACE_ENABLED_CHANNELS=['django_email']):\n"
        "    ace.explain(welcome())\n"
        "vendors = 'firebase_admin', 'requests', 'sailthru', 'celery', 'premailer', 'anymail'\n"
        "ours = [f'edx_ace.channel.{name}' for name in ('braze', 'sailthru', 'push_notification', 'file')]\n"
        "print([name for name in (*vendors, *ours) if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout == "[]\n"
    assert found.stderr == ""


def test_09_changed_settings_count_at_once():
    """
    override_settings changes the enabled channels, and back.
    """
    with override_settings(ACE_ENABLED_CHANNELS=["file_email"]):
        assert list(channels().names()) == ["file_email"]
    assert list(channels().names()) == ["django_email", "file_email"]


def test_10_further_types_of_channel_exist(use_channels):
    """
    A plug-in of another type joins the pipeline and the iteration of ChannelType.
    """
    assert set(ChannelType) == {EMAIL, PUSH}
    assert ChannelType("sms") is SMS

    use_channels(mailer=Recorder(), texter=Recorder(SMS))

    assert list(ChannelType) == [EMAIL, PUSH, SMS]


def test_11_one_attempt_never_sleeps(ace_clock):
    """
    `attempt` returns a recoverable error with the channel's own moment.
    """
    started = ace_clock.now
    later = started + timedelta(minutes=4)

    made = delivery.attempt(Scripted(RecoverableChannelDeliveryError("Busy.", later)), "rendered", welcome())

    assert (made.outcome, made.retry_at, ace_clock.now) == (Outcome.RETRY, later, started)


@pytest.mark.parametrize("wish", [None, datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1)])
def test_12_a_next_attempt_in_the_past_or_none_is_a_short_wait(use_channels, ace_clock, wish):
    """
    The channel's wish need not lie ahead, exist or be aware.
    """
    started = ace_clock.now
    use_channels(mailer=Scripted(RecoverableChannelDeliveryError("Busy.", wish)))

    assert ace.send(welcome(), [EMAIL])
    assert ace_clock.now == started + delivery.RETRY_DELAY


def test_12_a_naive_expiration_time_is_utc(use_channels, ace_clock):
    """
    A message that is valid for an hour, said without a zone, is sent.
    """
    use_channels(mailer=Recorder())
    expiry = ace_clock.now.replace(tzinfo=None) + timedelta(hours=1)

    assert ace.send(welcome(expiration_time=expiry), [EMAIL])


def test_13_a_broken_receiver_does_not_make_a_sent_message_fail(use_channels, caplog):
    """
    The message has gone, the report says so, and the other receivers are called.
    """
    heard = []

    def breaks(**_kwargs):
        raise ZeroDivisionError

    def hears(message, **_kwargs):
        heard.append(message["uuid"])

    use_channels(mailer=Recorder())
    message = welcome()
    ACE_MESSAGE_SENT.connect(breaks)
    ACE_MESSAGE_SENT.connect(hears)
    try:
        assert ace.send(message, [EMAIL])
    finally:
        ACE_MESSAGE_SENT.disconnect(breaks)
        ACE_MESSAGE_SENT.disconnect(hears)

    assert heard == [str(message.uuid)]
    assert "A receiver of message_sent failed" in caplog.text


class Reminder(MessageType):
    """A type of the test site."""


def test_14_messages_of_a_type_do_not_share_options():
    """
    Changing one message leaves the type and its other messages as they were.
    """
    reminder = Reminder(options={"transactional": False})
    first, second = (reminder.personalize(Recipient(n, None), "en", {}) for n in range(2))

    first.options["transactional"] = True

    assert (second.options, reminder.options) == ({"transactional": False}, {"transactional": False})


def test_15_message_types_can_be_hashed():
    """
    A type, and the base class that its JSON is read as, are one key.
    """
    reminder = Reminder(context={"a": 1})
    read_back = MessageType.from_string(str(reminder))

    assert read_back == reminder
    assert {reminder: "here"}[read_back] == "here"


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\t", " \n ", "\x0b", "\x85", "\u2028"])
def test_16_a_subject_is_one_line_however_many_there_were(separator):
    """
    Every run of white space is one space, also after the thirty-second.
    """
    rendered = RenderedEmail("", separator.join(["a"] * 100), "", "", "")

    assert DjangoEmailChannel.get_subject(rendered) == " ".join(["a"] * 100)


@override_settings(ACE_EMAIL_USE_FROM_NAME=True)
def test_17_the_rendered_from_name_is_used():
    """
    It is the display name of the sender.
    """
    ace.send(welcome())

    assert mail.outbox[0].from_email == "Campus <sender@example.com>"


def test_25_sub_packages_are_packages():
    """
    Each folder of code imports as a regular package.
    """
    for name in ("channel", "content", "push_notifications", "templatetags", "testing", "utils", "management"):
        module = __import__(f"edx_ace.{name}", fromlist=["__file__"])
        assert module.__file__ is not None, name
    assert issubclass(edx_ace.Channel, Channel)
