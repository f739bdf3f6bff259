"""
Internal: a server for one page, on this machine alone.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

Page = Callable[[str | None], tuple[HTTPStatus, str]]


class PageServer(HTTPServer):
    """
    Serves one page on 127.0.0.1, one request at a time.

    Args:
        port: Port to listen on; 0: any that is free.

        page: Makes the page, from the ``language`` of the query (None: not given).
    """

    def __init__(self, port: int, page: Page) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.page = page


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    #: Seconds. Browsers open connections ahead on which they ask for nothing; those must not hold up the others.
    timeout = 1

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        status, html = self.server.page(parse_qs(url.query).get("language", [None])[0])
        body = html.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the browser shows what came of it."""
