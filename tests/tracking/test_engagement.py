"""
Internal: opens and clicks, from a link in a mail that was sent to the figures.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, OperationalError
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import resolve, reverse

from edx_ace import outbox
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.worker import Worker, sweep
from edx_ace.tokens import seal
from edx_ace.tracking import engagement
from edx_ace.tracking.engagement import SETTLING
from edx_ace.tracking.links import CLICK, OPEN
from edx_ace.tracking.models import Engagement, Figure, Link
from edx_ace.tracking.views import PIXEL
from tests.pipeline import welcome
from tests.tracking.mails import clicks, pixel, tracked_html
from tests.web.test_unsubscribe_page import STRICT_MIDDLEWARE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tracked")]

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LINKS = "".join(f'<a href="https://shop.example/{number}">x</a>' for number in range(4))


@pytest.fixture
def client() -> Client:
    return Client(headers={"user-agent": BROWSER})


@pytest.fixture
def sent(channel):
    """A message that was sent a while ago."""
    message = welcome(send_uuid=uuid4())
    outbox.enqueue(message)
    Worker(once=True).run()
    back_in_time(timedelta(hours=1))
    return message


def back_in_time(by: timedelta) -> None:
    """Let what happened have happened earlier by so much."""
    for row in Delivery.objects.filter(finished_at__isnull=False):
        Delivery.objects.filter(pk=row.pk).update(finished_at=row.finished_at - by)
    for event in Engagement.objects.all():
        Engagement.objects.filter(pk=event.pk).update(at=event.at - by)


def settle() -> dict[str, int]:
    """Let events settle and be counted; return the figures by measure."""
    back_in_time(SETTLING)
    sweep()
    return dict(Figure.objects.filter(is_sum=True, batch__isnull=True).values_list("measure", "number"))


def test_a_click_leads_to_the_target_of_the_link(client):
    """
    It is kept, and the answer is for nobody else.
    """
    message = welcome()
    [path] = clicks(tracked_html('<a href="https://shop.example/?a=1&amp;b=ä">', message))
    response = client.get(path)

    assert response.status_code == 302
    assert response["Location"] == "https://shop.example/?a=1&b=%C3%A4"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store, private"
    event = Engagement.objects.get()
    assert (event.message, event.kind, event.is_machine) == (message.uuid, "click", False)
    assert event.link == Link.objects.get().pk


def test_a_pixel_is_a_picture(client):
    """
    Which is kept by nobody in between.
    """
    message = welcome()
    response = client.get(pixel(tracked_html("", message)))

    assert (response.status_code, response["Content-Type"], response.content) == (200, "image/gif", PIXEL)
    assert response["Cache-Control"] == "no-store, private"
    assert list(Engagement.objects.values_list("message", "kind", "link")) == [(message.uuid, "open", None)]


def bad_tokens() -> list[str]:
    good = seal(CLICK, uuid4().hex, uuid4().hex)
    return [
        # Of a link that is not there.
        good,
        # Altered, cut, made longer, of another purpose, of other parts, no token at all, too long.
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good[:-4],
        good + "AAAA",
        seal(OPEN, uuid4().hex),
        seal("unsubscribe", uuid4().hex, uuid4().hex),
        seal(CLICK, uuid4().hex),
        seal(CLICK, "x", "y"),
        "x",
        "https:evil.example",
        "A" * 10_000,
        "ä",
    ]


@pytest.mark.parametrize("number", range(len(bad_tokens())))
def test_a_bad_token_leads_nowhere(client, number, caplog):
    """
    With the same answer to each, and nothing is kept or logged of it.
    """
    token = bad_tokens()[number]
    response = client.get(reverse("ace_tracking:click", args=[token]), {"url": "https://evil.example/"})
    other = client.get(reverse("ace_tracking:click", args=["other"]))

    assert (response.status_code, response.headers) == (404, other.headers)
    assert not Engagement.objects.exists()
    assert caplog.text == ""


@pytest.mark.parametrize("number", range(len(bad_tokens()) - 1))
def test_a_bad_pixel_is_a_picture_like_any_other(client, number):
    """
    Nothing is kept of it.
    """
    # That of a pixel, which is good here, is left out.
    token = [token for place, token in enumerate(bad_tokens()) if place != 4][number]
    good = client.get(pixel(tracked_html("")))
    Engagement.objects.all().delete()
    response = client.get(reverse("ace_tracking:open", args=[token]))

    assert (response.status_code, response.content, response.headers) == (200, PIXEL, good.headers)
    assert not Engagement.objects.exists()


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)",
        "//evil.example",
        "https://a.example/\r\nSet-Cookie: x=1",
        "ftp://a.example/",
        f"https://a.example/{'x' * 10_000}",
        "",
    ],
)
def test_what_is_no_target_is_not_redirected_to_even_if_it_is_stored(client, target):
    """
    Somebody may have written the table.
    """
    message = welcome()
    [path] = clicks(tracked_html('<a href="https://shop.example/">', message))
    Link.objects.update(target=target)

    assert client.get(path).status_code == 404
    assert not Engagement.objects.exists()


def test_only_reading_is_answered(settings, caplog):
    """
    Without logging in; and whatever else is asked for, no log has the token.
    """
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, *STRICT_MIDDLEWARE]
    client = Client(enforce_csrf_checks=True)
    html = tracked_html('<a href="https://shop.example/">')
    [path] = clicks(html)

    assert [client.post(one).status_code for one in (path, pixel(html))] == [405, 405]
    assert not Engagement.objects.exists()
    assert caplog.text == ""
    assert [client.get(one).status_code for one in (path, pixel(html))] == [302, 200]


def test_a_database_that_does_not_answer_is_no_page_of_somebody_s(client, monkeypatch, caplog):
    """
    The log has what went wrong, and not the token.
    """
    [path] = clicks(tracked_html('<a href="https://shop.example/">'))

    def fail(token):
        raise OperationalError("gone")

    monkeypatch.setattr(engagement, "target_of", fail)

    assert client.get(path).status_code == 500
    assert "gone" in caplog.text and path.rpartition("/")[2] not in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
        {"x-moz": "prefetch"},
        {"user-agent": ""},
        # Apple's proxy, which loads when the mail arrives.
        {"user-agent": "Mozilla/5.0"},
        {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"user-agent": "Barracuda Sentinel (EE)"},
        {"user-agent": "python-requests/2.32"},
        {"user-agent": "curl/8.5.0"},
        {"user-agent": "WhatsApp/2.23"},
        {"user-agent": "Mozilla/5.0 (X11; Linux) HeadlessChrome/131.0"},
    ],
)
def test_what_says_that_it_is_a_machine_is_one(client, sent, headers):
    """
    It is led on all the same.
    """
    [path] = clicks(tracked_html('<a href="https://shop.example/">', sent))
    response = client.get(path, headers=headers)

    assert response.status_code == 302
    assert Engagement.objects.get().is_machine
    assert settle() == {"sent": 1, "clicked_by_machine": 1}


def test_a_head_request_is_a_machine_s(client, sent):
    """
    A person loads the page.
    """
    client.head(pixel(tracked_html("", sent)))

    assert settle() == {"sent": 1, "opened_by_machine": 1}


@pytest.mark.parametrize(
    "agent",
    [
        BROWSER,
        # These load when somebody reads.
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
        "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)",
    ],
)
def test_programs_that_people_read_with_are_none(client, sent, agent):
    """
    Whatever else they say.
    """
    client.get(pixel(tracked_html("", sent)), headers={"user-agent": agent})

    assert settle() == {"sent": 1, "opened": 1}
    assert Engagement.objects.get().person == "7"


def test_each_counts_once_for_a_person(client, sent):
    """
    However often it is opened and followed, also later.
    """
    html = tracked_html('<a href="https://shop.example/1">x</a><a href="https://shop.example/2">x</a>', sent)
    for path in [pixel(html), pixel(html), *clicks(html)]:
        client.get(path)
    first = settle()
    for path in [pixel(html), *clicks(html)]:
        client.get(path)

    assert first == {"sent": 1, "opened": 1, "clicked": 1}
    assert settle() == first
    assert Engagement.objects.count() == 7
    assert Engagement.objects.filter(person="7").count() == 2


def test_what_happens_seconds_after_sending_is_a_machine_s(client, channel):
    """
    Nobody reads so fast.
    """
    message = welcome()
    outbox.enqueue(message)
    Worker(once=True).run()
    client.get(pixel(tracked_html("", message)))

    assert settle() == {"sent": 1, "opened_by_machine": 1}


def test_many_links_at_once_are_followed_by_a_machine(client, sent):
    """
    And what it opens meanwhile is its own.
    """
    html = tracked_html(LINKS, sent)
    for path in [*clicks(html), pixel(html)]:
        client.get(path)

    assert settle() == {"sent": 1, "clicked_by_machine": 1, "opened_by_machine": 1}


def test_many_links_one_after_the_other_are_a_reader_s(client, sent):
    """
    Who comes back to the mail.
    """
    for path in clicks(tracked_html(LINKS, sent)):
        client.get(path)
        back_in_time(timedelta(minutes=1))

    assert settle() == {"sent": 1, "clicked": 1}


def test_what_is_not_in_the_outbox_is_kept_and_not_counted(client):
    """
    There is no send to count it for.
    """
    client.get(pixel(tracked_html("", welcome())))

    assert settle() == {}
    assert Engagement.objects.get().is_counted


def test_an_event_is_left_to_settle(client, sent):
    """
    What comes right after it may give it away.
    """
    client.get(pixel(tracked_html("", sent)))

    assert engagement.count() == 0


def test_an_event_is_kept_once_the_answer_has_gone(rf, monkeypatch):
    """
    Nobody waits for it.
    """
    # It would close the connection that the test is in.
    monkeypatch.setattr(HttpResponseBase, "close", lambda self: None)
    path = pixel(tracked_html(""))
    view, _, arguments = resolve(path)
    response = view(rf.get(path), **arguments)
    before = Engagement.objects.count()
    response.close()

    assert (before, Engagement.objects.count()) == (0, 1)


def test_a_table_that_takes_no_rows_costs_the_event_and_not_the_reader(client, monkeypatch, caplog):
    """
    Somebody can see it in the log.
    """

    def refuse(*args, **kwargs):
        raise DatabaseError("no space left")

    [path] = clicks(tracked_html('<a href="https://shop.example/">'))
    monkeypatch.setattr(engagement, "record", refuse)

    assert client.get(path).status_code == 302
    assert "An open or a click is lost: DatabaseError" in caplog.text


def test_following_a_link_takes_two_statements(client, django_assert_num_queries):
    """
    One look-up by primary key, one row.
    """
    html = tracked_html('<a href="https://shop.example/">')
    with django_assert_num_queries(2):
        client.get(clicks(html)[0])
    with django_assert_num_queries(1):
        client.get(pixel(html))


def test_neither_address_nor_browser_is_kept():
    """
    Of whoever asks.
    """
    assert {field.name for field in Engagement._meta.fields} == {
        "id",
        "message",
        "kind",
        "link",
        "at",
        "is_machine",
        "person",
        "is_counted",
    }


@pytest.mark.django_db(transaction=True)
def test_of_many_that_count_at_once_one_counts_a_first(client, sent, at_once):
    """
    Workers sweep when they like.
    """
    html = tracked_html("", sent)
    for _ in range(20):
        client.get(pixel(html))
    back_in_time(SETTLING)

    def sweep_some():
        # On MariaDB one may lose to another, and counts with its next sweep.
        with suppress(OperationalError):
            engagement.count(limit=3)

    at_once(sweep_some, 4)
    while engagement.count():
        pass

    assert sum(Figure.objects.filter(measure="opened").values_list("number", flat=True)) == 1


def test_the_mail_that_was_sent_leads_on(channel, client, settings, monkeypatch):
    """
    From the outbox to the reader and back.
    """
    message = welcome()
    delivered = []
    monkeypatch.setattr(type(channel), "deliver", lambda self, message, rendered: delivered.append(rendered))
    outbox.enqueue(message)
    Worker(once=True).run()

    assert pixel(delivered[0].body_html) is not None
    assert client.get(pixel(delivered[0].body_html)).content == PIXEL
    assert Engagement.objects.get().message == message.uuid
