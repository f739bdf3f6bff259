"""
Internal: a real IMAP server with one empty mailbox, on its own port and in its own folder: Debian's dovecot-imapd.

Without it a test skips with a line that says what to install; with ``ACE_TEST_SERVICES=required`` it fails.
"""

from __future__ import annotations

import getpass
import imaplib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest

USER, PASSWORD = "bounces", "secret"

#: How long it may take to begin, in seconds.
_START_SECONDS = 20

_CONF = """
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
default_login_user = {login}
default_internal_user = {internal}
mail_location = maildir:{folder}/mail
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""


@attrs.frozen
class Server:
    """Where the server is, and what puts mail into it."""

    port: int

    @property
    def settings(self) -> dict[str, Any]:
        """What ACE_BOUNCE_MAILBOX has to be."""
        return {"host": "127.0.0.1", "port": self.port, "ssl": False, "user": USER, "password": PASSWORD}

    @contextmanager
    def session(self) -> Iterator[imaplib.IMAP4]:
        """Open a session of the mailbox."""
        with imaplib.IMAP4("127.0.0.1", self.port, timeout=10) as session:
            session.login(USER, PASSWORD)
            yield session

    def put(self, *mails: bytes) -> None:
        """Put *mails* into the inbox, unread."""
        with self.session() as session:
            for mail in mails:
                assert session.append("INBOX", "", "", mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))[0] == "OK"

    def flags(self, folder: str = "INBOX") -> list[str]:
        """Return the flags of each mail in *folder*."""
        with self.session() as session:
            session.select(folder, readonly=True)
            found = session.fetch("1:*", "(FLAGS)")[1] if session.search(None, "ALL")[1][0] else []
        return [" ".join(sorted(flag.decode() for flag in imaplib.ParseFlags(line))) for line in found]


@contextmanager
def running() -> Iterator[Server]:
    """Run a server with an empty mailbox."""
    # Not pytest's folder, which only this user may enter.
    with TemporaryDirectory(prefix="ace-imap-") as folder:
        Path(folder).chmod(0o755)
        with _running_in(Path(folder)) as server:
            yield server


@contextmanager
def _running_in(folder: Path) -> Iterator[Server]:
    program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None or not Path("/usr/lib/dovecot/imap").exists():
        missing = "Dovecot is not installed: apt-get install dovecot-imapd"
        if os.environ.get("ACE_TEST_SERVICES") == "required":
            pytest.fail(f"{missing} (ACE_TEST_SERVICES=required)", pytrace=False)
        pytest.skip(missing)
    # Started by root it insists on other users for mail.
    is_root = os.geteuid() == 0
    uid, gid = (65534, 65534) if is_root else (os.getuid(), os.getgid())
    login, internal = ("dovenull", "dovecot") if is_root else (getpass.getuser(), getpass.getuser())
    for name in ("mail", "home"):
        (folder / name).mkdir()
        os.chown(folder / name, uid, gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    conf = folder / "dovecot.conf"
    conf.write_text(
        _CONF.format(folder=folder, port=port, uid=uid, gid=gid, login=login, internal=internal, password=PASSWORD)
    )
    process = subprocess.Popen([program, "-F", "-c", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server = Server(port)
        _wait_for(server, process, folder / "log")
        yield server
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    ends_at = time.monotonic() + _START_SECONDS
    while True:
        try:
            with server.session():
                return
        except (OSError, imaplib.IMAP4.error) as error:
            if process.poll() is not None or time.monotonic() > ends_at:
                said = log.read_text() if log.exists() else ""
                raise RuntimeError(f"Dovecot did not begin: {error}\n{said}") from error
            time.sleep(0.1)
