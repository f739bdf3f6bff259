"""
Internal: a local HTTP server that plays a provider: scripted answers, recorded requests, over HTTP or real TLS.

A client that honours HTTPS_PROXY and REQUESTS_CA_BUNDLE, as requests and all that is built on it do, reaches the twin
under the provider's own name, ``https://api.example.com``: the twin is its proxy, and makes a certificate for every
name that is asked for. Nothing of the client is replaced.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import trustme


@attrs.frozen
class Request:
    """What a client sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@attrs.frozen
class Answer:
    """
    What the twin answers to one request.

    Attributes:
        status: HTTP status.

        body: Text or bytes as they are; anything else as JSON.

        headers: Further headers.

        wait: How long to wait before answering, in seconds.

        cut: Where to cut the connection: "before" anything is answered, or within the "body".
    """

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    wait: float = 0
    cut: str = ""

    @property
    def content(self) -> bytes:
        """The body as it goes over the wire."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class HttpTwin:
    """
    Plays a provider.

    Attributes:
        url: Where it listens, over HTTP.

        answer_to: What it answers to a request. It is asked before anything is answered, in the connection's thread.

        requests: What was asked so far.
    """

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.requests: list[Request] = []
        self.answer_to: Callable[[Request], Answer] = lambda request: Answer()
        self.stopping = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (_Handler,), {"twin": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, status: int, body: Any = b"", **fields: Any) -> None:
        """Answer like this from now on."""
        self.answer_in_turn(Answer(status, body, **fields))

    def answer_in_turn(self, *answers: Answer) -> None:
        """Answer with each of *answers* once, and with the last from then on."""
        left = deque(answers)
        self.answer_to = lambda request: left.popleft() if len(left) > 1 else left[0]


@contextmanager
def running(authority: Authority) -> Iterator[HttpTwin]:
    """Run a twin, whose certificates *authority* signs, in threads of its own."""
    twin = HttpTwin(authority)
    thread = threading.Thread(target=twin.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield twin
    finally:
        twin.stopping.set()
        twin.server.shutdown()
        thread.join()
        twin.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    twin: HttpTwin
    origin = ""

    def do_CONNECT(self) -> None:
        """Become the host that is asked for, and speak TLS as it."""
        host = self.path.rpartition(":")[0]
        self.send_response(200)
        self.end_headers()
        try:
            self.connection = self.request = self.twin.authority.server_context(host).wrap_socket(
                self.connection, server_side=True
            )
        except (ssl.SSLError, OSError):
            # A client that does not trust the certificate hangs up.
            self.close_connection = True
            return
        self.setup()
        self.origin = f"https://{host}"
        # Whatever the version of the CONNECT itself says.
        self.close_connection = False

    def answer(self) -> None:
        """Record the request and answer it as scripted."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, f"{self.origin}{self.path}", dict(self.headers), body)
        self.twin.requests.append(request)
        answer = self.twin.answer_to(request)
        if answer.wait:
            self.twin.stopping.wait(answer.wait)
        if answer.cut == "before":
            self.hang_up()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        if answer.cut == "body":
            self.wfile.write(answer.content[: len(answer.content) // 2])
            self.hang_up()
        else:
            self.wfile.write(answer.content)

    do_DELETE = do_GET = do_PATCH = do_POST = do_PUT = answer

    def hang_up(self) -> None:
        """Cut the connection without a goodbye."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def handle(self) -> None:
        """Serve one connection; a client that has gone is not an error."""
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def finish(self) -> None:
        """Close the connection, which the server itself knows only without its TLS."""
        try:
            super().finish()
        except OSError:
            pass
        finally:
            self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Authority:
    """
    A certificate authority for the time of a test run.

    Attributes:
        bundle: File with the certificate that clients are to trust.
    """

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.bundle = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.bundle))
        self.server_context = cache(self._make_context)

    def _make_context(self, host: str) -> ssl.SSLContext:
        """Return the TLS settings with which to be *host*."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(host).configure_cert(context)
        return context
