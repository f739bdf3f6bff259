"""
Internal: what is known of a person stays in the tables: no log, metric or task says it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.test import Client
from kombu import Connection

from edx_ace import Recipient, ace, monitoring, outbox
from edx_ace.errors import FatalChannelDeliveryError, RecoverableChannelDeliveryError
from edx_ace.outbox import State
from edx_ace.outbox.models import Attempt, Delivery
from edx_ace.outbox.worker import sweep
from edx_ace.preferences import Taking, choose
from edx_ace.tokens import seal
from edx_ace.tracking import Reason, bounces, engagement, lift, record_event, suppress
from tests.outbox.test_worker import make_due, work
from tests.pipeline import Scripted, welcome
from tests.tracking import vendors
from tests.tracking.test_bounces import mail
from tests.web.test_unsubscribe_page import STRICT_MIDDLEWARE

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS, NAME, SUBJECT, PHONE = "canary.wren@nest.example", "Wren Canarybird", "Canary subject", "+49301234567"
CANARIES = [ADDRESS, "canary.wren", NAME, "Canarybird", SUBJECT, PHONE]


@pytest.fixture
def metrics(monkeypatch) -> list[Any]:
    """What monitoring was told."""
    told: list[Any] = []
    monkeypatch.setattr(monitoring, "_set_custom_attribute", lambda: lambda key, value: told.append((key, value)))
    return told


@pytest.fixture
def tasks(use_celery, settings, tmp_path):
    """Return a function that returns the bodies of all tasks that were asked for."""
    settings.ACE_OUTBOX_CELERY = True
    use_celery(broker_url="memory://canaries")

    def asked() -> list[str]:
        with Connection("memory://canaries") as connection, connection.SimpleQueue("celery") as queue:
            bodies = []
            while queue.qsize():
                message = queue.get_nowait()
                bodies.append(f"{message.headers} {message.body!r}")
            return bodies

    return asked


def person() -> Recipient:
    return Recipient(41, f"{NAME} <{ADDRESS}>", addresses={"sms": PHONE})


def test_no_log_metric_or_task_holds_an_address_a_name_a_subject_or_a_token(
    use_channels, settings, caplog, metrics, tasks
):
    """
    From enqueueing over failures, bounces and choices to erasing.
    """
    caplog.set_level(logging.DEBUG)
    settings.ACE_ENABLED_POLICIES = ["preference", "suppression"]
    settings.ACE_TOKEN_KEYS = ["a key of the tests"]
    token = seal("unsubscribe", ADDRESS)
    said = f"550 5.1.1 <{ADDRESS}> is unknown"
    use_channels(
        mail=Scripted(
            None,
            RecoverableChannelDeliveryError(f"450 4.2.1 <{ADDRESS}> is busy", code="smtp_450"),
            None,
            FatalChannelDeliveryError(said, code="smtp_550"),
            ValueError(f"{ADDRESS} {NAME} {SUBJECT} {token}"),
        )
    )

    def enqueue(**fields: Any) -> None:
        context = {"name": NAME, "subject": SUBJECT, "unsubscribe": token}
        outbox.enqueue(welcome(recipient=person(), context=context, **fields))

    for _ in range(4):
        enqueue()
    work()
    make_due()
    work()
    record_event("postmark", "delivered", address=ADDRESS, provider_id="id-1", event_id="1", detail=said)
    record_event("postmark", "hard_bounce", address=ADDRESS.upper(), provider_id="id-2", event_id="2", detail=said)
    record_event("postmark", "complained", address=ADDRESS, provider_id="id-9", event_id="3", detail=said)
    enqueue()
    work()
    lift(ADDRESS, who="bob", why=said)
    suppress(ADDRESS, Reason.MANUAL, who="bob", why=said)
    choose(person(), "general", "email", Taking.OFF)
    ace.send(welcome(recipient=person()))
    sweep()
    call_command("ace_rehash", stdout=StringIO())

    states = set(Delivery.objects.values_list("state", flat=True))
    assert {State.BOUNCED, State.FAILED, State.SKIPPED} <= states
    replies = " ".join(Attempt.objects.values_list("reply", flat=True))
    call_command("ace_erase", "41", no_input=True, stdout=StringIO())
    asked = tasks()
    # The journey was one that could have told.
    assert len(caplog.records) > 10 and metrics and asked

    nothing_tells(logs=lines_of(caplog), metrics=map(str, metrics), tasks=asked, replies=[replies], tokens=[token])


def lines_of(caplog) -> list[str]:
    """Return the lines of the log, with the tracebacks."""
    return [logging.Formatter("%(name)s %(message)s").format(record) for record in caplog.records]


def nothing_tells(tokens: list[str], **places: Iterable[str]) -> None:
    """Fail if a text in one of *places* holds a canary or a token."""
    for place, texts in places.items():
        for text in texts:
            for canary in [*CANARIES, *tokens]:
                assert canary.lower() not in text.lower(), (place, text)


def test_neither_does_what_comes_in_or_is_looked_up(sent, admin_client, settings, caplog, metrics):
    """
    Webhooks, mails in the bounce mailbox, links and pages, with good and bad tokens, and the staff's search.
    """
    pytest.importorskip("anymail")
    pytest.importorskip("flufl.bounce")
    caplog.set_level(logging.DEBUG)
    settings.ACE_TOKEN_KEYS = ["a key of the tests"]
    settings.ANYMAIL = {"WEBHOOK_SECRET": vendors.SECRET}
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, *STRICT_MIDDLEWARE]
    client = Client(enforce_csrf_checks=True)
    row = sent(recipient=person(), context={"name": NAME, "subject": SUBJECT})
    people = [row.recipient, ADDRESS]
    tokens = [
        seal(purpose, *parts)
        for purpose in ("click", "open", "unsubscribe", "preferences", "view")
        for parts in ([row.payload_id.hex], [row.payload_id.hex, uuid4().hex], people, [*people, "general", "email"])
    ]

    for address in (ADDRESS, f"{ADDRESS} {NAME}", f"{ADDRESS}\r\nBcc: {ADDRESS}"):
        for headers in (vendors.authorization(), {}, vendors.authorization(f"{NAME}:guess")):
            for what in ("delivered", "hard", "complained"):
                for vendor in (vendors.postmark, vendors.sparkpost):
                    path, _, body = vendor(what, row.provider_id, address)
                    client.post(f"/mail/{path}", body, content_type="application/json", headers=headers)
    for name in ("postfix_unknown", "qmail_unknown", "abuse_report", "forwarded"):
        for about in (row.payload_id, uuid4()):
            bounces.record(bounces.parse(mail(name, about, ADDRESS)))
    bounces.parse(mail("postfix_unknown", row.payload_id, f"{ADDRESS}\xff").replace(b"rfc822;", b"rfc822; \xff"))
    for token in [*tokens, *(token[:-1] for token in tokens)]:
        for path in ("mail/c/{}", "mail/o/{}.gif", *(f"messages/{one}/{{}}/" for one in ("unsubscribe", "view"))):
            for ask in (client.get, client.head, client.post, client.put):
                ask(f"/{path.format(token)}")
        client.post(f"/messages/preferences/{token}/", {"verb": NAME})
    for asked in (ADDRESS, NAME, PHONE, tokens[0]):
        for one in (client, admin_client):
            one.get("/staff/", {"q": asked})
            one.get("/staff/figures/", {"message_type": asked, "since": asked})
    engagement.count()
    sweep()

    assert len(caplog.records) > 10
    nothing_tells(logs=lines_of(caplog), metrics=map(str, metrics), tokens=[*tokens, *(one[:-1] for one in tokens)])
