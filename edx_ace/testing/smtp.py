"""
Public: `SmtpSink`, a small SMTP server that keeps or counts what it receives and fails when told to.

In a test it runs in a thread::

    with SmtpSink(answers={"gone": Answer("550 5.1.1 no such user")}) as sink:
        ...  # send to sink.host, sink.port
    assert [message.recipients for message in sink.messages] == [("ada@example.com",)]

As a process, for measurements: ``python -m edx_ace.testing.smtp --port 2525 --count-only``. With ``log`` each
message is in a file before it is confirmed, so that nothing is forgotten when the process is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

#: What the sink offers unless told otherwise.
EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 35882577")


class ReceivedMessage(NamedTuple):
    """
    One message that the sink took.

    Attributes:
        sender, recipients: Of the envelope.

        content: As it was before dot-stuffing, with CRLF line ends.

        session: Number of the connection it came over, from 1.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    session: int

    @property
    def email(self) -> EmailMessage:
        """The content, parsed."""
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass(frozen=True)
class Answer:
    """
    What the sink does with messages to one recipient.

    Attributes:
        reply: Code and text; empty for none. After 250 at END the message counts as received.

        at: Which command is answered so: RCPT, DATA, or END, the dot after the content.

        times: How often; then the recipient is like any other. None: always.

        cut: Whether to close the connection after the reply.

        delay: Seconds to wait before the reply.

        drip: Seconds to wait before each character of the reply.

        takes: Whether the message counts as received at END whatever the reply is: a server that dies just before it
            confirms.
    """

    reply: str = "250 OK"
    at: str = "RCPT"
    times: int | None = None
    cut: bool = False
    delay: float = 0
    drip: float = 0
    takes: bool = False


class SmtpSink:
    """
    An SMTP server on the loopback interface.

    Args:
        port: 0 for any free one.

        answers: Recipients' local parts and how they are answered, once or at several points; others are accepted.

        extensions: What EHLO offers. STARTTLS and AUTH are answered as *commands* says.

        commands: Verbs (EHLO, STARTTLS, AUTH, MAIL, …) and replies to give in place of the usual ones.

        messages_per_connection: After how many messages a connection is closed with 421. None: never.

        tls: Encrypts connections from their beginning. None: no encryption.

        keep: Whether to keep messages; False only counts them.

        on_message: Called with each message, in the sink's thread.

        log: File to which each message is appended before it is confirmed, so that it stays there whatever happens to
            the sink: a line of JSON with Message-ID, recipients, connection and time (as of `time.time`).
    """

    host = "127.0.0.1"

    def __init__(
        self,
        port: int = 0,
        *,
        answers: Mapping[str, Answer | Sequence[Answer]] | None = None,
        extensions: Sequence[str] = EXTENSIONS,
        commands: Mapping[str, str] | None = None,
        messages_per_connection: int | None = None,
        tls: ssl.SSLContext | None = None,
        keep: bool = True,
        on_message: Callable[[ReceivedMessage], object] | None = None,
        log: Path | None = None,
    ) -> None:
        self.port = port
        self.answers = {
            local: (given,) if isinstance(given, Answer) else tuple(given) for local, given in (answers or {}).items()
        }
        self.extensions = extensions
        self.commands = dict(commands or {})
        self.messages_per_connection = messages_per_connection
        self.tls = tls
        self.keep = keep
        self.on_message = on_message
        self.log = log
        #: What was received, in order; empty when only counted.
        self.messages: list[ReceivedMessage] = []
        #: How many messages were received.
        self.count = 0
        #: How many connections were made.
        self.sessions = 0
        #: How often replies were written: the round trips that clients waited for.
        self.round_trips = 0
        self._given: Counter[tuple[str, str]] = Counter()
        self._open: set[_Session] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> SmtpSink:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, in a thread of its own; returns when connections are accepted."""
        listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(listening.set)), daemon=True)
        self._thread.start()
        listening.wait()

    def stop(self) -> None:
        """Close all connections and stop listening."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._loop = self._thread = None

    def cut_connections(self) -> None:
        """Close the connections that are open now, as a server does that restarts."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._abort_all)

    async def serve(self, when_listening: Callable[[], object]) -> None:
        """Listen until `stop`; *when_listening* is called when connections are accepted."""
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await self._loop.create_server(
            lambda: _Session(self), self.host, self.port, backlog=1000, ssl=self.tls
        )
        self.port = server.sockets[0].getsockname()[1]
        when_listening()
        try:
            await self._stopping.wait()
        finally:
            server.close()
            self._abort_all()

    def answer_to(self, recipients: Sequence[str], at: str) -> Answer | None:
        """Return how the last of *recipients* that has an answer at this point is answered, and count that."""
        for recipient in reversed(recipients):
            local = recipient.partition("@")[0]
            for answer in self.answers.get(local, ()):
                if answer.at == at and (answer.times is None or self._given[local, at] < answer.times):
                    self._given[local, at] += 1
                    return answer
        return None

    def take(self, message: ReceivedMessage) -> None:
        """Log, count, keep and announce a message."""
        if self.log is not None:
            _append(self.log, message)
        self.count += 1
        if self.keep:
            self.messages.append(message)
        if self.on_message is not None:
            self.on_message(message)

    def _abort_all(self) -> None:
        for session in list(self._open):
            session.transport.abort()


def _append(log: Path, message: ReceivedMessage) -> None:
    entry = {
        "at": time.time(),
        "message_id": BytesHeaderParser(policy=policy.default).parsebytes(message.content)["Message-ID"],
        "recipients": message.recipients,
        "session": message.session,
    }
    # Unbuffered: what is written when the process ends is in the file.
    with log.open("ab", buffering=0) as file:
        file.write(f"{json.dumps(entry)}\n".encode())


class _Session(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink
        self.buffer = bytearray()
        self.replies: list[str] = []
        self.in_content = self.is_waiting = False
        self.taken = 0
        self.reset()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.sink.sessions += 1
        self.number = self.sink.sessions
        self.sink._open.add(self)
        self.replies.append(self.sink.commands.get("CONNECT", "220 sink"))
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.sink._open.discard(self)

    def reset(self) -> None:
        self.sender: str | None = None
        #: Of the transaction, and those of them that were accepted.
        self.named: list[str] = []
        self.recipients: list[str] = []

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.work()

    def work(self) -> None:
        """Answer what the buffer holds, in as few writes as it takes."""
        while not self.is_waiting and not self.transport.is_closing():
            end = self.buffer.find(b"\r\n.\r\n" if self.in_content else b"\r\n")
            if end < 0:
                break
            if self.in_content:
                # The line end before the first line is the one of DATA, which stayed in the buffer.
                content = bytes(self.buffer[2 : end + 2]).replace(b"\r\n.", b"\r\n")
                del self.buffer[: end + 5]
                self.in_content = False
                self.end_of_content(content[1:] if content.startswith(b".") else content)
            else:
                line = self.buffer[:end].decode("utf-8", "surrogateescape")
                is_data = line[:4].upper() == "DATA"
                del self.buffer[: end + (0 if is_data else 2)]
                self.command(line)
                if is_data and not self.in_content:
                    del self.buffer[:2]
        self.flush()

    def flush(self) -> None:
        if self.replies and not self.is_waiting:
            self.sink.round_trips += 1
            self.transport.write("".join(f"{reply}\r\n" for reply in self.replies).encode())
            self.replies.clear()

    def command(self, line: str) -> None:
        verb = line.partition(" ")[0].upper()
        if verb in self.sink.commands:
            self.replies.append(self.sink.commands[verb])
        elif verb == "EHLO":
            lines = ["sink", *self.sink.extensions]
            self.replies += [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]
        elif verb == "MAIL":
            if self.taken == self.sink.messages_per_connection:
                self.answer(Answer("421 4.7.0 enough for one connection", cut=True))
                return
            self.sender = line[line.find("<") + 1 : line.rfind(">")]
            self.replies.append("250 2.1.0 OK")
        elif verb == "RCPT":
            recipient = line[line.find("<") + 1 : line.rfind(">")]
            answer = self.sink.answer_to([recipient], "RCPT")
            if self.sender is None:
                self.replies.append("503 5.5.1 MAIL first")
                return
            self.named.append(recipient)
            if answer is None or answer.reply.startswith("2"):
                self.recipients.append(recipient)
            self.answer(answer or Answer("250 2.1.5 OK"))
        elif verb == "DATA":
            usual = Answer("354 go on" if self.recipients else "503 5.5.1 RCPT first")
            answer = self.sink.answer_to(self.named, "DATA") or usual
            self.in_content = answer.reply.startswith("3")
            self.answer(answer)
        elif verb == "QUIT":
            self.answer(Answer("221 2.0.0 bye", cut=True))
        else:
            if verb == "RSET":
                self.reset()
            self.replies.append("250 2.0.0 OK" if verb in ("HELO", "RSET", "NOOP") else "502 5.5.2 unknown command")

    def end_of_content(self, content: bytes) -> None:
        usual = f"250 2.0.0 OK queued as {self.sink.count + 1:X}" if self.recipients else "554 5.5.1 no recipients"
        answer = self.sink.answer_to(self.named, "END") or Answer(usual)
        if answer.reply.startswith("250") or answer.takes:
            assert self.sender is not None
            self.sink.take(ReceivedMessage(self.sender, tuple(self.recipients), content, self.number))
            self.taken += 1
        self.reset()
        self.answer(answer)

    def answer(self, answer: Answer) -> None:
        if answer.delay or answer.drip:
            self.flush()
            self.is_waiting = True
            self.answering = asyncio.get_running_loop().create_task(self.answer_slowly(answer))
        else:
            self.give(answer)

    async def answer_slowly(self, answer: Answer) -> None:
        await asyncio.sleep(answer.delay)
        if answer.drip:
            for character in f"{answer.reply}\r\n":
                await asyncio.sleep(answer.drip)
                if self.transport.is_closing():
                    return
                self.transport.write(character.encode())
            answer = replace(answer, reply="")
        self.is_waiting = False
        self.give(answer)
        self.work()

    def give(self, answer: Answer) -> None:
        if answer.reply:
            self.replies.append(answer.reply)
        if answer.cut:
            self.flush()
            self.transport.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a sink until it is interrupted or terminated, then print how much it received."""
    parser = argparse.ArgumentParser(prog="python -m edx_ace.testing.smtp", description=main.__doc__)
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--count-only", action="store_true", help="forget messages once they are received")
    parser.add_argument(
        "--answers", type=json.loads, default={}, help='JSON, as {"gone": {"reply": "550 no such user"}}'
    )
    parser.add_argument("--log", type=Path, help="file to append a line to for each message before it is confirmed")
    options = parser.parse_args(arguments)
    answers = {local: Answer(**fields) for local, fields in options.answers.items()}
    sink = SmtpSink(options.port, answers=answers, keep=not options.count_only, log=options.log)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asyncio.run(sink.serve(lambda: print(f"Listening on {sink.host}:{sink.port}", flush=True)))
    except KeyboardInterrupt:
        print(f"{sink.count} messages over {sink.sessions} connections")


if __name__ == "__main__":
    main()
