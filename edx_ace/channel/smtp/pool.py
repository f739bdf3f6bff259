"""
Internal: idle SMTP connections, kept for the next message; a connection is never shared across a fork.
"""

from __future__ import annotations

import atexit
import os
import smtplib
import threading
import time
import weakref
from contextlib import suppress

from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend

from edx_ace.channel.smtp.connection import Backend
from edx_ace.channel.smtp.errors import connection_lost, server_down
from edx_ace.channel.smtp.session import Session
from edx_ace.conf import settings


class Pool:
    """Idle connections by configuration. Any thread may take one; nobody shares one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[tuple[object, ...], list[Session]] = {}
        self._all: weakref.WeakSet[Session] = weakref.WeakSet()

    def acquire(self, backend: EmailBackend) -> Session:
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
        session = Session(_connected(backend), key)
        self._all.add(session)
        return session

    def release(self, session: Session) -> None:
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
        """Forget, in a new process, the connections of its parent, those in use too, and close its copies of them."""
        sessions = list(self._all)
        self.__init__()  # type: ignore[misc]  # The lock may be held by a thread that is not here.
        for session in sessions:
            session.close()

    def _drop_stale(self) -> None:
        oldest = time.monotonic() - settings.EMAIL_KEEP_CONNECTION_SECONDS
        stale = []
        with self._lock:
            idle, self._idle = self._idle, {}
            for session in (session for sessions in idle.values() for session in sessions):
                # Inherited ones are met here under servers that fork without Python's hooks (uWSGI, unless told to).
                if session.is_inherited() or session.idle_since <= oldest:
                    stale.append(session)
                else:
                    self._idle.setdefault(session.key, []).append(session)
        for session in stale:
            session.close()


pool = Pool()
atexit.register(pool.clear)
if hasattr(os, "register_at_fork"):  # Not on Windows, which does not fork.
    os.register_at_fork(after_in_child=pool.abandon)


def forget_connections() -> None:
    """Close all idle connections; the next message opens one."""
    pool.clear()


def _connected(backend: EmailBackend) -> smtplib.SMTP:
    """Return a connection as *backend* would open it."""
    backend = Backend.like(backend)
    open_backend(backend)
    smtp: smtplib.SMTP | None = backend.connection
    if smtp is None:
        raise connection_lost("connection", "fail_silently is on")
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
        ChannelDownError: If the server refuses STARTTLS after offering it; other errors are for `error_for_opening`.
    """
    try:
        backend.open()
    except Exception as error:
        # A connection that was opened in part.
        with suppress(Exception):
            backend.close()
        if type(error) is smtplib.SMTPResponseException:
            # smtplib raises the bare class in this one place.
            raise server_down(f"it refused STARTTLS with {error.smtp_code}", "tls") from error
        raise
