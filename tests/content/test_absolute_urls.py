"""
Internal: tests of the content step ``absolute_urls``.
"""

import time
from typing import Any

import pytest

from edx_ace.content.absolute_urls import absolute_urls
from edx_ace.envelope import Parcel
from edx_ace.errors import ConfigurationError
from edx_ace.message import Message

from .conftest import MakeParcel


def base_url_of(message: Message) -> str:
    return f"https://{message.name}.example.com"


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.ACE_BASE_URL = "https://example.com"


REWRITTEN = [
    # Where an address can stand.
    ('<a href="/course">x</a>', '<a href="https://example.com/course">x</a>'),
    ('<img alt="" src="/static/a.png">', '<img alt="" src="https://example.com/static/a.png">'),
    ('<td background="/bg.png">', '<td background="https://example.com/bg.png">'),
    ('<form action="/answer">', '<form action="https://example.com/answer">'),
    ('<video poster="/p.jpg">', '<video poster="https://example.com/p.jpg">'),
    (
        '<img srcset="/a.png 1x,/b.png 2x, https://cdn.example/c.png 3x">',
        '<img srcset="https://example.com/a.png 1x,https://example.com/b.png 2x, https://cdn.example/c.png 3x">',
    ),
    ('<p style="background: url(/a.png)">', '<p style="background: url(https://example.com/a.png)">'),
    ("""<p style="background: URL( '/a.png' )">""", """<p style="background: URL( 'https://example.com/a.png' )">"""),
    (
        '<p style="background:url(&quot;/a.png&quot;)">',
        '<p style="background:url(&quot;https://example.com/a.png&quot;)">',
    ),
    ("<style>p {background: url('/a.png')}</style>", "<style>p {background: url('https://example.com/a.png')}</style>"),
    ('<style>@import url("/a.css");</style>', '<style>@import url("https://example.com/a.css");</style>'),
    # How it can be written.
    ("<a href='/x'>", "<a href='https://example.com/x'>"),
    ("<a href=/x>", "<a href=https://example.com/x>"),
    ('<A HREF = "/x">', '<A HREF = "https://example.com/x">'),
    ('<a title="a > b" href="/x?a=1&amp;b=2#top">', '<a title="a > b" href="https://example.com/x?a=1&amp;b=2#top">'),
    ('<a href=" /x ">', '<a href="https://example.com/x">'),
    ('<a href="next">', '<a href="https://example.com/next">'),
    ('<a href="?page=2">', '<a href="https://example.com/?page=2">'),
    ('<a href="/курс/">', '<a href="https://example.com/курс/">'),
    ('<a href="/a:b">', '<a href="https://example.com/a:b">'),
    # Without a scheme a mail program has none to borrow.
    ('<img src="//cdn.example/a.png">', '<img src="https://cdn.example/a.png">'),
    # Outlook reads what stands in its comments.
    (
        '<!--[if mso]><v:fill src="/a.png"/><![endif]-->',
        '<!--[if mso]><v:fill src="https://example.com/a.png"/><![endif]-->',
    ),
]


@pytest.mark.parametrize(("html", "expected"), REWRITTEN)
def test_a_relative_address_becomes_absolute(html: str, expected: str, email: MakeParcel) -> None:
    """
    Wherever HTML and CSS have an address, however it is written, and nothing else changes.
    """
    text = 'x &lt; y  href="/not-a-link" \r\n'

    assert absolute_urls([email(body_html=text + html)])[0].rendered.body_html == text + expected


UNCHANGED = [
    "https://other.example/x",
    "HTTPS://other.example/x",
    "http://other.example/x",
    "mailto:amina@example.com",
    "tel:+3531234567",
    "cid:logo",
    "data:image/png;base64,AAAA",
    "#top",
    "",
    "{{ unsubscribe_url }}",
]


@pytest.mark.parametrize("address", UNCHANGED)
def test_a_complete_address_stays(address: str, email: MakeParcel) -> None:
    """
    So does one that points inside the mail, and one that a provider will fill in; the parcel is the very same.
    """
    parcel = email(body_html=f'<a href="{address}">x</a><img src=\'{address}\'><p style="background:url({address})">')

    assert absolute_urls([parcel])[0] is parcel


@pytest.mark.parametrize(
    "html",
    [
        '<p>Write <code>&lt;a href="/x"&gt;</code> or href="/x".</p>',
        '<a data-href="/x" title="url(/x)">x</a>',
        "<p>url(/x)</p>",
    ],
)
def test_what_is_no_address_stays(html: str, email: MakeParcel) -> None:
    """
    Text and other attributes are not touched.
    """
    parcel = email(body_html=html)

    assert absolute_urls([parcel])[0] is parcel


def test_the_head_is_changed_and_the_text_is_not(email: MakeParcel) -> None:
    """
    A text part has no markup; what looks like a link there is the author's.
    """
    email_ = absolute_urls([email(head_html="<style>p{background:url(a.png)}</style>", body='<a href="/x">')])[
        0
    ].rendered

    assert email_.head_html == "<style>p{background:url(https://example.com/a.png)}</style>"
    assert email_.body == '<a href="/x">'


def test_other_channels_content_is_left_alone(push: Parcel) -> None:
    """
    The step knows emails.
    """
    assert absolute_urls([push])[0] is push


def test_the_base_url_may_depend_on_the_message(email: MakeParcel, settings: Any) -> None:
    """
    ACE_BASE_URL may name a function, for a host of many sites.
    """
    settings.ACE_BASE_URL = "tests.content.test_absolute_urls.base_url_of"

    assert (
        absolute_urls([email(body_html='<a href="/x">')])[0].rendered.body_html
        == '<a href="https://welcome.example.com/x">'
    )


@pytest.mark.parametrize("given", [None, "", "example.com/", "/lms", "javascript://x"])
def test_a_dead_link_is_refused(given: str | None, email: MakeParcel, settings: Any) -> None:
    """
    A mail whose links lead nowhere does not go out; the error quotes no more of the link than where it begins.
    """
    settings.ACE_BASE_URL = given

    with pytest.raises(
        ConfigurationError, match=r"has a relative link \('/unsubscribe'…\).* Set ACE_BASE_URL to"
    ) as caught:
        absolute_urls([email(body_html='<a href="/unsubscribe/secret-token">')])

    assert f"ACE_BASE_URL gives {given!r}" in str(caught.value)
    assert "secret-token" not in str(caught.value)


def test_without_a_base_url_absolute_links_are_fine(email: MakeParcel, settings: Any) -> None:
    """
    Only a message with a relative link needs the setting.
    """
    settings.ACE_BASE_URL = None
    parcel = email(body_html='<a href="https://example.com/x"><img src="//cdn.example/a.png">')

    assert 'src="https://cdn.example/a.png"' in absolute_urls([parcel])[0].rendered.body_html


@pytest.mark.parametrize(
    "html",
    [
        "<style>" * 60_000,
        "<p style='background: url(" + " " * 200_000 + "'>",
        "<style>p { background: url(" + " " * 200_000 + "</style>",
        "<img srcset='" + "," * 200_000 + "'>",
    ],
    ids=["blocks", "attribute", "block", "srcset"],
)
def test_what_is_left_open_costs_no_more_time_than_what_is_closed(email: MakeParcel, html: str) -> None:
    """
    Time grows with the length of the mail and not with its square, which would be minutes.
    """
    begun = time.process_time()

    absolute_urls([email(body_html=f'{html}<a href="/course"> url(')])

    assert time.process_time() - begun < 3
