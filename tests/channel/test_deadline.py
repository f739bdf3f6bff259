"""
Internal: hand-overs that have to be over at a certain time, against servers that answer a character at a time.
"""

import socketserver
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from edx_ace import deadline
from edx_ace.channel import smtp
from edx_ace.errors import RecoverableChannelDeliveryError
from tests.channel.mail import SMTP, ScriptedBackend, codes, deliver_many, parcel, use_backend
from tests.pipeline import Recorder

#: How long a test may wait for what ends after a second, on a machine that is busy.
PATIENCE_SECONDS = 30

#: What the dripping server answers to each verb.
REPLIES = {
    "": "220 hi",
    "EHLO": "250 PIPELINING",
    "MAIL": "250 OK",
    "RCPT": "250 OK",
    "DATA": "354 go on",
    ".": "250 OK",
}


class Drips(socketserver.StreamRequestHandler):
    """A mail server of which one reply never ends, each character well within every time-out."""

    def handle(self):
        self.reply("")
        in_content = False
        for line in self.rfile:
            verb = line.strip().decode("utf-8", "replace").partition(" ")[0].upper()
            if in_content and verb != ".":
                continue
            in_content = verb == "DATA"
            self.reply(verb)

    def reply(self, verb):
        while verb == self.server.at and not self.server.stopping.wait(0.05):
            self.wfile.write(b"2")
        self.wfile.write(f"{REPLIES.get(verb, '250 OK')}\r\n".encode())

    def finish(self):
        with suppress(OSError):
            super().finish()


class Server(socketserver.ThreadingTCPServer):
    """Where clients hang up."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        """Say nothing."""


@pytest.fixture
def drip(settings):
    """Return a function that makes a mail server that drips at some verb the site's."""

    @contextmanager
    def running(at):
        with Server(("127.0.0.1", 0), Drips) as server:
            server.at, server.stopping = at, threading.Event()
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
            use_backend(settings, SMTP, host="127.0.0.1", port=server.server_address[1], timeout=PATIENCE_SECONDS)
            try:
                yield
            finally:
                smtp.forget_connections()
                server.stopping.set()
                server.shutdown()

    return running


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize(
    ("at", "first", "others"),
    [
        # Without a connection all messages of the call are in the same place.
        ("", "connection", "connection"),
        ("EHLO", "connection", "connection"),
        ("MAIL", "timeout", "out_of_time"),
        ("DATA", "timeout", "out_of_time"),
        (".", "ambiguous", "out_of_time"),
    ],
)
def test_a_server_that_drips_is_left_when_the_time_is_over(drip, settings, connections, at, first, others):
    """
    What was written whole may have been accepted; what was not begun certainly was not, and says so.
    """
    settings.ACE_EMAIL_CONNECTIONS = connections
    started = time.monotonic()

    with drip(at), deadline.within(1):
        results = deliver_many([parcel(f"p{n}@example.com") for n in range(4)])

    assert time.monotonic() - started < PATIENCE_SECONDS
    assert set(codes(results)) == {first, others}
    # One message a connection at most, whichever it took; on a busy machine one may come too late to begin anything.
    assert first == others or codes(results).count(first) <= connections
    assert [result.is_ambiguous for result in results] == [code == "ambiguous" for code in codes(results)]


def test_a_message_in_time_leaves_the_connection_as_it_was(run_sink):
    """
    The next has the backend's time-out again, and all of its own time.
    """
    sink = run_sink()
    with deadline.within(PATIENCE_SECONDS):
        assert codes(deliver_many([parcel()])) == ["sent"]
    with deadline.within(PATIENCE_SECONDS):
        assert codes(deliver_many([parcel()])) == ["sent"]

    assert codes(deliver_many([parcel()])) == ["sent"]
    assert sink.sessions == 1


@pytest.mark.parametrize(
    ("backend", "options"),
    [(SMTP, {"host": "127.0.0.1", "port": 9}), ("tests.channel.mail.ScriptedBackend", {})],
)
def test_nothing_is_begun_when_the_time_is_over(settings, backend, options):
    """
    Over a backend of the site as over SMTP.
    """
    use_backend(settings, backend, **options)
    ScriptedBackend.opened = 0

    with deadline.within(0):
        assert codes(deliver_many([parcel(), parcel()])) == ["out_of_time"] * 2

    assert ScriptedBackend.opened == 0


def test_a_channel_that_takes_messages_one_by_one_begins_none_when_the_time_is_over():
    """
    It need not know of it.
    """
    channel = Recorder()
    with deadline.within(0):
        [result] = channel.deliver_many([parcel()])

    assert isinstance(result, RecoverableChannelDeliveryError)
    assert (result.code, result.is_ambiguous, channel.delivered) == ("out_of_time", False, [])


def test_a_wait_is_as_long_as_usual_unless_less_is_left():
    """
    Never 0, which means something else to sockets; without a deadline as the channel likes it.
    """
    assert (deadline.limit(5), deadline.limit(), deadline.is_over()) == (5, None, False)
    with deadline.within(3):
        assert 0 < deadline.limit(5) <= 3
        assert 0 < deadline.limit() <= 3
        assert deadline.limit(0.5) == 0.5
        assert not deadline.is_over()
    with deadline.within(0):
        assert 0 < deadline.limit(5) < 0.1
        assert deadline.is_over()
    assert deadline.limit(5) == 5
