"""
Internal: one click unsubscribes, looking does not, and anything else is refused.
"""

from __future__ import annotations

import gzip
import json
import logging
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen

import pytest
from django.db import connection
from django.test import Client
from django.utils import translation

from edx_ace import Recipient
from edx_ace.preferences import Taking, choose, links, taking
from edx_ace.preferences.models import Choice
from edx_ace.testing import frozen_clock

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
#: As many sites have it.
STRICT_MIDDLEWARE = [
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
]
FORM = "application/x-www-form-urlencoded"

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(settings):
    """A mail program: it has no cookie, and would be told if it needed one, or had to log in."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, *STRICT_MIDDLEWARE]
    return Client(enforce_csrf_checks=True)


@pytest.mark.parametrize(
    "post",
    [
        lambda client, path: client.post(path, ONE_CLICK),
        lambda client, path: client.post(path, "List-Unsubscribe=One-Click", content_type=FORM),
        lambda client, path: client.post(path, "List-Unsubscribe=One-Click", content_type=f"{FORM}; charset=UTF-8"),
    ],
    ids=["multipart", "urlencoded", "urlencoded with a charset"],
)
def test_one_click_unsubscribes(client, path, post):
    """
    With status 200 and no redirect, from any network.
    """
    response = post(client, path())

    assert response.status_code == 200
    assert "You are unsubscribed" in response.text
    assert not response.cookies
    assert taking("7", "news", "email") is Taking.OFF
    assert taking("7", "news", "push") is Taking.IMMEDIATE
    assert Choice.objects.get().source == "one_click"


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_looking_changes_nothing(client, path, method):
    """
    However often mail programs, proxies and scanners do it.
    """
    address = path()
    for _ in range(20):
        response = getattr(client, method)(address)

    assert response.status_code == 200
    assert not Choice.objects.exists()
    if method != "head":
        assert "Unsubscribe from “News”?" in response.text
        assert '<button class="ace-button">Unsubscribe</button>' in response.text


def test_a_thousand_looks_write_nothing(client, path, django_assert_num_queries):
    """
    Each asks what the person chose, and no more.
    """
    address = path()

    with django_assert_num_queries(1000):
        for _ in range(1000):
            client.get(address)

    assert not Choice.objects.exists()


LARGE = b"List-Unsubscribe=One-Click&x=" + b"x" * 1_000_000


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", FORM),
        (b"List-Unsubscribe=Two-Clicks", FORM),
        (b"list-unsubscribe=One-Click", FORM),
        (b"List-Unsubscribe=One-Click&List-Unsubscribe=One-Click", FORM),
        (b"List-Unsubscribe=One-Click&x=1", FORM),
        (b"taking=off", FORM),
        (b"taking=never", FORM),
        (b"taking=daily&taking=weekly", FORM),
        (LARGE, FORM),
        (b"&".join(b"a%d=1" % number for number in range(2000)), FORM),
        (b"\xff\xfe=\xff", FORM),
        (b"List-Unsubscribe=One-Click", f"{FORM}; charset=utf-16"),
        (b"List-Unsubscribe=One-Click", "text/plain"),
        (json.dumps(ONE_CLICK).encode(), "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"not a part", "multipart/form-data; boundary=b"),
        (b"--b\r\nnothing", "multipart/form-data"),
        (
            b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"; filename="f"\r\n\r\n'
            b"One-Click\r\n--b--\r\n",
            "multipart/form-data; boundary=b",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="f"\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n'
            b'--c\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--c--\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
    ],
)
def test_anything_else_is_refused_and_changes_nothing(client, path, body, content_type):
    """
    With one answer for all of it.
    """
    response = client.post(path(), body, content_type=content_type)

    assert response.status_code == 400
    assert "Nothing was changed" in response.text
    assert not Choice.objects.exists()


def test_a_compressed_body_is_refused_before_it_is_read(client, path):
    """
    What it would become nobody knows.
    """
    bomb = gzip.compress(b"List-Unsubscribe=One-Click")

    response = client.post(path(), bomb, content_type=FORM, headers={"content-encoding": "gzip"})

    assert response.status_code == 400
    assert not Choice.objects.exists()


@pytest.mark.parametrize("length", ["", "-1", "1e3", "१", "99999999999999999999"])
def test_a_body_of_unknown_length_is_refused(client, path, length):
    """
    It is not read to find out.
    """
    response = client.post(path(), "List-Unsubscribe=One-Click", content_type=FORM, CONTENT_LENGTH=length)

    assert response.status_code == 400
    assert not Choice.objects.exists()


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
def test_other_methods_are_refused(client, path, method):
    """
    With the same form, too.
    """
    response = client.generic(method.upper(), path(), "List-Unsubscribe=One-Click", content_type=FORM)

    assert response.status_code == 400
    assert not Choice.objects.exists()


def altered(token):
    return ("A" if token[0] != "A" else "B") + token[1:]


@pytest.mark.parametrize(
    "token_of",
    [
        lambda path: "x",
        lambda path: path().split("/")[-2][:-1],
        lambda path: altered(path().split("/")[-2]),
        lambda path: path(links.PREFERENCES).split("/")[-2],
        lambda path: path(links.VIEW).split("/")[-2],
        lambda path: "a" * 5000,
        lambda path: "é",
    ],
    ids=["none", "truncated", "altered", "of another purpose", "of a third", "long", "not ASCII"],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_every_bad_token_gets_the_same_answer(client, path, token_of, method):
    """
    Nobody learns what was wrong, or that anything was right.
    """
    expected = client.get("/messages/unsubscribe/none/")

    response = client.generic(
        method.upper(), f"/messages/unsubscribe/{token_of(path)}/", "List-Unsubscribe=One-Click", content_type=FORM
    )

    assert response.status_code == 400
    assert response.content == expected.content
    assert dict(response.headers) == dict(expected.headers)
    assert not Choice.objects.exists()


def test_a_token_survives_new_keys(client, path, settings):
    """
    Of tokens, and of people without an account.
    """
    settings.ACE_TOKEN_KEYS, settings.ACE_ADDRESS_KEYS = ["one"], ["one"]
    ann = Recipient(None, "ann@example.com")
    address = path(recipient=ann)
    settings.ACE_TOKEN_KEYS, settings.ACE_ADDRESS_KEYS = ["two", "one"], ["one", "two"]

    assert client.post(address, ONE_CLICK).status_code == 200
    assert taking(ann, "news", "email") is Taking.OFF


def in_the_language_of_the_page(scopes):
    """Return what people call courses."""
    return [f"{translation.get_language()} & {scope}" for scope in scopes]


def test_the_page_says_of_which_topic(client, path, settings):
    """
    As the site calls it in the language of the page.
    """
    settings.ACE_SCOPE_NAMES = f"{__name__}.in_the_language_of_the_page"
    with translation.override("de"):
        address = path(options={"scope": "course:1"})

    assert "„News“ zu „de &amp; course:1“ abbestellen?" in client.get(address).text
    assert "„News“ zu „de &amp; course:1“ kommt nicht mehr an." in client.post(address, ONE_CLICK).text


def test_a_scoped_message_turns_off_its_topic_alone(client, path):
    """
    Other courses go on.
    """
    response = client.post(path(options={"scope": "course:1"}), ONE_CLICK)

    assert "on the topic of that message" in response.text
    assert taking("7", "news", "email", scope="course:1") is Taking.OFF
    assert taking("7", "news", "email") is Taking.IMMEDIATE


@pytest.mark.parametrize("before", [Taking.WEEKLY, Taking.IMMEDIATE])
def test_undo_brings_back_what_was(client, path, before):
    """
    Whoever took it once a week gets it once a week.
    """
    choose("7", "news", "email", before)
    address = path()

    response = client.post(address, ONE_CLICK)
    assert f'name="taking" value="{before}"' in response.text
    response = client.post(address, {"taking": before.value})

    assert "You are subscribed again" in response.text
    assert taking("7", "news", "email") is before


def test_whoever_is_unsubscribed_already_is_told(client, path):
    """
    And can come back.
    """
    choose("7", "news", "email", Taking.OFF)

    response = client.get(path())

    assert "You are unsubscribed" in response.text
    assert "Subscribe again" in response.text


def test_a_digest_that_is_not_offered_cannot_be_chosen(client, path, settings):
    """
    A form is not believed.
    """
    settings.ACE_CATEGORIES = {"news": {"label": "News"}}

    assert client.post(path(), {"taking": "weekly"}).status_code == 400


@pytest.mark.parametrize("about", [{}, {"news": {"label": "News", "can_be_turned_off": False}}])
def test_the_link_of_an_old_message_says_when_there_is_nothing_to_turn_off(client, path, settings, about):
    """
    Its category may be gone, or essential, by now.
    """
    address = path()
    settings.ACE_CATEGORIES, settings.ACE_DEFAULT_CATEGORY = about, "general"

    for response in client.get(address), client.post(address, ONE_CLICK):
        assert response.status_code == 200
        assert "There is nothing to unsubscribe from" in response.text
    assert client.post(address, {"taking": "daily"}).status_code == 400
    assert not Choice.objects.exists()


def test_the_link_of_a_test_changes_nothing(client, path):
    """
    And looks as the recipients' will.
    """
    response = client.post(path(options={"is_test": True}), ONE_CLICK)

    assert response.status_code == 200
    assert "This link is from a test message" in response.text
    assert "You are unsubscribed" in response.text
    assert not Choice.objects.exists()


@pytest.mark.parametrize(
    ("language", "accepted", "found"),
    [("de", "ja", "de"), ("pt-br", "ja", "pt-br"), ("", "ar", "ar"), ("xx", "fr", "fr")],
)
def test_the_page_speaks_the_language_of_the_message(client, language, accepted, found):
    """
    Else one that the browser asks for.
    """
    mandate = links.Mandate(
        person="7", language=language, message="m", category="news", channel_type="email", scope="", is_test=False
    )

    response = client.get(mandate.path(links.UNSUBSCRIBE), headers={"accept-language": accepted})

    assert f'<html lang="{found}"' in response.text
    assert response["Content-Language"] == found


def test_the_page_is_nobody_else_s_business(client, path):
    """
    Neither a cache's, nor a search engine's, nor that of whatever it links to.
    """
    for response in client.get(path()), client.get("/messages/unsubscribe/x/"):
        assert response["Cache-Control"] == "no-store"
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["X-Robots-Tag"] == "noindex"


def test_links_lead_to_the_site_and_never_to_the_host_of_a_request(client, path):
    """
    The page links to itself by paths alone.
    """
    response = client.get(path(), headers={"host": "evil.example"})

    assert response.status_code == 200
    assert "evil.example" not in response.text


def test_no_log_has_a_token(client, path, caplog, monkeypatch):
    """
    Not when it is refused, and not when the site is broken.
    """
    caplog.set_level(logging.DEBUG)
    addresses = [path(), "/messages/unsubscribe/x-token/"]
    for address in addresses:
        client.get(address)
        client.post(address, {"x": "canary@example.com"})
    monkeypatch.setattr("edx_ace.web.views.taking", lambda *args, **kwargs: 1 / 0)
    assert client.post(addresses[0], ONE_CLICK).status_code == 500

    assert "A page for a recipient failed" in caplog.text
    for address in addresses:
        assert address.split("/")[-2] not in caplog.text
    assert "canary" not in caplog.text


def as_a_form(body):
    return FORM, body.encode()


def as_multipart(body):
    name, _, value = body.partition("=")
    part = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n--b--\r\n'
    return "multipart/form-data; boundary=b", part.encode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("encoded", [as_a_form, as_multipart])
def test_fifty_at_once_are_one(path, at_once, live_server, encoded, monkeypatch):
    """
    A mail program that tries again does not make an error of it: all are answered with 200, which says that it is
    committed, also where the site has a transaction for each request, and one row says it.
    """
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    content_type, body = encoded("List-Unsubscribe=One-Click")
    request = Request(live_server.url + path(), body, {"Content-Type": content_type})

    def post():
        try:
            with urlopen(request, timeout=60) as response:
                return response.status, response.url, Choice.objects.values_list("taking", flat=True).get()
        except ConnectionResetError:
            # So many at once do not fit into the queue of this small server.
            return post()

    assert set(at_once(post, 50)) == {(200, request.full_url, "off")}
    assert list(Choice.objects.values_list("person", "category", "channel_type", "scope", "taking")) == [
        ("7", "news", "email", "", "off")
    ]


@pytest.mark.parametrize("form", [{"taking": "immediate"}, ONE_CLICK])
def test_a_link_works_long_after_its_message_was_purged(client, path, form):
    """
    At least for the 60 days that the law asks for: it holds all that it needs, and no moment.
    """
    address = path()
    choose("7", "news", "email", Taking.WEEKLY)

    with frozen_clock(datetime.now(UTC) + timedelta(days=400)):
        response = client.post(address, form)

    assert response.status_code == 200
    assert taking("7", "news", "email") is (Taking.OFF if form == ONE_CLICK else Taking.IMMEDIATE)
