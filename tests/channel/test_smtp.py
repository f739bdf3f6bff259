"""
Internal: mail over SMTP: results matched to messages, connections kept, and every way in which they break.
"""

import logging
import os
import random
import signal
import ssl
import threading
import time
from collections import Counter

import pytest
import trustme
from django.core.mail.backends.smtp import EmailBackend

from edx_ace.channel.smtp.errors import error_for_reply
from edx_ace.errors import (
    ChannelDownError,
    FatalChannelDeliveryError,
    InvalidMessageError,
    RecoverableChannelDeliveryError,
)
from edx_ace.testing.smtp import Answer
from tests.channel.mail import SMTP, codes, deliver, deliver_many, parcel, use_backend
from tests.faults.proxy import Proxy

#: With and without commands in groups.
EXTENSIONS = [("PIPELINING", "8BITMIME"), ("8BITMIME",)]

in_both_modes = pytest.mark.parametrize("extensions", EXTENSIONS, ids=["grouped", "one by one"])


def to(*names):
    return [parcel(f"{name}@example.com") for name in names]


def received(sink):
    return [message.recipients[0].partition("@")[0] for message in sink.messages]


@in_both_modes
def test_an_email_arrives_as_it_was_rendered(run_sink, extensions):
    """
    Text and HTML arrive, with lines that begin with a dot intact, and the server's id comes back.
    """
    sink = run_sink(extensions=extensions)

    provider_id = deliver(parcel(subject="Grüße", body=".\n..\n.x", body_html="<p>\n.ü</p>"))

    [message] = sink.messages
    assert provider_id == "1"
    assert (message.sender, message.recipients) == ("sender@example.com", ("ann@example.com",))
    assert message.email["Subject"] == "Grüße"
    assert message.email.get_body(("plain",)).get_content() == ".\r\n..\r\n.x"
    assert "<p>\r\n.ü</p>" in message.email.get_body(("html",)).get_content()


@in_both_modes
@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (Answer("450 4.2.0 busy"), RecoverableChannelDeliveryError, "smtp_450"),
        (Answer("550 5.1.1 unknown"), FatalChannelDeliveryError, "smtp_550"),
        (Answer("530 5.7.0 log in"), ChannelDownError, "smtp_530"),
        (Answer("451 4.3.0 later", at="DATA"), RecoverableChannelDeliveryError, "smtp_451"),
        (Answer("554 5.7.1 no", at="DATA"), FatalChannelDeliveryError, "smtp_554"),
        (Answer("452 4.3.1 full", at="END"), RecoverableChannelDeliveryError, "smtp_452"),
        (Answer("554 5.6.0 spam", at="END"), FatalChannelDeliveryError, "smtp_554"),
        # Refused, although the server wants the content, as RFC 2920 allows.
        ([Answer("550 5.1.1 unknown"), Answer("354 go on", at="DATA")], FatalChannelDeliveryError, "smtp_550"),
        (Answer("421 4.7.0 bye", cut=True), RecoverableChannelDeliveryError, "smtp_421"),
        (Answer("421 4.7.0 bye", at="END", cut=True), RecoverableChannelDeliveryError, "smtp_421"),
        (Answer("550 5.1.1 unknown", cut=True), FatalChannelDeliveryError, "smtp_550"),
        # Cut before the content was sent: over two connections.
        (Answer("", cut=True), RecoverableChannelDeliveryError, "disconnected"),
        (Answer("", at="DATA", cut=True), RecoverableChannelDeliveryError, "disconnected"),
        # Cut after it.
        (Answer("", at="END", cut=True), RecoverableChannelDeliveryError, "ambiguous"),
        # No SMTP.
        (Answer("hello", at="END"), RecoverableChannelDeliveryError, "ambiguous"),
        (Answer("hello"), RecoverableChannelDeliveryError, "not_smtp"),
    ],
)
def test_a_failure_is_that_of_its_message_alone(run_sink, extensions, answer, error, code):
    """
    Between two good messages, each way to fail gets its error, and both others arrive once.
    """
    sink = run_sink(extensions=extensions, answers={"bad": answer})

    results = deliver_many(to("one", "bad", "two"))

    assert codes(results) == ["sent", code, "sent"]
    assert type(results[1]) is error
    assert results[1].is_ambiguous == (code == "ambiguous")
    assert received(sink) == ["one", "two"]


#: Answers by local part, and the results they lead to.
FAULTS = {
    "gone": (Answer("550 no"), "smtp_550"),
    "later": (Answer("450 no"), "smtp_450"),
    "unwanted": ([Answer("550 no"), Answer("354 go on", at="DATA")], "smtp_550"),
    "data": (Answer("554 no", at="DATA"), "smtp_554"),
    "spam": (Answer("554 no", at="END"), "smtp_554"),
    "closing": (Answer("421 bye", cut=True), "smtp_421"),
    "cut": (Answer("", cut=True), "disconnected"),
    "lost": (Answer("", at="END", cut=True), "ambiguous"),
    "last": (Answer("250 OK", at="END", cut=True), "sent"),
    "slow": (Answer(delay=0.01), "sent"),
    "good": (Answer(), "sent"),
}


@in_both_modes
@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("messages_per_connection", [None, 7])
def test_any_mixture_of_faults_is_told_apart(run_sink, settings, extensions, connections, messages_per_connection):
    """
    Each message has the result of its own fault, arrives once if that is a success, and never otherwise.
    """
    settings.ACE_EMAIL_CONNECTIONS = connections
    answers = {name: answer for name, (answer, _) in FAULTS.items()}
    sink = run_sink(extensions=extensions, answers=answers, messages_per_connection=messages_per_connection)
    names = random.Random(20261122).choices([*FAULTS, "good", "good", "good"], k=120)
    parcels = to(*names)

    results = codes(deliver_many(parcels))

    assert results == [FAULTS[name][1] for name in names]
    assert Counter(message.email["Message-ID"] for message in sink.messages) == {
        f"<{one.message.uuid}@example.com>": 1 for one, result in zip(parcels, results, strict=True) if result == "sent"
    }


@in_both_modes
def test_a_server_that_stops_answering_is_a_timeout(run_sink, extensions):
    """
    The wait is that of the backend; the other messages go over another connection.
    """
    sink = run_sink(
        extensions=extensions,
        backend={"timeout": 0.3},
        answers={"slow": Answer(delay=2), "slower": Answer("250 OK", at="END", delay=2)},
    )

    assert codes(deliver_many(to("one", "slow", "two", "slower", "three"))) == [
        "sent", "timeout", "sent", "ambiguous", "sent",
    ]  # fmt: skip
    assert "slow" not in received(sink)


@in_both_modes
def test_content_that_was_not_written_whole_cannot_have_been_accepted(run_sink, extensions):
    """
    The server that closes in the middle of it never saw its end; the others go over another connection.
    """
    sink = run_sink(extensions=extensions, answers={"large": Answer("354 go on", at="DATA", cut=True)})
    large = parcel("large@example.com", body_html=("y" * 70 + "\n") * 250_000)

    results = deliver_many([*to("one"), large, *to("two")])

    assert received(sink) == ["one", "two"]
    assert [getattr(result, "is_ambiguous", None) for result in results] == [None, False, None]


@in_both_modes
def test_a_server_that_cuts_after_its_reply_loses_nothing(run_sink, extensions):
    """
    The message before is accepted; the next goes over a new connection.
    """
    sink = run_sink(extensions=extensions, answers={"last": Answer("250 OK", at="END", cut=True)})

    assert codes(deliver_many(to("one", "last", "two"))) == ["sent", "sent", "sent"]
    assert received(sink) == ["one", "last", "two"]


@in_both_modes
def test_a_server_may_limit_messages_per_connection(run_sink, extensions):
    """
    At 421 the batch continues over a new connection, and no message is lost or repeated.
    """
    sink = run_sink(extensions=extensions, messages_per_connection=3)
    names = [f"user{number}" for number in range(10)]

    assert codes(deliver_many(to(*names))) == ["sent"] * 10
    assert received(sink) == names
    assert sink.sessions == 4


def test_the_servers_words_are_in_the_error_and_the_address_is_not(run_sink):
    """
    Errors are logged; the recipient's address stays out of them.
    """
    run_sink(answers={"gone": Answer("550 5.1.1 <Gone@Example.com> unknown\x07" + "x" * 300)})

    with pytest.raises(FatalChannelDeliveryError, match=r"answered 550 5.1.1 <recipient> unknown\\x07x+\.$") as raised:
        deliver(*to("gone"))

    assert len(str(raised.value)) < 260


def test_a_message_costs_one_round_trip(run_sink):
    """
    In a batch, the content of each message travels together with the commands of the next.
    """
    sink = run_sink()

    deliver_many(to(*["user"] * 20))

    # The greeting, EHLO, the first commands, and then one each.
    assert sink.round_trips == 3 + 20


def test_a_connection_is_kept_for_the_next_message(run_sink):
    """
    Single messages and batches share it.
    """
    sink = run_sink()

    deliver(*to("one"))
    deliver_many(to("two", "three"))
    deliver(*to("four"))

    assert (sink.count, sink.sessions) == (4, 1)


def test_a_kept_connection_that_the_server_closed_is_replaced_silently(run_sink):
    """
    Nothing was accepted on it, so that the message goes over a new one.
    """
    sink = run_sink()
    deliver(*to("one"))
    sink.cut_connections()
    time.sleep(0.05)

    deliver(*to("two"))

    assert (received(sink), sink.sessions) == (["one", "two"], 2)


def test_a_connection_is_not_kept_for_longer_than_asked(run_sink, settings):
    """
    With 0 it is closed at once.
    """
    settings.ACE_EMAIL_KEEP_CONNECTION_SECONDS = 0
    sink = run_sink()

    deliver(*to("one"))
    deliver(*to("two"))

    assert (sink.count, sink.sessions) == (2, 2)


def test_a_connection_is_kept_for_its_own_settings_alone(run_sink):
    """
    Another server, another connection.
    """
    first = run_sink()
    deliver(*to("one"))
    second = run_sink()
    deliver(*to("two"))

    assert (received(first), received(second)) == (["one"], ["two"])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_connection_is_never_shared_with_a_forked_process(run_sink):
    """
    The child opens its own and leaves its parent's alone.
    """
    sink = run_sink()
    deliver(*to("parent"))

    child = os.fork()
    if not child:
        try:
            deliver(*to("child"))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    deliver(*to("parent"))

    assert [(name, message.session) for name, message in zip(received(sink), sink.messages, strict=True)] == [
        ("parent", 1),
        ("child", 2),
        ("parent", 1),
    ]


def test_threads_do_not_share_a_connection(run_sink):
    """
    Each message in flight has one to itself.
    """
    sink = run_sink(answers={"slow": Answer(delay=0.2)})
    threads = [threading.Thread(target=deliver, args=to("slow")) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {message.session for message in sink.messages} == {1, 2, 3, 4}


def test_a_batch_goes_over_as_many_connections_as_asked(run_sink, settings):
    """
    The results come in the order of the messages.
    """
    settings.ACE_EMAIL_CONNECTIONS = 4
    sink = run_sink(answers={"bad": Answer("550 no", delay=0.1), "slow": Answer(delay=0.1)})

    results = deliver_many(to(*["slow", "bad", "user", "user"] * 10))

    assert codes(results) == ["sent", "smtp_550", "sent", "sent"] * 10
    assert sink.sessions == 4


def test_connections_that_the_server_refuses_leave_their_messages_to_the_others(run_sink, settings):
    """
    A server may take fewer connections than asked for.
    """
    settings.ACE_EMAIL_CONNECTIONS = 3
    sink = run_sink(answers={"slow": Answer(delay=0.05)})
    deliver(*to("first"))
    sink.commands["CONNECT"] = "421 4.7.0 too many connections"

    assert codes(deliver_many(to(*["slow"] * 12))) == ["sent"] * 12
    assert {message.session for message in sink.messages} == {1}


@pytest.mark.parametrize("connections", [1, 3])
def test_without_a_server_all_messages_wait(run_sink, settings, connections):
    """
    The connection is tried once and not for each message; what is wrong with a message is found all the same.
    """
    settings.ACE_EMAIL_CONNECTIONS = connections
    run_sink().stop()

    assert codes(deliver_many(to("one", "two", "not an address", "three"))) == [
        "connection", "connection", "bad_address", "connection",
    ]  # fmt: skip


def test_a_batch_that_nobody_reads_on_stops(run_sink, settings):
    """
    Closing the iterator leaves no thread behind and no half-sent message.
    """
    from edx_ace.channel.django_email import DjangoEmailChannel

    settings.ACE_EMAIL_CONNECTIONS = 2
    sink = run_sink(answers={"slow": Answer(delay=0.02)})
    results = DjangoEmailChannel().deliver_many(to(*["slow"] * 100))

    next(results)
    results.close()

    assert sink.count < 20
    deliver(*to("next"))
    assert received(sink)[-1] == "next"


def test_copies_go_out_when_the_recipient_is_accepted(run_sink, caplog):
    """
    A copy that is refused does not stop the message; a recipient who is refused stops the copies.
    """
    sink = run_sink(answers={"gone": Answer("550 no")})
    copies = {"cc": ["c@example.com", "gone@example.com"], "bcc": "hidden@example.com"}

    with caplog.at_level(logging.WARNING):
        results = deliver_many([*to("one"), parcel(**copies), parcel("gone@example.com", **copies), *to("two")])

    assert codes(results) == ["sent", "sent", "smtp_550", "sent"]
    assert [message.recipients for message in sink.messages] == [
        ("one@example.com",),
        ("ann@example.com", "c@example.com", "hidden@example.com"),
        ("two@example.com",),
    ]
    assert "hidden@example.com" not in sink.messages[1].content.decode()
    assert caplog.messages == ["The mail server refused 1 of 3 copies."]


@pytest.mark.parametrize(
    ("commands", "extensions", "backend", "error", "code"),
    [
        ({"AUTH": "535 5.7.8 no"}, ["AUTH PLAIN"], {"username": "u", "password": "p"}, ChannelDownError, "smtp_535"),
        (
            {"AUTH": "454 4.7.0 later"}, ["AUTH PLAIN"], {"username": "u", "password": "p"},
            RecoverableChannelDeliveryError, "connection",
        ),
        ({}, [], {"username": "u", "password": "p"}, ChannelDownError, "smtp_not_supported"),
        ({"STARTTLS": "454 4.7.0 no"}, ["STARTTLS"], {"use_tls": True}, ChannelDownError, "tls"),
        ({}, [], {"use_tls": True}, ChannelDownError, "smtp_not_supported"),
        ({"CONNECT": "554 no"}, [], {}, ChannelDownError, "smtp_554"),
        ({"CONNECT": "421 busy"}, [], {}, RecoverableChannelDeliveryError, "smtp_421"),
        ({"CONNECT": "450 busy"}, [], {}, RecoverableChannelDeliveryError, "connection"),
        # Says nothing.
        ({"CONNECT": "220-"}, [], {"timeout": 0.2}, RecoverableChannelDeliveryError, "connection"),
    ],
)  # fmt: skip
def test_a_session_that_cannot_begin_says_whose_fault_it_is(run_sink, commands, extensions, backend, error, code):
    """
    Credentials and encryption are the channel's fault and not the message's.
    """
    run_sink(commands=commands, extensions=["PIPELINING", *extensions], backend=backend)

    with pytest.raises(error) as raised:
        deliver(*to("one"))

    assert raised.value.code == code


@pytest.mark.parametrize("backend", [SMTP, f"{__name__}.OtherBackend"])
def test_a_server_that_hangs_up_before_its_greeting_is_as_good_as_none(settings, backend):
    """
    As one behind a load balancer is, which takes connections for it while it is away: no message was refused.
    """
    with Proxy(target=0) as proxy:
        proxy.cut()
        use_backend(settings, backend, host="127.0.0.1", port=proxy.port, timeout=5)

        assert codes(deliver_many(to("one", "two"))) == ["connection"] * 2


class OtherBackend(EmailBackend):
    """One of a site's own."""


@pytest.fixture
def certificate_authority(monkeypatch, tmp_path):
    """An authority that this process trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return authority


def test_mail_is_streamed_over_tls(run_sink, certificate_authority):
    """
    Encryption is Django's, and the rest is as without.
    """
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate_authority.issue_cert("127.0.0.1").configure_cert(tls)
    sink = run_sink(tls=tls, backend={"use_ssl": True})

    assert codes(deliver_many(to(*["user"] * 20))) == ["sent"] * 20
    assert (sink.count, sink.sessions) == (20, 1)


def test_a_certificate_that_nobody_trusts_is_the_channels_fault(run_sink):
    """
    Nothing is sent to a server that may be another.
    """
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    run_sink(tls=tls, backend={"use_ssl": True})

    with pytest.raises(ChannelDownError, match="CERTIFICATE_VERIFY_FAILED"):
        deliver(*to("one"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_process_may_fork_while_a_thread_awaits_an_answer(run_sink):
    """
    The new process does not wait for what the thread, which it has not, was reading; the old one gets its answer.
    """
    sink = run_sink(answers={"slow": Answer("250 2.1.5 OK", delay=1)})
    results = []
    sender = threading.Thread(target=lambda: results.extend(deliver_many(to("slow"))))
    sender.start()
    while not sink.sessions:
        time.sleep(0.01)
    time.sleep(0.2)
    child = os.fork()
    if not child:
        signal.alarm(5)
        os._exit(0 if codes(deliver_many(to("one"))) == ["sent"] else 1)

    status = os.waitpid(child, 0)[1]
    sender.join()

    assert status == 0
    assert codes(results) == ["sent"]
    assert sorted(received(sink)) == ["one", "slow"]


@in_both_modes
@pytest.mark.parametrize("at", ["RCPT", "DATA", "END"])
def test_a_reply_too_many_is_never_taken_for_that_to_another_message(run_sink, extensions, at):
    """
    Whoever is reported as sent has received their own message, and a server out of step is asked over a new connection.
    """
    usual = {"RCPT": "250 2.1.5 OK", "DATA": "354 go on", "END": "250 2.0.0 OK queued as A"}[at]
    sink = run_sink(
        extensions=extensions,
        answers={"bad": Answer(f"{usual}\r\n250 2.0.0 and again", at=at), "gone": Answer("554 5.6.0 spam", at="END")},
    )
    names = ["one", "bad", "gone", "two", "three"]

    results = deliver_many([parcel(f"{name}@example.com", body=f"for {name}") for name in names])

    assert codes(results)[2] == "smtp_554"
    assert codes(results)[3:] == ["sent", "sent"]
    contents = {message.recipients[0].partition("@")[0]: message.content.decode() for message in sink.messages}
    assert all(f"for {name}\r\n" in content for name, content in contents.items())
    assert {name for name, code in zip(names, codes(results), strict=True) if code == "sent"} <= contents.keys()
    assert sink.sessions > 1


def test_a_kept_connection_on_which_something_came_is_not_used_again(run_sink):
    """
    What the server said while nobody asked is the answer to nothing.
    """
    sink = run_sink(answers={"one": Answer("250 2.0.0 OK\r\n250 2.0.0 and again", at="END")})

    deliver(*to("one"))
    deliver(*to("two"))

    assert (received(sink), sink.sessions) == (["one", "two"], 2)


@in_both_modes
def test_a_transaction_that_cannot_be_taken_back_ends_the_connection(run_sink, extensions):
    """
    Its recipients would be added to those of the next message.
    """
    sink = run_sink(
        extensions=extensions, answers={"bad": Answer("451 4.3.0 later", at="DATA")}, commands={"RSET": "502 5.5.2 no"}
    )

    results = deliver_many(to("bad", "one"))

    assert codes(results) == ["smtp_451", "sent"]
    assert [message.recipients for message in sink.messages] == [("one@example.com",)]
    assert sink.sessions == 2


def test_what_a_server_says_at_its_goodbye_tells_nothing_about_the_person(run_sink):
    """
    Addresses are replaced in the reply that closes the connection as in any other.
    """
    run_sink(answers={"bad": Answer("421 4.7.0 <bad@example.com> not now", cut=True)})

    [error] = deliver_many(to("bad"))

    assert str(error) == "The mail server answered 421 4.7.0 <recipient> not now."


def test_an_address_in_another_script_needs_smtputf8(run_sink):
    """
    It goes where the server offers that, and fails alone where it does not.
    """
    sink = run_sink()
    deliver(parcel("用户@例え.jp"))
    assert sink.messages[0].recipients == ("用户@xn--r8jz45g.jp",)

    run_sink(extensions=["PIPELINING"])
    results = deliver_many([parcel("用户@例え.jp"), *to("one")])
    assert isinstance(results[0], InvalidMessageError)
    assert codes(results) == ["bad_address", "sent"]


@pytest.mark.parametrize(
    ("reply", "provider_id"),
    [
        ("250 2.0.0 Ok: queued as 4XyZ12abc", "4XyZ12abc"),
        ("250 OK id=1rabcD-0001Xy-2Z", "1rabcD-0001Xy-2Z"),
        ("250 Ok 010201-abc-000000", "010201-abc-000000"),
        ("250 2.0.0 accepted", None),
    ],
)
def test_the_servers_id_is_returned_where_its_reply_has_one(run_sink, reply, provider_id):
    """
    In the words of Postfix, Exim and Amazon SES.
    """
    run_sink(answers={"one": Answer(reply, at="END")})

    assert deliver(*to("one")) == provider_id


def test_a_large_message_does_not_block(run_sink):
    """
    Megabytes of content travel while replies come back.
    """
    sink = run_sink()
    large = [parcel(body="x" * 70 + "\n", body_html=("y" * 70 + "\n") * 50_000) for _ in range(3)]

    assert codes(deliver_many(large)) == ["sent"] * 3
    assert min(len(message.content) for message in sink.messages) > 3_500_000


def test_a_reply_outside_of_smtp_is_no_reason_to_give_up():
    """
    Only 5xx is for good.
    """
    assert type(error_for_reply(250, b"what?")) is RecoverableChannelDeliveryError
