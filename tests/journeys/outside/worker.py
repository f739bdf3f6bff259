"""
Internal: a worker outside, a program that knows nothing of the site but its endpoints: ``worker.py URL PORT``.

It sends what is due by the mail server at PORT, one message after another, until nothing is. Its login comes from the
environment.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import smtplib
import sys
import urllib.error
import urllib.request
from email.message import EmailMessage
from typing import Any

URL, PORT = sys.argv[1], int(sys.argv[2])
LOGIN = base64.b64encode(os.environ["WORKER_LOGIN"].encode()).decode()
# Nothing that the environment says of proxies counts here.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str, body: Any = None) -> bytes:
    """Return what the site answers: to a POST, if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Basic {LOGIN}", "Content-Type": "application/json"}
    with OPENER.open(urllib.request.Request(url, data, headers), timeout=30) as answer:
        return bytes(answer.read())


def filled(template: str, values: dict[str, Any]) -> str:
    """Return *template* with its variables filled in: names with dots alone, which is all that this site writes."""

    def value_of(match: re.Match[str]) -> str:
        found: Any = values
        for name in match[1].split("."):
            found = found[name]
        return str(found["__str__"] if isinstance(found, dict) else found)

    return re.sub(r"\{\{ *([\w.]+) *\}\}", value_of, template)


def send(message: EmailMessage) -> None:
    """Hand *message* to the mail server."""
    with smtplib.SMTP("127.0.0.1", PORT, timeout=30) as server:
        server.send_message(message)


def work(own: str) -> None:
    """Send one message, and say what came of it."""
    job = json.loads(ask(f"{own}lock/", {}))
    files = [(one, ask(one["url"])) for one in job["attachments"]]
    try:
        for recipient in job["recipients"]:
            variants = job["content"]["variants"]
            variant = variants.get(recipient["language"]) or variants["en"]
            values = {**job["context"], "recipient": recipient["value"]}
            text = filled(variant["body"], values)
            message = EmailMessage()
            message["From"] = job["content"]["from_address"] or "worker@example.com"
            message["To"] = recipient["address"]
            message["Subject"] = filled(variant["subject"], values)
            message.set_content(text)
            message.add_alternative(f"<p>{html.escape(text)}</p>", subtype="html")
            for file, content in files:
                kind, _slash, subtype = file["content_type"].partition("/")
                message.add_attachment(content, kind, subtype, filename=file["name"])
            send(message)
    except (KeyError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"
        ask(f"{own}fail/", {"fence": job["fence"], "code": "not_sent", "reason": reason})
    else:
        ask(f"{own}succeed/", {"fence": job["fence"]})


while due := json.loads(ask(f"{URL}workers/")):
    for one in due:
        try:
            work(f"{URL}workers/{one['id']}/")
        except urllib.error.HTTPError as error:
            # Another worker has it, or something of it is gone: nothing is left to do about it here.
            if error.code not in (409, 422):
                raise
