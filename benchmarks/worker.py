"""
Internal: one side of a comparison of what sends messages: does what it is told and says what it took.
"""

from __future__ import annotations

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from typing import Any

import django

# Before what follows is imported, as in a process of a site.
django.setup()

from messages import messages  # noqa: E402
from serving import peak_memory, serve, timed  # noqa: E402

from edx_ace import ace  # noqa: E402
from edx_ace.message import Message  # noqa: E402


def send(count: int) -> dict[str, float]:
    """Send *count* messages, one ``ace.send`` each."""
    return timed(ace.send, list(messages(count)))


def send_in_threads(count: int, threads: int) -> dict[str, float]:
    """Send *count* messages, one ``ace.send`` each, *threads* of them at a time."""
    with ThreadPoolExecutor(threads) as pool:
        return timed(lambda batch: list(pool.map(ace.send, batch)), [list(messages(count))])


def send_batch(count: int) -> dict[str, float]:
    """Send *count* messages as they are made: by ``send_many`` where there is one."""

    if hasattr(ace, "send_many"):
        took = timed(_require_sent, ace.send_many(messages(count)))
    else:
        took = timed(ace.send, messages(count))
    return took | {"peak": peak_memory()}


def _require_sent(report: object) -> None:
    if not report:
        sys.exit(f"Nothing may fail while it is measured: {report}")


def migrate() -> None:
    """Make the tables."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def enqueue(count: int) -> None:
    """Put *count* messages into the outbox, in one call."""
    import celery_app  # noqa: F401  # as a site's package does

    from edx_ace import outbox

    outbox.enqueue(messages(count))


def delay(count: int) -> None:
    """Give Celery a task for each of *count* messages."""
    from celery_app import send_message

    for message in messages(count):
        send_message.delay(str(message))


def message_text() -> str:
    """Return a message as JSON."""
    return str(next(messages(1)))


def json_text(text: str, count: int) -> dict[str, Any]:
    """Read the message that *text* is, and turn it into JSON, *count* times."""
    message = Message.from_string(text)
    return {
        "text": str(message),
        "dump": timed(str, repeat(message, count))["cpu"],
        "load": timed(Message.from_string, repeat(text, count))["cpu"],
    }


def make_bytes(count: int) -> dict[str, Any]:
    """Write *count* emails as bytes, once by Django's classes and once by ours."""
    from edx_ace.channel.mime import as_bytes

    emails = [_email(message) for message in messages(count)]
    example = emails[0].message()
    theirs = example.as_bytes(linesep="\r\n") if django.VERSION < (6, 0) else example.as_bytes()
    ours = as_bytes(emails[0], boundary=example.get_boundary(), date=example["Date"])
    return {
        "django": ".".join(map(str, django.VERSION[:2])),
        "identical": ours == theirs,
        "peer": timed(lambda email: email.message().as_bytes(), emails)["cpu"],
        "ours": timed(as_bytes, emails)["cpu"],
    }


def inline_styles(count: int, peer_count: int) -> dict[str, float]:
    """Inline the CSS of *count* emails by the content step, and that of *peer_count* by a premailer for each."""
    from premailer import Premailer

    from edx_ace.content.inline_css import inline_css

    def transform(document: str, **options: Any) -> None:
        Premailer(document, cssutils_logging_level=logging.CRITICAL, **options).transform()

    parcels = [_parcel(message) for message in messages(count)]
    documents = [parcel.rendered.body_html for parcel in parcels[:peer_count]]
    return {
        "peer": timed(transform, documents)["cpu"],
        "uncached_peer": timed(partial(transform, cache_css_parsing=False), documents)["cpu"],
        "ours": timed(inline_css, [parcels])["cpu"],
    }


def _parcel(message: Any) -> Any:
    """Return *message* rendered, as content steps are given it."""
    from edx_ace import envelope, presentation
    from edx_ace.channel import ChannelType, get_channel_for_message

    channel = get_channel_for_message(ChannelType.EMAIL, message)
    sealed = envelope.seal(message, ChannelType.EMAIL)
    return envelope.Parcel(message, channel, presentation.render(channel, message), sealed)


def _email(message: Any) -> Any:
    """Return *message* as the email that the channel sends."""
    parcel = _parcel(message)
    return parcel.channel.compose(message, parcel.rendered, parcel.envelope)


if __name__ == "__main__":
    serve(globals())
