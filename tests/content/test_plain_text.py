"""
Internal: tests of the content step ``plain_text``.
"""

import pytest

from edx_ace.content.plain_text import plain_text
from edx_ace.envelope import Parcel

from .conftest import MakeParcel

READ = [
    # Links keep their address, unless it is what they show.
    ('<p>See <a href="https://e.com/x?a=1&amp;b=2">the\n page</a>.</p>', "See the page (https://e.com/x?a=1&b=2)."),
    ('<a href="https://e.com/">https://e.com/</a>', "https://e.com/"),
    ('<a href="https://e.com/">e.com</a>', "e.com"),
    ('<a href="mailto:a@e.com">a@e.com</a> or <a href="mailto:a@e.com">us</a>', "a@e.com or us (a@e.com)"),
    ('<a href="tel:+353123">Call</a>', "Call (+353123)"),
    ('<a href="#top">Top</a>, <a href="javascript:x()">no</a>', "Top, no"),
    ('<a href="https://e.com/"><img src="a.png"></a>', "https://e.com/"),
    ('<a href="https://e.com/"><img src="a.png" alt="Our shop"></a>', "Our shop (https://e.com/)"),
    ('<a href=" https://e.com/a\n b ">here</a>', "here (https://e.com/a%20b)"),
    ('<a href="https://e.com/1">one <a href="https://e.com/2">two</a>', "one (https://e.com/1) two (https://e.com/2)"),
    # Blocks.
    (
        "<h1>Title</h1><p>One<br>two<br><br>three</p><div>four</div><div>five</div>",
        "Title\n\nOne\ntwo\n\nthree\n\nfour\nfive",
    ),
    ("<ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul>after", "* one\n  * inner\n* two\n\nafter"),
    ('<ol start="9"><li>nine</li><li>ten<br>more</li></ol>', "9. nine\n10. ten\n  more"),
    (f'<ol start="{"9" * 5000}"><li>one</li></ol>', "1. one"),
    ("<blockquote>one<br>two</blockquote>three", "> one\n> two\n\nthree"),
    ("<pre>a  b\n  c\n\nd</pre>e", "a  b\n  c\n\nd\n\ne"),
    ("<pre>a\r\nb\u2028c</pre>", "a\nb\nc"),
    ("one<hr>two", "one\n\n--------------------\n\ntwo"),
    # Tables, row by row; those for layout read like text.
    ("<table><tr><th>What</th><th>When</th></tr><tr><td>Tea</td><td>4 pm</td></tr></table>", "What | When\nTea | 4 pm"),
    ('<table role="presentation"><tr><td>one</td><td>two</td></tr></table>', "one two"),
    ("<table><tr><td><p>one</p></td><td><p>two</p></td></tr></table>", "one\n\ntwo"),
    # What nobody sees is not read out.
    ("<style>p{}</style><script>x</script><title>t</title><!--[if mso]>m<![endif]-->seen", "seen"),
    ('<div style="color:red; DISPLAY : none">a<div>b</div></div><p hidden>c</p><img hidden alt="d">seen', "seen"),
    ('<div aria-hidden="true">decoration</div>seen', "seen"),
    ('<p style="display:none">hidden<p>seen', "seen"),
    # White space, entities, scripts.
    ("  a \n\t b<b> c</b>&nbsp;<i>d </i>e  ", "a b c d e"),
    ("&lt;O&#x27;Brien &amp; Co&gt; &eacute;", "<O'Brien & Co> é"),
    (
        '<p dir="rtl">مرحبا <a href="https://e.com/ع">هنا</a></p><p>你好，世界</p>',
        "مرحبا هنا \u2068(https://e.com/ع)\u2069\n\n你好，世界",
    ),
    # A link after words from right to left is isolated, brackets and all; others need not be.
    (
        'אל <a href="tel:+353123">טלפון</a><br>to <a href="https://e.com/">us</a>',
        "אל טלפון \u2068(+353123)\u2069\nto us (https://e.com/)",
    ),
    ('<a href="https://e.com/">Ahmad</a> أحمد', "Ahmad (https://e.com/) أحمد"),
    # Whole documents.
    (
        '<?xml version="1.0" encoding="latin-1"?><!DOCTYPE html><html><head><meta charset="latin-1"><title>t</title>'
        "</head><body>é<p>x</p></body></html>\n",
        "é\n\nx",
    ),
    # Malformed, as mail is.
    ("a<![CDATA[b]]>c<!-->d<?php e ?>f<![if !mso]>g<![endif]>", "acdfg"),
    ("a\0b &unknown; \ud800", "ab &unknown; ?"),
    ("</ul></a></table></blockquote></pre><li>one<a>two", "* onetwo"),
    ("", ""),
]


@pytest.mark.parametrize(("html", "text"), READ)
def test_html_reads_as_text(html: str, text: str, email: MakeParcel) -> None:
    """
    An empty text part is made of the HTML.
    """
    assert plain_text([email(body_html=html)])[0].rendered.body == text


def test_a_text_that_is_there_stays(email: MakeParcel) -> None:
    """
    What the author wrote is never touched.
    """
    parcel = email(body_html="<p>html</p>", body="written by hand")

    assert plain_text([parcel])[0] is parcel


def test_a_text_of_white_space_counts_as_empty(email: MakeParcel) -> None:
    """
    A body.txt of nothing but template tags renders to line breaks.
    """
    assert plain_text([email(body_html="<p>html</p>", body=" \n\n")])[0].rendered.body == "html"


def test_no_line_is_longer_than_a_mail_server_takes(email: MakeParcel) -> None:
    """
    A long paragraph is broken between words; a long link stays whole.
    """
    link = "https://e.com/" + "x" * 900
    text = plain_text([email(body_html=f"<p>{'слово ' * 500}</p><p>{'word ' * 500}<a href='{link}'>here</a></p>")])[
        0
    ].rendered.body

    assert max(len(line.encode()) for line in text.splitlines()) <= 998
    assert f"({link})" in text
    assert text.split().count("слово") == text.split().count("word") == 500


def test_a_word_that_no_line_can_hold_is_cut(email: MakeParcel) -> None:
    """
    Nothing is lost, whatever number of bytes its characters have.
    """
    word = "x" * 1000 + "ж" * 1000 + "語" * 1000 + "🎓" * 1000
    lines = plain_text([email(body_html=f"<p>one {word} two</p>")])[0].rendered.body.splitlines()

    assert "".join(lines) == f"one{word}two"
    assert max(len(line.encode()) for line in lines) <= 998


HOSTILE = [
    # Elements one inside the other, closed by nothing or by something else.
    "<div>" * 200_000,
    "<div>a" * 200_000,
    "<b>" * 150_000 + "</i>" * 150_000,
    "<div>" * 100_000 + "</span>" * 100_000,
    "<table><tr><td>" * 60_000,
    "<a href='https://e.com/'><b>" * 40_000,
    # Marks and indentation that every line would repeat.
    "<blockquote>" * 1000 + "a<br>" * 50_000,
    "<ul>" * 1000 + "<li>a" * 50_000,
    # What never ends.
    "<!--" * 250_000,
    "<![CDATA[" * 100_000,
    "<?" * 500_000,
    "<a " * 300_000,
    "<style>" * 150_000,
    "<plaintext>" * 90_000,
    "<p style='" + " ;" * 500_000,
    # Many of a kind.
    "\0" * 1_000_000,
    "&" * 1_000_000,
    "&#0;" * 250_000,
    "<" * 1_000_000,
    "</p>" * 250_000,
    "<a href='https://e.com/x'>x</a> " * 100_000,
    "<a href='https://e.com/x'>x " * 100_000,
    "<p style='display" + " " * 1_000_000 + "'>x",
    "<pre>" + "\n" * 500_000 + "x\t" * 200_000,
]


@pytest.mark.parametrize("html", HOSTILE, ids=lambda html: html[:12].replace("\0", "NUL"))
def test_hostile_html_is_read_like_any_other(html: str, email: MakeParcel) -> None:
    """
    Without an error, in time and space that grow with its length only (else these would take minutes).
    """
    text = plain_text([email(body_html=html)])[0].rendered.body

    assert len(text) <= 10 * len(html)
    assert max((len(line.encode()) for line in text.splitlines()), default=0) <= 998


def test_other_channels_content_is_left_alone(push: Parcel) -> None:
    """
    The step knows emails.
    """
    assert plain_text([push])[0] is push


@pytest.mark.parametrize("unit", ["<ul><li>x", "<blockquote>x", '<a href="https://e.com/">x'])
def test_what_is_nested_without_end_stays_readable(email: MakeParcel, unit: str) -> None:
    """
    Twenty levels are shown; each further one would make every line longer, until memory ends.
    """
    [parcel] = plain_text([email(body_html=unit * 20_000 + "</a>" * 20_000)])

    assert len(parcel.rendered.body) < 100 * 20_000


def test_a_list_that_begins_at_no_number_begins_at_one(email: MakeParcel) -> None:
    """
    A start of thousands of digits is none.
    """
    [parcel] = plain_text([email(body_html=f'<ol start="{"9" * 5000}"><li>x</li></ol>')])

    assert parcel.rendered.body == "1. x"
