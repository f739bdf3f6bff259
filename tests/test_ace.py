"""
Internal: what `send` and `explain` promise.
"""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.test import override_settings

from edx_ace import ChannelType, PolicyResult, Recipient, ace
from edx_ace.errors import (
    FatalChannelDeliveryError,
    RecoverableChannelDeliveryError,
    UnknownChannelError,
)
from edx_ace.report import Outcome, Skipped
from edx_ace.signals import message_sent
from tests.pipeline import Recorder, Says, Scripted, welcome

EMAIL, PUSH, SMS = ChannelType.EMAIL, ChannelType.PUSH, ChannelType.SMS


def test_a_message_goes_out_as_mail_and_the_report_says_so():
    """
    With the channels of the test site, a send is one mail and a truthy report.
    """
    report = ace.send(welcome())

    assert report
    assert report[EMAIL].outcome is Outcome.SENT
    assert report[EMAIL].channel == "django_email"
    assert report[EMAIL].attempts == 1
    assert report.outcomes == {EMAIL: Outcome.SENT, PUSH: Outcome.SKIPPED}
    assert [(sent.subject, sent.to) for sent in mail.outbox] == [("Welcome, Ann", ["ann@example.com"])]


def test_a_report_reads_as_a_sentence_a_channel(use_channels):
    """
    Printing a report names the message, each channel, its outcome and why.
    """
    use_channels(mailer=Recorder(), push=Scripted(FatalChannelDeliveryError("The token is dead."), channel_type=PUSH))
    message = welcome()

    assert str(ace.send(message)).splitlines() == [
        message.log_id,
        "  email: sent over mailer as id-1",
        "  push: failed over push (fatal: The token is dead.)",
    ]


def test_channels_are_used_in_the_order_of_their_types(use_channels, use_policies):
    """
    Whatever order channels are enabled in, email goes before push and push before in-app.
    """
    order = []

    class Noting(Recorder):
        def deliver(self, message, rendered_message):
            order.append(self.channel_type)

    use_channels(b=Noting(PUSH), a=Noting(EMAIL))

    ace.send(welcome())

    assert order == [EMAIL, PUSH]


def test_what_a_policy_denies_is_skipped_with_its_reason(use_channels, use_policies):
    """
    A denial leaves the other channels alone and stands in the report with its code and sentence.
    """
    use_channels(mailer=Recorder(), push=Recorder(PUSH))
    use_policies(Says(lambda _: PolicyResult({EMAIL}, code="opted_out", reason="Ann opted out of email.")))

    report = ace.send(welcome())

    assert report.outcomes == {EMAIL: Outcome.SKIPPED, PUSH: Outcome.SENT}
    assert (report[EMAIL].code, report[EMAIL].reason) == ("opted_out", "Ann opted out of email.")


def test_what_a_policy_defers_is_not_sent_and_says_until_when(use_channels, use_policies):
    """
    Of several delays the longest counts; a naive moment is UTC.
    """
    mailer = Recorder()
    later, latest = datetime(2027, 1, 1, 8), datetime(2027, 1, 1, 9, tzinfo=UTC)
    use_channels(mailer=mailer)
    use_policies(
        Says(lambda _: PolicyResult(defer={EMAIL: latest}, code="quiet_hours")),
        Says(lambda _: PolicyResult(defer={EMAIL: later}, code="cap")),
    )

    report = ace.send(welcome(), [EMAIL])

    assert report.outcomes == {EMAIL: Outcome.DEFERRED}
    assert (report[EMAIL].until, report[EMAIL].code) == (latest, "quiet_hours")
    assert not report
    assert mailer.delivered == []


@pytest.mark.parametrize(
    ("limit", "outcomes"),
    [
        # A channel type, its value, a channel's name: each admits the type.
        ([PUSH], {PUSH: Outcome.SENT}),
        (["push"], {PUSH: Outcome.SENT}),
        (["pusher"], {PUSH: Outcome.SENT}),
        # Nothing is no limit.
        ([], {EMAIL: Outcome.SENT, PUSH: Outcome.SENT}),
        (None, {EMAIL: Outcome.SENT, PUSH: Outcome.SENT}),
        # A type that no channel has is asked for and cannot be met.
        ([SMS], {SMS: Outcome.SKIPPED}),
        # An installed channel that is not enabled is skipped, as it always was.
        (["braze_email"], {EMAIL: Outcome.SKIPPED}),
    ],
)
def test_limited_channels_are_the_only_ones_used(use_channels, limit, outcomes):
    """
    What limit_to_channels leaves out is neither sent nor reported.
    """
    use_channels(mailer=Recorder(), pusher=Recorder(PUSH))

    assert ace.send(welcome(), limit).outcomes == outcomes


def test_a_channel_name_selects_that_channel(use_channels):
    """
    A name wins over the site's default for the type.
    """
    first, second = Recorder(PUSH), Recorder(PUSH)
    use_channels(first=first, second=second)

    report = ace.send(welcome(), ["second"])

    assert report[PUSH].channel == "second"
    assert (len(first.delivered), len(second.delivered)) == (0, 1)


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (["djnago_email"], r"must hold ChannelType members, .* given 'djnago_email'. Did you mean 'django_email'\?"),
        (["EMAIL"], r"given 'EMAIL'. Did you mean 'email'\?"),
        (["pish"], r"given 'pish'. Did you mean 'push'\?"),
        ([None], r"given None"),
        ("push", r"must be a list .* given 'push'. Write \['push'\]"),
        (PUSH, r"must be a list .* Write \["),
    ],
)
def test_a_mistyped_limit_is_an_error_and_sends_nothing(limit, text):
    """
    What is neither a channel type nor a channel is refused, with the nearest name.
    """
    with pytest.raises(UnknownChannelError, match=text):
        ace.send(welcome(), limit)

    assert mail.outbox == []


def test_types_left_out_are_logged_once_each_at_debug_level(use_channels, caplog):
    """
    Existing tests pin this line, and that it is the only one.
    """
    use_channels(mailer=Recorder(), pusher=Recorder(PUSH))
    caplog.set_level(logging.DEBUG, "edx_ace.ace")

    ace.send(welcome(), [PUSH])

    lines = [record.getMessage() for record in caplog.records if record.name == "edx_ace.ace"]
    assert lines == ["Skipping channel email"]


def test_a_send_retries_until_the_channel_accepts(use_channels, ace_clock):
    """
    A recoverable error is waited out in the caller, and the report counts the attempts.
    """
    soon = ace_clock.now + timedelta(seconds=3)
    use_channels(mailer=Scripted(RecoverableChannelDeliveryError("Busy.", soon, code="smtp_450"), None))

    report = ace.send(welcome(), [EMAIL])

    assert (report[EMAIL].outcome, report[EMAIL].attempts, ace_clock.now) == (Outcome.SENT, 2, soon)


def test_a_wait_is_announced_once_and_an_expiry_after_attempts_is_a_failure_in_the_log(use_channels, ace_clock, caplog):
    """
    Whoever watches a send sees why nothing moves, and the log has what never arrived; a message that was past its time
    from the start is neither.
    """
    until = ace_clock.now + timedelta(seconds=8)
    use_channels(mailer=Scripted(*[RecoverableChannelDeliveryError("Busy.", None, code="smtp_450")] * 50))
    message = welcome(expiration_time=until)

    ace.send(message, [EMAIL])
    ace.send(welcome(expiration_time=until - timedelta(days=1)), [EMAIL])

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            f"[{message.log_id}] Not sent over email yet, trying again until {until.isoformat(' ', 'seconds')}: "
            "smtp_450: Busy.",
        ),
        (
            "ERROR",
            f"[{message.log_id}] Not sent over email: expired: The message expired after 2 attempts, "
            "of which the last ended with smtp_450: Busy.",
        ),
    ]


def test_one_attempt_is_counted_in_words(use_channels, ace_clock):
    """
    A message that expires before a second attempt does not speak of "1 attempts".
    """
    use_channels(mailer=Scripted(RecoverableChannelDeliveryError("Busy.", None, code="smtp_450")))

    report = ace.send(welcome(expiration_time=ace_clock.now + timedelta(seconds=3)), [EMAIL])

    assert report[EMAIL].reason == "The message expired after one attempt, which ended with smtp_450: Busy."


@pytest.mark.parametrize("error", [FatalChannelDeliveryError("Refused.", code="smtp_550"), ZeroDivisionError()])
def test_a_failure_says_how_often_the_message_was_handed_over(use_channels, ace_clock, error):
    """
    Alone and in a batch; what fails before the channel was handed over no time.
    """
    busy = RecoverableChannelDeliveryError("Busy.", None, code="smtp_450")
    mailer = Scripted(busy, error, busy, error)
    use_channels(mailer=mailer)

    single, (batched,) = ace.send(welcome(), [EMAIL]), ace.send_many([welcome()], [EMAIL])

    assert (single[EMAIL].attempts, batched[EMAIL].attempts) == (2, 2)
    assert ace.send(welcome(name="nothing_here"), [EMAIL])[EMAIL].attempts == 0


def test_monitoring_hears_no_text_of_a_foreign_exception(use_channels, monkeypatch):
    """
    It may hold personal data; what our own errors say is told.
    """
    heard = {}
    monkeypatch.setattr("edx_ace.message.monitoring_report", heard.__setitem__)
    use_channels(mailer=Scripted(KeyError("ann@example.com")), push=Scripted(OSError("x"), channel_type=PUSH))

    ace.send(welcome())

    assert heard["email_error"] == "KeyError was raised; see the log."


def test_a_named_channel_that_cannot_be_loaded_is_told_from_an_unknown_one(monkeypatch):
    """
    The error says where the reason is.
    """
    monkeypatch.setattr("edx_ace.channel.registry.load", lambda namespace, names: [])

    with pytest.raises(
        UnknownChannelError, match="'braze_email', which is installed but cannot be loaded; the log says"
    ):
        ace.send(welcome(), ["braze_email"])


def test_a_channel_with_nowhere_to_send_to_has_sent_nothing(use_channels):
    """
    A person without a device is no failure and no success.
    """

    class NoDevice(Recorder):
        def deliver(self, message, rendered_message):
            return Skipped("no_device", "There is no device.")

    use_channels(mailer=NoDevice())

    single, (batched,) = ace.send(welcome(), [EMAIL]), ace.send_many([welcome()], [EMAIL])

    for report in (single, batched):
        assert not report
        assert (report[EMAIL].outcome, report[EMAIL].code) == (Outcome.SKIPPED, "no_device")


def test_a_message_that_expires_while_it_is_retried_says_what_stood_in_its_way(use_channels, ace_clock):
    """
    An expired delivery names the last error.
    """
    use_channels(mailer=Scripted(*[RecoverableChannelDeliveryError("The server is busy.", None, code="smtp_450")] * 50))

    report = ace.send(welcome(expiration_time=ace_clock.now + timedelta(seconds=12)), [EMAIL])

    assert report[EMAIL].outcome is Outcome.EXPIRED
    assert report[EMAIL].attempts == 3
    assert report[EMAIL].reason == (
        "The message expired after 3 attempts, of which the last ended with smtp_450: The server is busy."
    )


@pytest.mark.parametrize("expiration_time", [datetime(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC)])
def test_a_message_past_its_expiry_is_not_handed_over(use_channels, expiration_time):
    """
    A naive expiration_time is read as UTC.
    """
    mailer = Recorder()
    use_channels(mailer=mailer)

    report = ace.send(welcome(expiration_time=expiration_time), [EMAIL])

    assert report.outcomes == {EMAIL: Outcome.EXPIRED}
    assert mailer.delivered == []


def test_each_failure_is_one_log_line_without_the_address(use_channels, caplog):
    """
    A failure is logged once, by ids, with its code.
    """
    use_channels(mailer=Scripted(FatalChannelDeliveryError("Refused.", code="smtp_550")))
    message = welcome()

    ace.send(message, [EMAIL])

    assert [record.getMessage() for record in caplog.records] == [
        f"[{message.log_id}] Not sent over email: smtp_550: Refused."
    ]


def test_an_unexpected_error_is_reported_by_its_class_and_logged_with_its_traceback(use_channels, caplog):
    """
    The text of a foreign exception may hold personal data, so the report does not repeat it.
    """
    use_channels(mailer=Scripted(KeyError("ann@example.com")))

    report = ace.send(welcome(), [EMAIL])

    assert report[EMAIL].code == "unexpected_error"
    assert report[EMAIL].reason == "KeyError was raised; see the log."
    assert caplog.records[0].exc_info is not None


def test_a_missing_template_is_reported_last_and_by_name(use_channels, monkeypatch):
    """
    Monitoring hears of it after everything else, in the words that existing tests pin.
    """
    heard = []
    monkeypatch.setattr("edx_ace.message.monitoring_report", lambda key, value: heard.append((key, value)))
    use_channels(mailer=Recorder(), push=Scripted(FatalChannelDeliveryError("Dead."), channel_type=PUSH))

    report = ace.send(welcome(name="nothing_here"))

    name = "tests/edx_ace/nothing_here/email/from_name.txt"
    assert report[EMAIL].code == "template_missing"
    assert report[EMAIL].reason == (
        "Expected the templates tests/edx_ace/nothing_here/email/subject.txt and "
        "tests/edx_ace/nothing_here/email/body.html, which do not exist."
    )
    assert heard[:3] == [
        ("message_name", "tests.nothing_here"),
        ("language", "en"),
        ("policy_allowed_channels", "email,push"),
    ]
    assert heard[3] == ("template_error", f"Unable to send message because template not found\n{name}")


def test_explain_says_what_would_happen_and_sends_nothing(use_channels, use_policies):
    """
    Every policy's decision and every channel's fate, without a delivery.
    """
    mailer, pusher = Recorder(), Recorder(PUSH)
    use_channels(mailer=mailer, pusher=pusher)
    use_policies(Says(lambda _: PolicyResult({PUSH}, code="quiet", reason="Not at night.")))
    message = welcome()

    explanation = ace.explain(message)

    assert explanation
    assert str(explanation).splitlines() == [
        message.log_id,
        "  policies:",
        "    Says, email: allow",
        "    Says, push: deny (quiet: Not at night.)",
        "  channels:",
        "    email: would go over mailer",
        "    push: skipped (quiet: Not at night.)",
    ]
    assert mailer.delivered == pusher.delivered == []


def test_explain_refuses_what_send_refuses():
    """
    A message whose content is refused would go nowhere, and the plan says why.
    """
    explanation = ace.explain(welcome(app_label="../etc"))

    assert not explanation
    assert {entry.code for entry in explanation.plan} == {"invalid_message"}


def test_a_channel_brings_its_own_renderer(use_channels):
    """
    A type without a renderer is served by its channel's.
    """
    from edx_ace.renderers import PushNotificationRenderer

    class Chat(Recorder):
        renderer = PushNotificationRenderer()

        def deliver(self, message, rendered_message):
            return rendered_message.title

    use_channels(chat=Chat(PUSH))

    assert ace.send(welcome(), [PUSH])[PUSH].provider_id == "Welcome"


def test_a_type_without_a_renderer_fails_alone(use_channels):
    """
    The error says which types have one.
    """
    use_channels(mailer=Recorder(), texter=Recorder(SMS))

    report = ace.send(welcome())

    assert report[EMAIL].outcome is Outcome.SENT
    assert report[SMS].outcome is Outcome.FAILED
    assert "Recorder cannot render: there is no renderer for sms (there is one for email, push" in report[SMS].reason


@override_settings(ACE_ENABLED_CHANNELS=[])
def test_a_site_without_channels_is_told_so():
    """
    Nothing is sent and each type says what to set.
    """
    report = ace.send(welcome())

    assert not report
    assert "Name one in ACE_ENABLED_CHANNELS" in report[EMAIL].reason


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no words")


class UnspeakableRefusal(FatalChannelDeliveryError):
    def __str__(self):
        raise ValueError("no words")


@pytest.mark.parametrize("error", [Unspeakable(), UnspeakableRefusal()])
def test_an_error_that_cannot_be_shown_is_reported_by_its_name(use_channels, error):
    """
    Of another's error nothing is relied upon, and the next message is not affected.
    """
    use_channels(mailer=Scripted(error))

    failed, sent = ace.send_many([welcome(), welcome()])

    assert type(error).__name__ in failed[EMAIL].reason
    assert sent


def test_an_error_is_reported_without_control_characters(use_channels):
    """
    A channel may quote what a provider said; whoever prints the report is safe from it.
    """
    use_channels(mailer=Scripted(FatalChannelDeliveryError("no\r\n\x1b[2J way")))

    assert ace.send(welcome())[EMAIL].reason == r"no\r\n\x1b[2J way"


class Sealed:
    """Cannot be shown."""

    def __str__(self):
        raise ValueError("sealed")


def test_a_message_is_reported_as_sent_whatever_its_context_holds():
    """
    What the receivers of message_sent are told is made after the mail has gone; what cannot be shown is its class.
    """
    told = []

    def receive(sender, message, **kwargs):
        told.append(message)

    message_sent.connect(receive)
    try:
        report = ace.send(welcome(context={"name": "Ann", "live": Sealed(), "by_id": {(1, 2): "pair"}}))
    finally:
        message_sent.disconnect(receive)

    assert report
    assert len(mail.outbox) == 1
    assert json.loads(json.dumps(told[0]["context"])) == {
        "name": "Ann",
        "live": "<Sealed>",
        "by_id": {"(1, 2)": "pair"},
    }


def test_the_log_of_a_refusal_tells_nothing_about_the_person(caplog):
    """
    The report shows the address that was given, the log that there was one.
    """
    report = ace.send(welcome(recipient=Recipient(7, "ann@@example.com")), [EMAIL])

    assert "'ann@@example.com'" in report[EMAIL].reason
    assert "Not sent over email: bad_address" in caplog.text
    assert "example.com" not in caplog.text


@pytest.mark.parametrize("limit", [5, [{}], [[]], [None], b"push", ["x" * 1_000_000]])
def test_a_limit_of_the_wrong_type_is_an_argument_error(limit):
    """
    The error says what was expected, and is no longer than a screen.
    """
    with pytest.raises(UnknownChannelError, match="limit_to_channels must") as raised:
        ace.send(welcome(), limit)

    assert len(str(raised.value)) < 500
    assert mail.outbox == []
