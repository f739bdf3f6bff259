"""
Internal: the search for messages and the way of one, as the staff sees them.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.utils import timezone, translation
from lxml import html

from edx_ace import Recipient, outbox
from edx_ace.errors import FatalChannelDeliveryError, RecoverableChannelDeliveryError
from edx_ace.outbox.models import Delivery, Payload
from edx_ace.outbox.states import State
from edx_ace.outbox.worker import Worker
from edx_ace.preferences import Taking, choose
from edx_ace.tracking import record_event, suppress
from edx_ace.tracking.models import Engagement, Link
from edx_ace.tracking.search import find
from tests.pipeline import Recorder, Scripted, welcome

pytestmark = pytest.mark.django_db


def logged_in(*permissions: str) -> Client:
    user = User.objects.create_user(f"staff{User.objects.count()}")
    for name in permissions:
        label, codename = name.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def looking() -> Client:
    """Somebody who may see deliveries."""
    return logged_in("ace_outbox.view_delivery")


@pytest.fixture
def knowing() -> Client:
    """Somebody who may see people, too."""
    return logged_in("ace_outbox.view_delivery", "ace_outbox.view_recipient", "ace_tracking.view_copy")


@pytest.fixture
def operating() -> Client:
    """Somebody who may act."""
    return logged_in("ace_outbox.change_delivery")


def send(**fields):
    """Send a message and return it."""
    message = welcome(**fields)
    outbox.enqueue(message)
    Worker(once=True).run()
    return message


def page_of(client, message) -> str:
    response = client.get(f"/staff/{message.uuid}/")
    assert response.status_code == 200
    return response.text


def addresses(message) -> list[str]:
    return [
        "/staff/",
        "/staff/?q=7",
        f"/staff/{message.uuid}/",
        f"/staff/{message.uuid}/copy/email/",
        "/staff/figures/",
        "/staff/figures.csv",
        "/staff/figures.json",
    ]


def test_nobody_else_sees_anything():
    """
    Who is not logged in is asked to; a user without the permission is refused; no cache keeps it.
    """
    message = send()
    stranger = logged_in("ace_outbox.view_recipient", "ace_tracking.view_copy")
    for address in addresses(message):
        assert Client().get(address).status_code == 302
        assert stranger.get(address).status_code == 403
    assert Client().post(f"/staff/{message.uuid}/resend/").status_code == 302
    assert stranger.post(f"/staff/{message.uuid}/resend/").status_code == 403


def test_pages_are_kept_by_no_cache(knowing):
    """
    They say who got what.
    """
    for address in addresses(send()):
        if "/copy/" in address:
            continue  # There is none.
        assert knowing.get(address)["Cache-Control"] == "no-store"


@pytest.mark.parametrize("term", ["7", "ann@example.com", " ANN@Example.COM ", "Ann <ann@example.com>"])
def test_people_are_looked_up_by_those_who_may(looking, knowing, term):
    """
    By id or address; others find nothing and see no address.
    """
    message = send()

    assert str(message.uuid) in knowing.get("/staff/", {"q": term}).text
    refused = looking.get("/staff/", {"q": term}).text
    assert "Nothing was found." in refused
    assert "You may not look people up." in refused


def test_somebody_without_an_account_is_found_by_their_address(knowing):
    """
    Of which the tables keep a digest.
    """
    message = send(recipient=Recipient(None, "bo@example.com"))

    assert str(message.uuid) in knowing.get("/staff/", {"q": "bo@example.com"}).text


def test_a_message_is_found_by_what_names_it(looking):
    """
    Its UUID, that of its send, or its key.
    """
    message = welcome(send_uuid=uuid4())
    outbox.enqueue(message, idempotency_key="welcome-7")
    for term in (message.uuid, message.uuid.hex, message.send_uuid, "welcome-7"):
        text = looking.get("/staff/", {"q": str(term)}).text
        assert str(message.uuid) in text
        assert "ann@example.com" not in text


@pytest.mark.parametrize(
    "term",
    ["nobody", "%", "ann", "a" * 1000, "\0", "<script>alert(1)</script>", "8a86a5f5-648a-48ad-94c1-9517ac6b9075", "'"],
)
def test_what_names_nothing_finds_nothing(knowing, term):
    """
    And is shown as it was written.
    """
    send()
    response = knowing.get("/staff/", {"q": term})

    assert response.status_code == 200
    assert "Nothing was found." in response.text
    assert "<script>alert" not in response.text


def test_why_it_was_skipped_is_said(looking):
    """
    In one look.
    """
    choose("7", "news", "email", Taking.OFF)
    text = page_of(looking, send())

    assert "It was not sent, on purpose." in text
    assert "The person turned &#x27;news&#x27; off." in text
    assert "opted_out" in text


def test_each_attempt_is_told_with_what_the_channel_answered(knowing, use_channels):
    """
    Without the address in it.
    """
    use_channels(mail=Scripted(FatalChannelDeliveryError("550 no mailbox ann@example.com here")))
    message = send()
    text = page_of(knowing, message)

    assert "It was not sent: it could not be handed over." in text
    assert "550 no mailbox (address) here" in text
    assert text.count("550 no mailbox") == 2


def test_what_came_back_is_told_in_order(looking):
    """
    What the provider said, and what was done with it, by whom.
    """
    message = send()
    now = timezone.now()
    link = Link.objects.create(uuid=uuid4(), batch=message.uuid, target="https://shop.example/", created_at=now)
    for seconds, kind, is_machine in ((20, "open", True), (30, "open", False), (40, "click", False)):
        Engagement.objects.create(
            message=message.uuid,
            kind=kind,
            link=link.uuid if kind == "click" else None,
            at=now + timedelta(seconds=seconds),
            is_machine=is_machine,
        )
    provider_id = Delivery.objects.get(channel_type="email").provider_id
    at = now + timedelta(seconds=10)
    record_event("postmark", "delivered", address="ann@example.com", provider_id=provider_id, at=at, detail="250 OK")
    text = page_of(looking, message)

    told = ["Put into the outbox", "Handed over and accepted", "postmark: delivered", "250 OK", "Opened by a machine"]
    told += ["Opened", "A link was followed", "https://shop.example/"]
    places = [text.index(f">{one}") for one in told]
    assert places == sorted(places)
    assert "It was sent, and it arrived." in text


def test_what_stands_against_messages_to_them_is_told_to_those_who_may_see_people(looking, knowing):
    """
    A suppressed address, and what they chose.
    """
    message = send()
    suppress("ann@example.com", "hard_bounce", who="test")
    choose("7", "news", "email", Taking.OFF)

    text = page_of(knowing, message)
    assert "The address is suppressed: hard bounce." in text
    assert "They take News: off." in text
    assert "suppressed" not in page_of(looking, message)


def test_what_a_closer_choice_overrides_stands_against_nothing(knowing):
    """
    Everything is off but this.
    """
    message = send()
    choose("7", "", "email", Taking.OFF)
    choose("7", "news", "email", Taking.IMMEDIATE)

    assert "They take" not in page_of(knowing, message)


def test_nothing_that_essential_messages_pass_stands_against_them(knowing, settings):
    """
    A hard bounce does.
    """
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news", "essential": True}}
    message = send()
    choose("7", "news", "email", Taking.OFF)
    suppress("ann@example.com", "complaint", who="test")

    text = page_of(knowing, message)
    assert "They take" not in text
    assert "The address is suppressed" not in text
    suppress("ann@example.com", "hard_bounce", who="test")
    assert "The address is suppressed: hard bounce." in page_of(knowing, message)


def test_who_it_went_to_is_shown_to_those_who_may_know(looking, knowing):
    """
    Others see the rest.
    """
    message = send()

    assert "ann@example.com" in page_of(knowing, message)
    assert "ann@example.com" not in page_of(looking, message)


def test_what_failed_is_sent_again_by_those_who_may(operating, looking, use_channels):
    """
    It is queued, and who did it is noted.
    """
    use_channels(mail=Scripted(FatalChannelDeliveryError("no")))
    message = send()
    assert "Send again" in page_of(operating, message)
    assert "Send again" not in page_of(looking, message)
    assert looking.post(f"/staff/{message.uuid}/resend/").status_code == 403

    response = operating.post(f"/staff/{message.uuid}/resend/", follow=True)

    assert "It is queued again." in response.text
    assert Delivery.objects.get(channel_type="email").state == State.QUEUED
    assert LogEntry.objects.get().change_message == "Queued again"


def test_what_has_not_failed_is_not_sent_again(operating):
    """
    Whoever asks.
    """
    message = send()
    response = operating.post(f"/staff/{message.uuid}/resend/", follow=True)

    assert "Nothing of it has failed" in response.text
    assert Delivery.objects.get(channel_type="email").state == State.SENT
    assert operating.get(f"/staff/{message.uuid}/resend/").status_code == 405


def test_sending_again_cannot_be_forged(operating, use_channels):
    """
    By another site's form.
    """
    use_channels(mail=Scripted(FatalChannelDeliveryError("no")))
    message = send()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operating.cookies

    assert strict.post(f"/staff/{message.uuid}/resend/").status_code == 403
    assert Delivery.objects.get(channel_type="email").state == State.FAILED


def test_what_was_sent_is_shown_without_links_or_scripts(knowing, settings):
    """
    In a frame that runs nothing.
    """
    settings.ACE_CONTENT_STEPS = ["track", "keep_copy"]
    settings.ACE_CATEGORIES = {"news": {"track": True, "keep_copy_days": 3}}
    message = send()
    assert "See what was sent" in page_of(knowing, message)
    text = knowing.get(f"/staff/{message.uuid}/copy/email/").text

    assert "Ann" in text
    assert "sandbox srcdoc=" in text
    assert "data-ace-open" not in text
    assert "/mail/c/" not in text
    with translation.override("de"):
        assert "Betreff" in knowing.get(f"/staff/{message.uuid}/copy/email/").text


def test_a_copy_needs_both_permissions(looking):
    """
    It names the person.
    """
    message = send()
    assert looking.get(f"/staff/{message.uuid}/copy/email/").status_code == 403
    partly = logged_in("ace_outbox.view_delivery", "ace_tracking.view_copy")
    assert partly.get(f"/staff/{message.uuid}/copy/email/").status_code == 403


@pytest.mark.parametrize("kind", ["email", "push", "nothing"])
def test_what_was_not_kept_is_not_there(knowing, kind):
    """
    The site's page "not found".
    """
    message = send()

    assert knowing.get(f"/staff/{message.uuid}/copy/{kind}/").status_code == 404
    assert knowing.get(f"/staff/{uuid4()}/").status_code == 404


@pytest.mark.skipif(connection.vendor != "postgresql", reason="Plans are read on PostgreSQL.")
def test_every_look_up_follows_an_index(django_assert_max_num_queries):
    """
    However many messages there are.
    """
    now = timezone.now()
    payloads = [Payload(uuid=uuid4(), content="{}", created_at=now, batch=uuid4()) for _ in range(20_000)]
    payloads[0].idempotency_key = "key"
    Payload.objects.bulk_create(payloads, batch_size=5000)
    Delivery.objects.bulk_create(
        [
            Delivery(
                payload=payload,
                batch=payload.batch,
                recipient=str(number % 5000),
                address=f"p{number % 5000}@example.com",
                channel_type="email",
                on_ambiguous="repeat",
                created_at=now,
                due_at=now,
            )
            for number, payload in enumerate(payloads)
        ],
        batch_size=5000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ace_outbox_delivery")
        cursor.execute("ANALYZE ace_outbox_payload")
    plans: list[str] = []

    def explain(execute, sql, params, many, context):
        if sql.startswith("SELECT"):
            with connection.connection.cursor() as cursor:
                plans.append("\n".join(row[0] for row in cursor.execute(f"EXPLAIN {sql}", params).fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        for term in ("17", "p17@example.com", "key", str(payloads[5].uuid), str(payloads[5].batch), "nothing at all"):
            find(term, may_see_people=True)

    assert plans
    assert not [plan for plan in plans if "Seq Scan" in plan]


def sent(settings, use_channels):
    use_channels(mail=Recorder())
    return send()


def refused(settings, use_channels):
    use_channels(mail=Scripted(FatalChannelDeliveryError("550 no mailbox ann@example.com here")))
    return send()


def put_off(settings, use_channels):
    use_channels(mail=Scripted(RecoverableChannelDeliveryError("450 greylisted")))
    return send()


def opted_out(settings, use_channels):
    choose("7", "news", "email", Taking.OFF)
    return send()


def suppressed(settings, use_channels):
    settings.ACE_ENABLED_POLICIES = ["suppression"]
    suppress("ann@example.com", "hard_bounce", who="test")
    return send()


def in_quiet_hours(settings, use_channels):
    settings.ACE_ENABLED_POLICIES = ["quiet_hours"]
    now = timezone.localtime()
    settings.ACE_QUIET_HOURS = (f"{now - timedelta(hours=2):%H:%M}", f"{now + timedelta(hours=2):%H:%M}")
    return send()


def capped(settings, use_channels):
    settings.ACE_ENABLED_POLICIES = ["frequency_cap"]
    settings.ACE_FREQUENCY_CAPS = {"email": "1/day"}
    send()
    return send()


def held(settings, use_channels):
    choose("7", "news", "email", Taking.DAILY)
    return send()


def folded(settings, use_channels):
    message = held(settings, use_channels)
    Delivery.objects.update(due_at=timezone.now())
    Worker(once=True).run()
    Worker(once=True).run()
    return message


def bounced(settings, use_channels):
    return said("hard_bounce", detail="550 no mailbox ann@example.com here")


def complained(settings, use_channels):
    return said("complained")


def said(kind, **fields):
    message = send()
    provider_id = Delivery.objects.get(channel_type="email").provider_id
    record_event("postmark", kind, address="ann@example.com", provider_id=provider_id, **fields)
    return message


@pytest.mark.parametrize(
    ("happen", "expected"),
    [
        (sent, "It was sent, and accepted. Whether it reached the mailbox nobody has said."),
        # What the channel said stands there, without the address.
        (refused, "It was not sent: it could not be handed over. 550 no mailbox (address) here"),
        (
            put_off,
            "It has not been sent yet: it was not accepted for now, and is tried again. 450 greylisted",
        ),
        (opted_out, "It was not sent, on purpose. They turned messages of this kind off."),
        (suppressed, "It was not sent, on purpose. Their address must not be used: messages to it came back"),
        (in_quiet_hours, "It has not been sent yet: it waits. They are left alone at these hours; it goes when"),
        (capped, "It has not been sent yet: it waits. They have had as many messages as they may get in this time"),
        (
            held,
            "It has not been sent yet: it waits. They take messages of this kind once a day or a week; it goes",
        ),
        (folded, "It became part of a digest. They take messages of this kind once a day or a week, together."),
        (bounced, "It was sent, and the recipient's side returned it. 550 no mailbox (address) here"),
        (complained, "It arrived, and the recipient reported it as unwanted."),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_what_became_of_it_is_said_in_words_of_whoever_is_asked(knowing, settings, use_channels, happen, expected):
    """
    Where it is found and on its page; what waits says until when.
    """
    message = happen(settings, use_channels)

    for address in (f"/staff/?q={message.uuid}", f"/staff/{message.uuid}/"):
        page = html.fromstring(knowing.get(address).content)
        texts = [" ".join(one.text_content().split()) for one in page.xpath("//p[strong]")]
        found = [text for text in texts if expected in text]
        assert found, texts
        assert ("Not before" in found[0]) == expected.startswith("It has not been sent yet")


def test_what_was_folded_leads_to_its_digest(knowing, settings, use_channels):
    """
    With one click.
    """
    page = html.fromstring(page_of(knowing, folded(settings, use_channels)))
    [link] = page.xpath("//a[text()='See the digest']/@href")

    assert "ace_preferences.digest" in knowing.get(link).text


def test_reasons_are_said_in_the_language_of_the_page(looking):
    """
    What decided was written down in English.
    """
    choose("7", "news", "email", Taking.OFF)
    message = send()
    with translation.override("de"):
        text = looking.get(f"/staff/?q={message.uuid}").text

    assert "Nachrichten dieser Art wurden abbestellt." in text
    assert "The person" not in text


def test_what_it_belongs_to_is_called_as_the_site_calls_it(looking, settings):
    """
    Where the site has a name for it.
    """
    message = send(options={"scope": "course:1"})
    assert "course:1" in page_of(looking, message)
    settings.ACE_SCOPE_NAMES = "tests.preferences.test_scopes.of_courses"

    assert "Astronomy" in page_of(looking, message)
