"""
Internal: an open SMTP connection and the commands on it.

Where the server offers PIPELINING (RFC 2920), the content of one message travels together with MAIL, RCPT and DATA of
the next, and every reply is matched to its message.

What a lost connection means depends on how far a message was. Before the dot that ends its content was written nothing
can have been accepted, so that it goes once more over a new connection. From then until the reply nobody can know: the
result has the code ``ambiguous``. Earlier messages keep their results.
"""

from __future__ import annotations

import logging
import os
import re
import smtplib
import socket
import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn

from edx_ace import deadline
from edx_ace.channel.smtp.batch import Batch, Job
from edx_ace.channel.smtp.connection import in_time
from edx_ace.channel.smtp.errors import CLOSING, ambiguous, connection_lost, error_for_exception, error_for_reply
from edx_ace.errors import InvalidMessageError, RecoverableChannelDeliveryError
from edx_ace.report import Result

LOG = logging.getLogger(__name__)

#: What servers call a message that they took: Postfix and many others, Exim, Amazon SES.
_QUEUE_ID = re.compile(r"(?:queued as |\bid=|^Ok (?!id=))([\w.@+-]+)", re.IGNORECASE)

#: Tells the system that what is written is not all; Linux alone has it.
_MORE_FOLLOWS: int = getattr(socket, "MSG_MORE", 0)


class Session:
    """
    An open connection and the commands on it.

    Args:
        smtp: The connection, after EHLO.

        key: What it was opened with; another message may use it that would open one with the same.

    Attributes:
        idle_since: When it was last given back, by `time.monotonic`.

        was_kept: Whether it was idle before, so that the server may have closed it meanwhile.

        is_usable: Whether the server expects the next message.
    """

    def __init__(self, smtp: smtplib.SMTP, key: tuple[object, ...]) -> None:
        self.smtp = smtp
        self.key = key
        self.idle_since = 0.0
        self.was_kept = False
        self.is_usable = True
        self._process = os.getpid()
        self._has_pipelining = smtp.has_extn("pipelining")
        # Without it the end of each message would wait until its beginning is acknowledged.
        assert smtp.sock is not None
        smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def stream(self, batch: Batch, ahead: deque[Job]) -> Iterator[None]:
        """
        Send what *ahead* and then *batch* have, until they have no more or the session is over.

        Pauses after each message whose result was recorded. What must go over another session is left in *ahead*.
        """
        job = self._pull(batch, ahead)
        is_announced = False
        while job is not None:
            # Whatever interrupts this leaves the session in the middle of something.
            self.is_usable = False
            following = None
            try:
                if self._is_streamable(job):
                    if not is_announced:
                        self._write(self._announcement(job))
                    # Made while the replies travel.
                    following = self._pull(batch, ahead)
                    refusal, wants_content = self._read_announcement_replies(job)
                else:
                    refusal, wants_content = self._announce_step_by_step(job)
                    following = self._pull(batch, ahead)
                if not self.is_in_step():
                    raise _out_of_step(refusal)
                is_announced = following is not None and self._is_streamable(following)
                result, is_over = self._finish(job, refusal, wants_content, following if is_announced else None)
            except Lost as lost:
                if following is not None:
                    ahead.appendleft(following)
                is_slow = getattr(lost.error, "code", None) == "timeout" and not self.was_kept
                if lost.is_final or job.was_retried or is_slow:
                    batch.conclude(job.index, lost.error)
                    yield
                else:
                    job.was_retried = True
                    ahead.appendleft(job)
                return
            batch.conclude(job.index, result)
            is_over = is_over or (not is_announced and not self.is_in_step()) or deadline.is_over()
            if is_over and following is not None:
                ahead.appendleft(following)
            self.is_usable = not is_over and not is_announced
            yield
            if is_over:
                return
            job = following

    def _pull(self, batch: Batch, ahead: deque[Job]) -> Job | None:
        """Return the next message that this server can take; the others fail."""
        while (job := ahead.popleft() if ahead else batch.pull()) is not None:
            addresses = [job.sender, *job.recipients]
            if self.smtp.has_extn("smtputf8") or all(address.isascii() for address in addresses):
                return job
            batch.conclude(
                job.index,
                InvalidMessageError(
                    "The message has an address whose local part is not ASCII, which needs a mail server that offers "
                    "SMTPUTF8, and this one does not. Use another address.",
                    code="bad_address",
                ),
            )
        return None

    def is_in_step(self) -> bool:
        """
        Whether nothing has come that was not asked for; to be called while no answer is awaited.

        A reply too many would be taken for the answer to the next command, and results for those of other messages.
        """
        sock, file = self.smtp.sock, self.smtp.file
        if sock is None or file is None:
            return True
        timeout = sock.gettimeout()
        try:
            sock.settimeout(0)
            return not file.peek(1)
        except OSError:  # Of TLS, when nothing has come; anything worse shows when the connection is used.
            return True
        finally:
            sock.settimeout(timeout)

    def is_inherited(self) -> bool:
        """Whether a parent of this process opened it, and still uses it."""
        return self._process != os.getpid()

    def close(self) -> None:
        """Say goodbye without waiting for the answer; a QUIT over an inherited connection would end the parent's."""
        if self.is_inherited():
            # Not smtp.close(): a thread of the parent may have held the lock of its buffer, here for ever.
            if self.smtp.sock is not None:
                with suppress(OSError):
                    os.close(self.smtp.sock.detach())
            return
        with suppress(OSError, smtplib.SMTPException):
            self.smtp.send(b"QUIT\r\n")
        self.smtp.close()

    def _is_streamable(self, job: Job) -> bool:
        # With copies, the content must wait until the one recipient who counts was accepted: a transaction that has
        # begun can no longer be taken back.
        return self._has_pipelining and len(job.recipients) == 1

    def _mail_command(self, job: Job) -> str:
        parameters = f" SIZE={len(job.content)}" if self.smtp.has_extn("size") else ""
        if not job.content.isascii() and self.smtp.has_extn("8bitmime"):
            parameters += " BODY=8BITMIME"
        if not all(address.isascii() for address in [job.sender, *job.recipients]):
            parameters += " SMTPUTF8"
        return f"MAIL FROM:<{job.sender}>{parameters}\r\n"

    def _announcement(self, job: Job) -> bytes:
        return f"{self._mail_command(job)}RCPT TO:<{job.recipients[0]}>\r\nDATA\r\n".encode()

    def _read_announcement_replies(self, job: Job) -> tuple[Exception | None, bool]:
        """Return why the server refuses *job*, if it does, and whether it waits for content nevertheless."""
        refusal = None
        code = 0
        for accepted in (2, 2, 3):
            try:
                code, text = self._reply(job)
            except Lost as lost:
                if refusal is not None:
                    raise Lost(refusal, is_final=True) from lost
                raise
            if code // 100 in (2, 3) and code // 100 != accepted:
                raise _out_of_step(refusal)
            if code // 100 != accepted and refusal is None:
                refusal = error_for_reply(code, text, job.recipients)
        return refusal, code // 100 == 3

    def _announce_step_by_step(self, job: Job) -> tuple[Exception | None, bool]:
        """As `_read_announcement_replies`, one command at a time; copies that are refused are left out."""
        refused_copies = 0
        commands = [self._mail_command(job), *(f"RCPT TO:<{address}>\r\n" for address in job.recipients), "DATA\r\n"]
        for place, command in enumerate(commands):
            self._write(command.encode())
            code, text = self._reply(job)
            is_copy = 1 < place < len(commands) - 1
            accepted = 3 if command == "DATA\r\n" else 2
            if code // 100 in (2, 3) and code // 100 != accepted:
                raise _out_of_step(None)
            if code // 100 != accepted:
                if not is_copy:
                    return error_for_reply(code, text, job.recipients), False
                refused_copies += 1
        if refused_copies:
            LOG.warning("The mail server refused %d of %d copies.", refused_copies, len(job.recipients) - 1)
        return None, True

    def _finish(
        self, job: Job, refusal: Exception | None, wants_content: bool, following: Job | None
    ) -> tuple[Result, bool]:
        """Send the content, or take a refused transaction back; return the result and whether the session is over."""
        if refusal is None:
            self._write_content(job)
        # A server that wants the content of a message without recipients gets none. Source: RFC 2920, 3.1.
        end = b".\r\n" if wants_content else b"RSET\r\n"
        if following is not None:
            end += self._announcement(following)
        try:
            self.smtp.send(end)
            code, text = self.smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            return refusal or ambiguous(type(error).__name__), True
        if refusal is not None:
            # Unless the transaction was taken back, its recipients would be those of the next message.
            return refusal, code == CLOSING or (code // 100 != 2 and not (wants_content and code // 100 in (4, 5)))
        if code // 100 == 2:
            found = _QUEUE_ID.search(text.decode("ascii", "replace"))
            return found and found[1], False
        if code // 100 not in (4, 5):
            return ambiguous(f"answer {code}"), True
        return error_for_reply(code, text, job.recipients), code == CLOSING

    def _write_content(self, job: Job) -> None:
        """Write the content without the dot that ends it: until that is written, the server cannot accept it."""
        sock = self.smtp.sock
        assert sock is not None
        try:
            # Kept back until the dot follows, where the system can, so that both travel in one packet.
            with in_time(sock):
                sock.sendall(_stuffed(job.content), 0 if isinstance(sock, ssl.SSLSocket) else _MORE_FOLLOWS)
        except OSError as error:
            _lose(error)

    def _write(self, data: bytes) -> None:
        try:
            self.smtp.send(data)
        except (OSError, smtplib.SMTPException) as error:
            _lose(error)

    def _reply(self, job: Job) -> tuple[int, bytes]:
        try:
            code, text = self.smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            _lose(error)
        if code == CLOSING:
            raise Lost(error_for_reply(code, text, job.recipients))
        if code < 0:
            raise Lost(RecoverableChannelDeliveryError("The mail server's answer is no SMTP.", code="not_smtp"))
        return code, text


class Lost(Exception):
    """
    The session is over and the content of a message was not written.

    Attributes:
        error: What that is for the message.

        is_final: Whether the server refused the message before.
    """

    def __init__(self, error: Exception, is_final: bool = False) -> None:
        super().__init__()
        self.error = error
        self.is_final = is_final


def _out_of_step(refusal: Exception | None) -> Lost:
    error = RecoverableChannelDeliveryError("The mail server answers what it was not asked.", code="not_smtp")
    return Lost(refusal or error, is_final=refusal is not None)


def _lose(error: Exception) -> NoReturn:
    channel_error = error_for_exception(error)
    if not isinstance(channel_error, RecoverableChannelDeliveryError):
        channel_error = connection_lost("disconnected", type(error).__name__)
    raise Lost(channel_error) from error


def _stuffed(content: bytes) -> bytes:
    """Return *content* with its dots doubled where a line begins with one, and an end to its last line."""
    content = content.replace(b"\n.", b"\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content if content.endswith(b"\r\n") else content + b"\r\n"
