"""
Internal: the mail server of tests answers as it is told.
"""

import json
import signal
import smtplib
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from edx_ace.testing.smtp import Answer, SmtpSink


def send(sink, *recipients, content="Subject: x\r\n\r\nHi\r\n"):
    with smtplib.SMTP(sink.host, sink.port) as client:
        client.sendmail("sender@example.com", recipients, content)


def test_messages_are_kept_as_they_were_sent():
    """
    With the envelope, and without the dots that SMTP adds.
    """
    with SmtpSink() as sink:
        send(sink, "a@example.com", "b@example.com", content=".\r\nSubject: x\r\n\r\n.x\r\n..\r\n")

    [message] = sink.messages
    assert (message.sender, message.recipients) == ("sender@example.com", ("a@example.com", "b@example.com"))
    assert message.content == b".\r\nSubject: x\r\n\r\n.x\r\n..\r\n"
    assert (sink.count, sink.sessions, message.session) == (1, 1, 1)


def test_messages_may_be_counted_only_or_handed_on():
    """
    For measurements and for pages that show mail as it comes.
    """
    taken = []

    with SmtpSink(keep=False, on_message=taken.append) as sink:
        send(sink, "a@example.com")

    assert (sink.messages, sink.count, taken[0].email["Subject"]) == ([], 1, "x")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer("550 unknown"), smtplib.SMTPRecipientsRefused),
        (Answer("554 no", at="DATA"), smtplib.SMTPDataError),
        (Answer("554 no", at="END"), smtplib.SMTPDataError),
        (Answer("", at="END", cut=True), smtplib.SMTPServerDisconnected),
        (Answer("", cut=True), smtplib.SMTPServerDisconnected),
        (Answer("354 go on", at="DATA", cut=True), smtplib.SMTPServerDisconnected),
        (Answer("550 unknown", drip=0.001), smtplib.SMTPRecipientsRefused),
    ],
)
def test_a_recipient_may_be_answered_in_another_way(answer, error):
    """
    As often as asked; then like any other.
    """
    answer = replace(answer, times=2)

    with SmtpSink(answers={"bad": answer}) as sink:
        for _ in range(2):
            with pytest.raises(error):
                send(sink, "bad@example.com")
        send(sink, "bad@example.com")

    assert sink.count == 1


def test_a_message_may_be_taken_and_not_confirmed():
    """
    The client cannot know, and the sink has it.
    """
    with SmtpSink(answers={"dead": Answer("", at="END", cut=True, takes=True, times=1)}) as sink:
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(sink, "dead@example.com")
        send(sink, "dead@example.com")

    assert sink.count == 2


def test_only_crlf_ends_a_message():
    """
    A dot between bare line feeds is content, so that smuggled messages do not pass for real ones.
    """
    with SmtpSink() as sink, smtplib.SMTP(sink.host, sink.port) as client:
        client.ehlo()
        client.mail("a@example.com")
        client.rcpt("b@example.com")
        client.docmd("DATA")
        client.send(b"x\n.\nMAIL FROM:<c@example.com>\r\n.\r\n")
        client.getreply()

    assert [message.content for message in sink.messages] == [b"x\n.\nMAIL FROM:<c@example.com>\r\n"]


def test_it_runs_as_a_process():
    """
    Told to stop, it says how much it received.
    """
    port = free_port()
    answers = json.dumps({"gone": {"reply": "550 unknown"}})
    command = [sys.executable, "-m", "edx_ace.testing.smtp", "--port", str(port), "--count-only", "--answers", answers]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == f"Listening on 127.0.0.1:{port}\n"
        client = smtplib.SMTP("127.0.0.1", port)
        client.sendmail("a@example.com", ["b@example.com"], "Hi")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("a@example.com", ["gone@example.com"], "Hi")
        client.close()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)

    assert output == "1 messages over 1 connections\n"


def test_what_was_confirmed_is_in_the_log_of_a_sink_that_was_killed(tmp_path):
    """
    Each message with its Message-ID, recipients, connection and time.
    """
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-m", "edx_ace.testing.smtp", "--port", str(port), "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        before = time.time()
        with smtplib.SMTP("127.0.0.1", port) as client:
            for number in (1, 2):
                client.sendmail("a@example.com", ["b@example.com"], f"Message-ID: <{number}@x>\r\n\r\nHi\r\n")
            process.kill()
            process.wait()

    first, second = (json.loads(line) for line in log.read_text().splitlines())
    assert before <= first.pop("at") <= second.pop("at")
    assert first == {"message_id": "<1@x>", "recipients": ["b@example.com"], "session": 1}
    assert second == {"message_id": "<2@x>", "recipients": ["b@example.com"], "session": 1}


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
