"""
Internal: SMTP over kept connections, one round trip a message.

Django's SMTP backend opens a connection for each call and takes four round trips a message. Here connections are
opened by that backend (so that encryption and login are Django's), kept in a pool, and driven by commands in groups
where the server offers PIPELINING (RFC 2920): the content of one message travels together with MAIL, RCPT and DATA of
the next, and every reply is matched to its message.

What a lost connection means depends on how far a message was. Before its content was written nothing can have been
accepted, so that it goes once more over a new connection. After that nobody can know: the result has the code
``ambiguous``. Earlier messages keep their results.
"""

from __future__ import annotations

import atexit
import contextvars
import logging
import os
import re
import smtplib
import socket
import ssl
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from typing import NoReturn

import attrs
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend

from edx_ace.conf import settings
from edx_ace.errors import (
    ChannelDownError,
    ChannelError,
    FatalChannelDeliveryError,
    InvalidMessageError,
    RecoverableChannelDeliveryError,
)

LOG = logging.getLogger(__name__)

#: Replies that are about the login or encryption of the session and not about a message.
#: Sources: RFC 4954, 6; RFC 3207, 4.
_SESSION_REFUSED = frozenset([530, 534, 535, 538])

#: The server closes the session. Source: RFC 5321, 3.8.
_CLOSING = 421

#: A server's words are cut after this many characters.
_MAX_REPLY_LENGTH = 200

#: What servers call a message that they took: Postfix and many others, Exim, Amazon SES.
_QUEUE_ID = re.compile(r"(?:queued as |\bid=|^Ok (?!id=))([\w.@+-]+)", re.IGNORECASE)

Result = str | Exception | None


@attrs.define
class Job:
    """
    One message as SMTP sees it.

    Attributes:
        sender, recipients: Addr-specs of the envelope; the first recipient is the one that counts, others are copies.

        content: With CRLF line ends, before dot-stuffing.
    """

    sender: str
    recipients: list[str]
    content: bytes
    #: Its place in the batch.
    index: int = 0
    #: Whether a connection was lost before its content was written, so that the next one is its last.
    was_retried: bool = False


def send_many(backend: EmailBackend, makers: Iterable[Callable[[], Job]], connections: int = 1) -> Iterator[Result]:
    """
    Send messages and yield a result for each, in order: the server's id, None or an exception.

    Args:
        backend: Says where to connect and how; exactly Django's class.

        makers: Make the messages, each just before it is sent; what one raises is its result.

        connections: How many to use at a time; above one, each has a thread.
    """
    batch = _Batch(makers, connections)
    if connections == 1:
        with closing(_work(backend, batch)) as steps:
            for _ in steps:
                yield from batch.take_ready()
        yield from batch.take_ready()
        return

    def work() -> None:
        try:
            with closing(_work(backend, batch)) as steps:
                for _ in steps:
                    pass
        except Exception as error:
            batch.break_off(error)

    # Each thread sees the language and time zone that are active here.
    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield from batch.wait_ready()
    finally:
        batch.is_cancelled = True
        for thread in threads:
            thread.join()


def forget_connections() -> None:
    """Close all idle connections; the next message opens one."""
    _pool.clear()


class _Batch:
    """The messages of one call: handed out to connections, with results collected by place."""

    def __init__(self, makers: Iterable[Callable[[], Job]], workers: int) -> None:
        self.is_cancelled = False
        self._makers = enumerate(makers)
        self._workers = workers
        self._returned: deque[Job] = deque()
        self._results: dict[int, Result] = {}
        self._yielded = 0
        self._changed = threading.Condition()
        self._fault: Exception | None = None

    def pull(self) -> Job | None:
        """Return the next message to send, or None."""
        while not self.is_cancelled:
            with self._changed:
                if self._returned:
                    return self._returned.popleft()
                index, maker = next(self._makers, (-1, None))
            if maker is None:
                return None
            try:
                job = maker()
            except Exception as error:
                self.conclude(index, error)
                continue
            job.index = index
            return job
        return None

    def conclude(self, index: int, result: Result) -> None:
        """Record the result of the message at *index*."""
        with self._changed:
            self._results[index] = result
            self._changed.notify()

    def take_ready(self) -> Iterator[Result]:
        """Yield the results that are known up to the first that is not."""
        while self._yielded in self._results:
            self._yielded += 1
            yield self._results.pop(self._yielded - 1)

    def wait_ready(self) -> Iterator[Result]:
        """Yield all results, in order, as they become known."""
        while True:
            with self._changed:
                while self._workers and self._yielded not in self._results:
                    self._changed.wait()
                if self._fault is not None:
                    raise self._fault
                if self._yielded not in self._results:
                    return
            yield from self.take_ready()

    def leave(self) -> bool:
        """Note that a worker has nothing left to do, unless another gave messages back; return whether it may go."""
        with self._changed:
            if self._returned:
                return False
            self._workers -= 1
            self._changed.notify()
            return True

    def break_off(self, fault: Exception) -> None:
        """Make `wait_ready` raise *fault*, an error of this module and not of a message."""
        with self._changed:
            self.is_cancelled = True
            self._fault = fault
            self._workers = 0
            self._changed.notify()

    def give_up(self, jobs: Iterable[Job], error: Exception) -> None:
        """Leave *jobs* of a worker that cannot connect to the others; without others all that is left fails."""
        with self._changed:
            self._returned.extend(jobs)
            is_last = self._workers == 1
            if not is_last:
                self._workers -= 1
        if is_last:
            while (job := self.pull()) is not None:
                self.conclude(job.index, error)
            self.leave()


def _work(backend: EmailBackend, batch: _Batch) -> Generator[None, None, None]:
    """Send messages of *batch* over one connection at a time until there are none; pause after each."""
    ahead: deque[Job] = deque()
    while True:
        if not ahead and (job := batch.pull()) is not None:
            ahead.append(job)
        if not ahead:
            if batch.leave():
                return
            continue
        try:
            session = _pool.acquire(backend)
        except Exception as error:
            batch.give_up(ahead, as_channel_error(error))
            return
        try:
            yield from session.stream(batch, ahead)
        finally:
            _pool.release(session)


class _Lost(Exception):
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


class _Session:
    """An open connection and the commands on it."""

    def __init__(self, smtp: smtplib.SMTP, key: tuple[object, ...]) -> None:
        self.smtp = smtp
        self.key = key
        self.process = os.getpid()
        self.idle_since = 0.0
        #: Whether it was idle before, so that the server may have closed it meanwhile.
        self.was_kept = False
        self.is_usable = True
        self._has_pipelining = smtp.has_extn("pipelining")
        # Without it the end of each message would wait until its beginning is acknowledged.
        assert smtp.sock is not None
        smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def stream(self, batch: _Batch, ahead: deque[Job]) -> Iterator[None]:
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
            except _Lost as lost:
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
            is_announced = following is not None and self._is_streamable(following)
            result, is_over = self._finish(job, refusal, wants_content, following if is_announced else None)
            batch.conclude(job.index, result)
            is_over = is_over or (not is_announced and not self.is_in_step())
            if is_over and following is not None:
                ahead.appendleft(following)
            self.is_usable = not is_over and not is_announced
            yield
            if is_over:
                return
            job = following

    def _pull(self, batch: _Batch, ahead: deque[Job]) -> Job | None:
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

    def close(self) -> None:
        """Say goodbye without waiting for the answer."""
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
            except _Lost as lost:
                if refusal is not None:
                    raise _Lost(refusal, is_final=True) from lost
                raise
            if code // 100 in (2, 3) and code // 100 != accepted:
                raise _out_of_step(refusal)
            if code // 100 != accepted and refusal is None:
                refusal = reply_error(code, text, job.recipients)
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
                    return reply_error(code, text, job.recipients), False
                refused_copies += 1
        if refused_copies:
            LOG.warning("The mail server refused %d of %d copies.", refused_copies, len(job.recipients) - 1)
        return None, True

    def _finish(
        self, job: Job, refusal: Exception | None, wants_content: bool, following: Job | None
    ) -> tuple[Result, bool]:
        """Send the content, or take a refused transaction back; return the result and whether the session is over."""
        # A server that wants the content of a message without recipients gets none. Source: RFC 2920, 3.1.
        instead = b".\r\n" if wants_content else b"RSET\r\n"
        data = _stuffed(job.content) if refusal is None else instead
        if following is not None:
            data += self._announcement(following)
        try:
            self.smtp.send(data)
            code, text = self.smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            return refusal or _ambiguous(type(error).__name__), True
        if refusal is not None:
            # Unless the transaction was taken back, its recipients would be those of the next message.
            return refusal, code == _CLOSING or (code // 100 != 2 and not (wants_content and code // 100 in (4, 5)))
        if code // 100 == 2:
            found = _QUEUE_ID.search(text.decode("ascii", "replace"))
            return found and found[1], False
        if code // 100 not in (4, 5):
            return _ambiguous(f"answer {code}"), True
        return reply_error(code, text, job.recipients), code == _CLOSING

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
        if code == _CLOSING:
            raise _Lost(reply_error(code, text, job.recipients))
        if code < 0:
            raise _Lost(RecoverableChannelDeliveryError("The mail server's answer is no SMTP.", code="not_smtp"))
        return code, text


class _Pool:
    """Idle connections by configuration. Any thread may take one; nobody shares one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[tuple[object, ...], list[_Session]] = {}
        self._all: weakref.WeakSet[_Session] = weakref.WeakSet()

    def acquire(self, backend: EmailBackend) -> _Session:
        """Return a connection as *backend* would open one."""
        key = (
            backend.host, backend.port, backend.username, backend.password, backend.use_tls, backend.use_ssl,
            backend.timeout, backend.ssl_keyfile, backend.ssl_certfile,
        )  # fmt: skip
        self._drop_stale()
        while True:
            with self._lock:
                kept = self._idle[key].pop() if self._idle.get(key) else None
            if kept is None:
                break
            if kept.is_in_step():
                return kept
            kept.smtp.close()
        session = _Session(_connected(backend), key)
        self._all.add(session)
        return session

    def release(self, session: _Session) -> None:
        """Keep *session* for the next message, if it is in order."""
        if not session.is_usable:
            session.smtp.close()
        elif settings.EMAIL_KEEP_CONNECTION_SECONDS:
            session.was_kept = True
            session.idle_since = time.monotonic()
            with self._lock:
                self._idle.setdefault(session.key, []).append(session)
        else:
            session.close()

    def clear(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for sessions in idle.values():
            for session in sessions:
                session.close()

    def abandon(self) -> None:
        """
        Forget, in a new process, the connections of its parent, and close this process's copies in silence.

        A QUIT would end the session of the parent.
        """
        sessions = list(self._all)
        self.__init__()  # type: ignore[misc]  # The lock may be held by a thread that is not here.
        for session in sessions:
            session.smtp.close()

    def _drop_stale(self) -> None:
        oldest = time.monotonic() - settings.EMAIL_KEEP_CONNECTION_SECONDS
        process = os.getpid()
        with self._lock:
            idle = [session for sessions in self._idle.values() for session in sessions]
            self._idle = {}
            for session in idle:
                if session.process == process and session.idle_since > oldest:
                    self._idle.setdefault(session.key, []).append(session)
        for session in idle:
            if session.process != process:
                session.smtp.close()
            elif session.idle_since <= oldest:
                session.close()


_pool = _Pool()
atexit.register(_pool.clear)
if hasattr(os, "register_at_fork"):  # Not on Windows, which does not fork.
    os.register_at_fork(after_in_child=_pool.abandon)


def _connected(backend: EmailBackend) -> smtplib.SMTP:
    """Return a connection that *backend* opened and no longer holds."""
    open_backend(backend)
    smtp: smtplib.SMTP | None = backend.connection
    if smtp is None:
        raise _lost_error("connection", "fail_silently is on")
    backend.connection = None
    try:
        smtp.ehlo_or_helo_if_needed()
    except Exception:
        smtp.close()
        raise
    return smtp


def open_backend(backend: BaseEmailBackend) -> None:
    """
    Open *backend*; if that fails, nothing stays open.

    Raises:
        ChannelDownError: If the server refuses STARTTLS after offering it; other errors are for `as_channel_error`.
    """
    try:
        backend.open()
    except Exception as error:
        # A connection that was opened in part.
        with suppress(Exception):
            backend.close()
        if type(error) is smtplib.SMTPResponseException:
            # smtplib raises the bare class in this one place.
            raise _down_error(f"it refused STARTTLS with {error.smtp_code}", "tls") from error
        raise


def _stuffed(content: bytes) -> bytes:
    """Return *content* with its dots doubled where a line begins with one, and the dot that ends it."""
    content = content.replace(b"\n.", b"\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content + (b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n")


def _out_of_step(refusal: Exception | None) -> _Lost:
    error = RecoverableChannelDeliveryError("The mail server answers what it was not asked.", code="not_smtp")
    return _Lost(refusal or error, is_final=refusal is not None)


def _lose(error: Exception) -> NoReturn:
    channel_error = as_channel_error(error)
    if not isinstance(channel_error, RecoverableChannelDeliveryError):
        channel_error = _lost_error("disconnected", type(error).__name__)
    raise _Lost(channel_error) from error


def _ambiguous(why: str) -> RecoverableChannelDeliveryError:
    return RecoverableChannelDeliveryError(
        f"The connection was lost before the mail server confirmed the message ({why}); it may have been accepted.",
        code="ambiguous",
    )


def reply_error(code: int, text: bytes | str, addresses: Iterable[str] = ()) -> ChannelError:
    """
    Return what a refusal means.

    Args:
        code: Three digits; 5xx is for good, anything else for now.

        text: The server's words; *addresses* in them are replaced.
    """
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    for address in addresses:
        words = re.sub(f"<?{re.escape(address)}>?", "<recipient>", words, flags=re.IGNORECASE)
    said = f"The mail server answered {code} {ascii(words[:_MAX_REPLY_LENGTH])[1:-1]}."
    if code in _SESSION_REFUSED:
        return _down_error(f"it answered {code}", f"smtp_{code}")
    if 500 <= code <= 599:
        return FatalChannelDeliveryError(said, code=f"smtp_{code}")
    return RecoverableChannelDeliveryError(said, code=f"smtp_{code}")


def as_channel_error(error: Exception, addresses: Iterable[str] = ()) -> Exception:
    """
    Return what *error*, raised by smtplib or a socket, means for the message; any other error as it is.

    Args:
        error: What was raised.

        addresses: What to replace in the server's words.
    """
    match error:
        case smtplib.SMTPRecipientsRefused(recipients={**refused}) if refused:
            code, text = next(iter(refused.values()))
            return reply_error(code, text, addresses)
        case smtplib.SMTPAuthenticationError() | smtplib.SMTPConnectError() | smtplib.SMTPHeloError() if (
            error.smtp_code >= 500
        ):
            return _down_error(f"it answered {error.smtp_code}", f"smtp_{error.smtp_code}")
        case smtplib.SMTPResponseException():
            return reply_error(error.smtp_code, error.smtp_error, addresses)
        case smtplib.SMTPNotSupportedError():
            return _down_error("it lacks what the settings ask for", "smtp_not_supported")
        case smtplib.SMTPServerDisconnected() if not isinstance(error.__context__, TimeoutError):
            return _lost_error("disconnected", type(error).__name__)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return _lost_error("disconnected", type(error).__name__)
        case ssl.SSLError():
            return _down_error(
                f"the encryption failed ({getattr(error, 'reason', None) or type(error).__name__})", "tls"
            )
        case smtplib.SMTPServerDisconnected() | TimeoutError():
            return _lost_error("timeout", type(error).__name__)
        case smtplib.SMTPException():
            return FatalChannelDeliveryError(f"The mail backend gave up: {type(error).__name__}.", code="smtp")
        case OSError():
            return _lost_error("connection", type(error).__name__)
    return error


def _down_error(why: str, code: str) -> ChannelDownError:
    return ChannelDownError(
        f"The mail server cannot be used: {why}. Check the host, user, password and encryption of the mail settings.",
        code=code,
    )


def _lost_error(code: str, why: str) -> RecoverableChannelDeliveryError:
    what = {
        "connection": "No connection to the mail server",
        "disconnected": "The mail server closed the connection",
        "timeout": "The mail server did not answer in time",
    }[code]
    return RecoverableChannelDeliveryError(f"{what} ({why}).", code=code)
