"""
Internal: smtplib's connections, except that no step on them takes longer than the hand-over may (`edx_ace.deadline`).
"""

from __future__ import annotations

import copy
import io
import smtplib
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from django.core.mail.backends.smtp import EmailBackend

from edx_ace import deadline


def in_time(sock: socket.socket) -> AbstractContextManager[None]:
    """Let one operation on *sock* take no longer than is left."""
    usual = sock.gettimeout()
    left = deadline.limit(usual)
    # To set a time-out is a call to the system, even to the one that is set.
    return _NOTHING if left == usual else _limited(sock, usual, left)


_NOTHING: AbstractContextManager[None] = nullcontext()


@contextmanager
def _limited(sock: socket.socket, usual: float | None, left: float | None) -> Iterator[None]:
    sock.settimeout(left)
    try:
        yield
    finally:
        # It may be closed by now.
        with suppress(OSError):
            sock.settimeout(usual)


class _Reader(io.RawIOBase):
    """Reads from a socket; one of Python's own would wait anew for each byte."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with in_time(self._sock):
            return self._sock.recv_into(buffer)


class Connection(smtplib.SMTP):
    """A connection on which no step takes longer than is left."""

    def connect(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """Connect, and read the greeting."""
        usual = self.timeout if isinstance(self.timeout, int | float) else socket.getdefaulttimeout()
        self.timeout = deadline.limit(usual)  # type: ignore[assignment]  # None waits for ever
        try:
            return super().connect(*args, **kwargs)
        finally:
            self.timeout = usual
            if self.sock is not None:
                self.sock.settimeout(usual)

    def starttls(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """Encrypt what follows."""
        if self.sock is None:
            return super().starttls(*args, **kwargs)
        usual = self.sock.gettimeout()
        try:
            with in_time(self.sock):
                return super().starttls(*args, **kwargs)
        finally:
            # The encrypted socket is another one, which begins with the time-out of this one.
            if self.sock is not None:
                self.sock.settimeout(usual)

    def send(self, s: Any) -> None:
        """Send bytes, or text as ASCII."""
        if self.sock is None:
            super().send(s)
        else:
            with in_time(self.sock):
                super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Reader(self.sock))
        return super().getreply()


class EncryptedConnection(Connection, smtplib.SMTP_SSL):
    """The same, encrypted from its beginning."""


class Backend(EmailBackend):
    """Django's backend with these connections."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """The class of a new connection."""
        return EncryptedConnection if self.use_ssl else Connection

    @classmethod
    def like(cls, backend: EmailBackend) -> Backend:
        """Return a backend that connects as *backend* would."""
        # Not made anew, as what the constructor takes differs between versions of Django.
        own = copy.copy(backend)
        own.__class__ = cls
        assert isinstance(own, cls)
        return own
