"""
Internal: tests of keywords.
"""

from __future__ import annotations

import pytest

from edx_ace.campaigns import keywords
from edx_ace.campaigns.content import from_markdown, sanitised

KNOWN = ("first_name", "course_name", "course_url")


def codes(text: str, *, is_html: bool = False) -> list[tuple[str, int, int]]:
    return [(one.code, one.line, one.column) for one in keywords.check(text, "subject", KNOWN, is_html=is_html)]


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("Hello {{ first_name }}", {"first_name": "Ann"}, "Hello Ann"),
        ("Hello {{first_name|there}}", {"first_name": ""}, "Hello there"),
        # Missing altogether.
        ("Hello {{ first_name | my friend }}!", {}, "Hello my friend!"),
        ("Hello {{ first_name }}!", {}, "Hello !"),
        # Nothing is looked up on a value, and none is read again.
        ("{{ first_name }}", {"first_name": "{{ course_name }}", "course_name": "x"}, "{{ course_name }}"),
        # What is no HTML is not escaped.
        ("{{ first_name }}", {"first_name": "R&D <b>"}, "R&D <b>"),
        # Single braces are anybody's.
        ("{1, 2} {{ first_name }}", {"first_name": "Ann"}, "{1, 2} Ann"),
    ],
)
def test_keywords_are_replaced_once(text, values, expected):
    """
    By a value, or else by what stands after the bar.
    """
    assert keywords.check(text, "subject", KNOWN) == []
    assert keywords.substitute(text, values, escape=False) == expected


def test_an_unknown_keyword_is_refused_by_its_place():
    """
    With the one that may have been meant.
    """
    [problem] = keywords.check("Hello,\n  {{ frist_name }}", "body", KNOWN)

    assert (problem.code, problem.where, problem.line, problem.column) == ("unknown_keyword", "body", 2, 3)
    assert problem.is_error
    assert problem.reason == "There is no keyword “frist_name”. Did you mean “first_name”?"


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("a {% if x %}", "template_syntax", 3),
        ("a {# x #}", "template_syntax", 3),
        ('a {{ first_name|default:"x" }}', "template_syntax", 3),
        ("a {{ first_name|truncatechars:9 }}", "template_syntax", 3),
        ("a {{ first_name|upper|lower }}", "bad_keyword", 3),
        ("a {{ first_name.__class__ }}", "bad_keyword", 3),
        ("a {{ first_name() }}", "bad_keyword", 3),
        ("a {{ }}", "bad_keyword", 3),
        ("a {{ first_name", "stray_braces", 3),
        ("a first_name }}", "stray_braces", 14),
        ("a {{{ first_name }}}", "stray_braces", 3),
        ("a {{ {{ first_name }} }}", "stray_braces", 3),
    ],
)
def test_other_braces_are_refused_by_their_place(text, code, column):
    """
    Template syntax above all, which no template engine ever sees.
    """
    assert codes(text)[0] == (code, 1, column)


def test_a_person_whose_name_is_html_appears_as_text():
    """
    In text and in attributes.
    """
    body = sanitised('<p title="For {{ first_name }}">Dear {{ first_name }}</p>')

    assert keywords.check(body, "body", KNOWN, is_html=True) == []
    sent = keywords.substitute(body, {"first_name": '"><img src=x onerror=1>'}, escape=True)
    assert sent == (
        '<p title="For &quot;&gt;&lt;img src=x onerror=1&gt;">Dear &quot;&gt;&lt;img src=x onerror=1&gt;</p>'
    )


@pytest.mark.parametrize(
    ("href", "value", "expected"),
    [
        ("{{ course_url }}", "https://example.com/a?b=1&c=2", "https://example.com/a?b=1&amp;c=2"),
        ("{{ course_url|https://example.com/ }}", "javascript:alert(1)", "https://example.com/"),
        ("{{ course_url|https://example.com/ }}", " java\nscript:alert(1)", "https://example.com/"),
        ("{{ course_url|https://example.com/ }}", "data:text/html,x", "https://example.com/"),
        ("{{ course_url|https://example.com/ }}", 'https://x/" onclick="1', "https://example.com/"),
        ("{{ course_url }}", "//evil.example", ""),
        (
            "https://example.com/?n={{ course_url }}",
            "a&b=c d/\"'<é",
            "https://example.com/?n=a%26b%3Dc%20d%2F%22%27%3C%C3%A9",
        ),
        ("https://example.com/{{ course_url }}/x", "../a", "https://example.com/..%2Fa/x"),
        ("https://example.com/?a=1&b={{ course_url|none }}", "", "https://example.com/?a=1&amp;b=none"),
        ("mailto:a@example.com?subject={{ course_url }}", "x&bcc=b@c", "mailto:a@example.com?subject=x%26bcc%3Db%40c"),
    ],
)
def test_in_the_address_of_a_link_a_value_is_an_address_or_a_part_of_one(href, value, expected):
    """
    Whatever it holds, it leads nowhere else and ends no attribute.
    """
    body = sanitised(f'<a href="{href}">x</a>')

    assert keywords.check(body, "body", KNOWN, is_html=True) == []
    assert keywords.substitute(body, {"course_url": value}, escape=True) == f'<a href="{expected}">x</a>'


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://{{ first_name }}/">x</a>',
        '<a href="https://{{ first_name }}.example.com/">x</a>',
        '<a href="https://example.com{{ first_name }}">x</a>',
        '<a href="mailto:{{ first_name }}@example.com">x</a>',
        '<a href="{{ course_url }}{{ first_name }}">x</a>',
        '<a href="{{ course_url|javascript:alert(1) }}">x</a>',
        '<p lang="{{ first_name }}">x</p>',
        # From one attribute into the next, and out of the tag.
        '<a title="{{ first_name|x" href="https://example.com/?y }}">x</a>',
        '<a title="{{ first_name|x">y }}</a>',
        # Parted by tags, which those who read do not see.
        "{<b>{ first_name }}</b>",
        "{<b>{</b> first_name }<i>}</i>",
        "{<b>% if x %</b>}",
        "{{ first<b>_name</b> }}",
        # As entities.
        "&#123;&#x7b; first_name.x }}",
        "&lbrace;&lcub;% x",
        "{{ first_name|<b>x</b> }}",
        "{{ &lt;first_name }}",
    ],
)
def test_elsewhere_in_html_keywords_and_braces_are_refused(html):
    """
    Or what stands there is gone with the attribute.
    """
    body = sanitised(html)

    assert "{" not in body or keywords.check(body, "body", KNOWN, is_html=True) != []


def test_what_sanitising_joins_is_read_as_it_is_sent():
    """
    A keyword that was parted by an element which goes is one.
    """
    body = sanitised("{<font>{ first</font>_name&nbsp;}&#125;")

    assert keywords.used(body, is_html=True) == {"first_name"}
    assert keywords.substitute(body, {"first_name": "<b>"}, escape=True) == "&lt;b&gt;"


def test_markdown_leaves_keywords_alone():
    """
    In links, tables and words with underscores, where their characters would be marks.
    """
    text = "| a |\n|---|\n| *{{ first_name|R&D }}* [x](https://example.com/?n={{ first_name }}) [y]({{ course_url }}) |"

    body = from_markdown(text)

    assert keywords.check(body, "body", KNOWN, is_html=True) == []
    sent = keywords.substitute(body, {"course_url": "https://example.com/c"}, escape=True)
    assert '<em>R&amp;D</em> <a href="https://example.com/?n=">x</a> <a href="https://example.com/c">y</a>' in sent


def test_keywords_that_need_a_value_are_told():
    """
    Those that stand somewhere without a fallback.
    """
    text = "{{ first_name|there }} {{ course_name }} {{ course_name|it }}"

    assert keywords.used(text) == {"first_name", "course_name"}
    assert keywords.needed(text) == {"course_name"}


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://example.com/?{}">x</a>',
        '<p title="{}">x</p>',
        f"{'<br>' * 5000}<p>{{}}</p>",
    ],
)
def test_a_text_full_of_keywords_is_read_in_one_go(html):
    """
    Twice as many take twice as long, wherever they stand: by their square, these would take hours.
    """
    html = sanitised(html.format("{{ first_name }}" * 20_000))

    assert keywords.check(html, "subject", KNOWN, is_html=True) == []
    assert keywords.substitute(html, {"first_name": "Ann"}, escape=True).count("Ann") == 20_000
