"""
Internal: tests of ``edx_ace/email/base.html``, the document that email messages extend.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.template import engines
from django.test import override_settings
from django.utils import translation

from edx_ace.content import inline_css as module
from edx_ace.content.absolute_urls import absolute_urls
from edx_ace.content.inline_css import inline_css
from edx_ace.content.plain_text import plain_text

from .conftest import MakeParcel
from .documents import elements, style_blocks

DJANGO = "django.template.backends.django.DjangoTemplates"
RUST = "django_rust_templates.RustTemplates"

#: Where Gmail cuts a message off, in bytes.
GMAIL_LIMIT = 102 * 1024

CONTEXT = {
    "site_name": "Northwind & Co",
    "site_url": "https://example.com/",
    "postal_address": "12 Harbour Street\nDublin",
    "title": "Welcome to <Statistics>",
    "preheader": "Your course begins on Monday",
    "name": "O'Brien",
    "calendar_url": "https://example.com/calendar?a=1&b=2",
    "course_url": "https://example.com/course",
    "dates": [("Course begins", "Monday"), ("First assignment", "Sunday")],
    "tasks": ["Say hello", "Look around"],
    "quote": "“Quoted.”",
    "note": "A note",
    "picture_url": "https://example.com/a.png",
    "picture_alt": "A harbour",
}


def rendered(language: str = "en", template: str = "tests/email/everything.html", **context: Any) -> str:
    engine = next(iter(engines.all()))
    with translation.override(language):
        return engine.get_template(template).render({**CONTEXT, **context})


@pytest.fixture(params=["css-inline", "premailer"])
def either_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs a test once with css-inline and once on a site that has not installed it."""
    use_engine(request.param, monkeypatch)
    yield
    module._engine.cache_clear()


def use_engine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "premailer":
        monkeypatch.setitem(sys.modules, "css_inline", None)
    else:
        pytest.importorskip("css_inline", reason='needs the extra: pip install "edx-ace[fast]"')
    module._engine.cache_clear()


def inlined(html: str, email: MakeParcel) -> str:
    return str(inline_css([email(body_html=html)])[0].rendered.body_html)


@pytest.mark.parametrize(
    ("language", "direction", "role"),
    [
        ("en", "ltr", "email"),
        ("es", "ltr", "correo electrónico"),
        ("ar", "rtl", "رسالة بريد إلكتروني"),
        # A language that we have no catalogue for.
        ("he", "rtl", "email"),
    ],
)
def test_language_and_direction_are_the_messages(language: str, direction: str, role: str) -> None:
    """
    On the document, and again inside the body, with what it is called: many mail programs drop the html element.
    """
    attributes = f'lang="{language}" dir="{direction}"'

    html = rendered(language)

    assert f"<html {attributes}" in html
    assert f'<div role="article" aria-roledescription="{role}" {attributes}>' in html


@pytest.mark.parametrize(("language", "side"), [("en", "left"), ("ar", "right")])
def test_what_has_a_side_is_on_the_side_where_reading_begins(language: str, side: str, email: MakeParcel) -> None:
    """
    Marks of lists, the line beside a quotation, cells of a table.
    """
    parts = {element.tag: element.style for element in elements(inlined(rendered(language), email))}
    _top, right, _bottom, left = parts["ul"]["padding"].split()

    assert (left if side == "left" else right) == "24px"
    assert parts["th"]["text-align"] == side
    assert parts["blockquote"]["border-width"] == ("0 0 0 4px" if side == "left" else "0 4px 0 0")


def test_a_long_word_does_not_widen_the_message(email: MakeParcel) -> None:
    """
    A telephone shows a message that is wider than its screen smaller, or cut off.
    """
    card = next(
        element for element in elements(inlined(rendered(), email)) if "ace-card" in element.attributes.get("class", "")
    )

    assert card.style["overflow-wrap"] == "anywhere"
    # For programs that do not know the former.
    assert card.style["word-break"] == "break-word"


def test_what_the_site_gives_keeps_its_own_direction() -> None:
    """
    In a message from right to left "12 Harbour Street" would else read "Harbour Street 12", and "Yahoo!" "!Yahoo".
    """
    parts = elements(rendered("ar"))

    (name,) = [element for element in parts if element.tag == "bdi"]
    (address,) = [element for element in parts if element.text == "12 Harbour Street Dublin"]
    assert name.text == "Northwind & Co"
    assert address.attributes == {"dir": "auto"}


def test_tables_for_layout_say_so_and_others_do_not() -> None:
    """
    A screen reader reads out rows and columns only where there are any.
    """
    tables = [element.attributes for element in elements(rendered()) if element.tag == "table"]

    assert [table.get("class") for table in tables if table.get("role") != "presentation"] == ["ace-table"]


def test_every_image_has_an_alternative_text() -> None:
    """
    The logo's is the site's name.
    """
    images = [element.attributes for element in elements(rendered(logo_url="/logo.png")) if element.tag == "img"]

    assert [image["alt"] for image in images] == ["Northwind & Co", "A harbour"]


def test_the_preheader_is_hidden_and_comes_first(email: MakeParcel) -> None:
    """
    Mail programs show the first text beside the subject; the message itself does not show it, nor does the text part.
    """
    parcel = inline_css([email(body_html=rendered())])
    preheader = elements(parcel[0].rendered.body_html)[1]

    assert preheader.text.startswith("Your course begins on Monday")
    assert preheader.style["display"] == "none"
    assert "Your course begins on Monday" not in plain_text(parcel)[0].rendered.body


def test_a_filled_message_is_not_cut_off(either_engine: None, email: MakeParcel) -> None:
    """
    With a hundred rows it stays below what Gmail shows.
    """
    html = inlined(rendered(dates=[(f"Something with a title {n}", "Monday, 12 January") for n in range(100)]), email)

    assert len(html.encode()) < GMAIL_LIMIT


def test_its_text_part_reads_well(email: MakeParcel) -> None:
    """
    The layout leaves no trace in it.
    """
    text = plain_text(inline_css([email(body_html=rendered())]))[0].rendered.body

    assert (
        text
        == """\
Northwind & Co (https://example.com/)

Welcome to <Statistics>

Hello O'Brien,

All dates are in the calendar (https://example.com/calendar?a=1&b=2).

What | When
Course begins | Monday
First assignment | Sunday

Before you begin

* Say hello
* Look around

More

1. One

--------------------

> “Quoted.”

A note

A harbour

Go to your course (https://example.com/course)

Northwind & Co

12 Harbour Street
Dublin"""
    )


@pytest.mark.parametrize("language", ["en", "ar"])
def test_both_engines_of_inline_css_make_the_same_of_it(
    language: str, email: MakeParcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Element by element the same tags, attributes, styles and texts, and the same rules in style blocks.
    """
    made = []
    for engine in ("css-inline", "premailer"):
        use_engine(engine, monkeypatch)
        made.append(inlined(rendered(language), email))
    module._engine.cache_clear()
    fast, slow = made

    assert elements(fast) == elements(slow)
    assert style_blocks(fast) == style_blocks(slow)


def test_rules_for_small_and_dark_screens_survive(either_engine: None, email: MakeParcel) -> None:
    """
    With those for Outlook's own dark mode and for hovering; each is strong enough to win over style attributes.
    """
    (rules,) = style_blocks(inlined(rendered(), email))

    assert "@media (max-width: 619px) {" in rules
    assert "@media (prefers-color-scheme: dark) {" in rules
    assert "[data-ogsc] .ace-content a {" in rules
    assert ".ace-button-link:hover {" in rules
    declarations = re.findall(r"[\w-]+:[^;{}]+;", rules.split("}", 1)[1])
    assert declarations
    assert all("!important;" in declaration for declaration in declarations)


def luminance(color: str) -> float:
    channels = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


PAIRS = (
    [(".ace-header", ".ace-page"), (".ace-footer", ".ace-page"), (".ace-footer a", ".ace-page")]
    + [
        (f".ace-content {text}", ground)
        for text in ("td", "a", "h1", "h2", "h3", ".ace-table th")
        for ground in (".ace-card", ".ace-note")
    ]
    + [(".ace-content .ace-button-link", ".ace-button")]
)


@pytest.mark.parametrize(("text", "ground"), PAIRS)
@pytest.mark.parametrize("mode", ["light", "dark", "outlook-dark"])
def test_text_can_be_read_on_its_ground(text: str, ground: str, mode: str) -> None:
    """
    The ratio of contrast is at least 4.5 to 1 (WCAG 2.2, level AA), in light and in dark mode.
    """
    everything = re.search(r"<style>\n:root(.*)</style>", rendered(), re.S)[1]  # type: ignore[index]
    light, dark = everything.split("@media (prefers-color-scheme: dark) {")
    dark, outlook = dark.split("\n}\n", 1)
    rules = {"light": light, "dark": dark, "outlook-dark": re.sub(r"\[data-og..\] ", "", outlook)}[mode]

    def color_of(selector: str, declaration: str) -> str:
        for selectors, block in reversed(re.findall(r"([^{}]+)\{([^{}]*)\}", rules)):
            found = re.search(rf"(?<![\w-]){declaration}: (#[0-9a-f]{{6}})", block)
            if found and selector in [one.strip() for one in selectors.split(",")]:
                return found[1]
        raise AssertionError(f"{selector} has no {declaration} in {mode} mode")

    assert contrast(color_of(text, "color"), color_of(ground, "background-color")) >= 4.5


def test_a_site_changes_the_look_with_one_template(email: MakeParcel, tmp_path: Path) -> None:
    """
    A theme.html of its own comes after the rules of the base and wins over them.
    """
    theme = tmp_path / "edx_ace" / "email" / "theme.html"
    theme.parent.mkdir(parents=True)
    theme.write_text(".ace-button, .ace-bar { background-color: #0a6640; }")
    with override_settings(TEMPLATES=[{"BACKEND": DJANGO, "DIRS": [tmp_path], "APP_DIRS": True}]):
        html = inlined(rendered(), email)

    assert [e.style["background-color"] for e in elements(html) if e.attributes.get("class") == "ace-button"] == [
        "#0a6640"
    ]


def test_a_site_changes_the_layout_by_extending_the_base_under_its_own_name(tmp_path: Path) -> None:
    """
    Blocks of a site's own base.html apply to every message.
    """
    base = tmp_path / "edx_ace" / "email" / "base.html"
    base.parent.mkdir(parents=True)
    base.write_text('{% extends "edx_ace/email/base.html" %}{% block footer %}Ours{% endblock %}')
    with override_settings(TEMPLATES=[{"BACKEND": DJANGO, "DIRS": [tmp_path], "APP_DIRS": True}]):
        html = rendered()

    assert "Ours<!-- ace-unsubscribe --></td>" in html
    assert "Harbour Street" not in html


def test_links_that_the_channel_offers_are_in_the_footer() -> None:
    """
    A channel's action links (unsubscribing at the provider) need no template of the author's.
    """

    class Offering:
        @classmethod
        def get_action_links(cls, omit_unsubscribe_link: bool = False) -> list[tuple[str, str]]:
            return [] if omit_unsubscribe_link else [("https://e.com/out", "Unsubscribe")]

    assert '<p><a href="https://e.com/out">Unsubscribe</a></p>' in rendered(channel=Offering)
    assert "Unsubscribe" not in rendered(channel=Offering, omit_unsubscribe_link=True)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="django-rust-templates needs Python 3.12")
@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize(
    "context", [{}, {"site_name": "", "postal_address": "", "logo_url": "/l.png", "site_url": None}]
)
def test_the_fast_template_engine_renders_the_same_bytes(language: str, context: dict[str, Any]) -> None:
    """
    django-rust-templates and Django agree on the base and its parts.
    """
    pytest.importorskip("django_rust_templates", reason='needs the extra: pip install "edx-ace[fast]"')
    with override_settings(TEMPLATES=[{"BACKEND": DJANGO, "APP_DIRS": True}]):
        expected = rendered(language, **context)
    with override_settings(TEMPLATES=[{"BACKEND": RUST, "APP_DIRS": True}]):
        assert rendered(language, **context) == expected


def test_it_goes_through_all_steps(email: MakeParcel, settings: Any) -> None:
    """
    Relative links of the context become absolute in it too.
    """
    settings.ACE_BASE_URL = "https://example.org"

    html = inline_css(absolute_urls([email(body_html=rendered(course_url="/course", logo_url="/logo.png"))]))[
        0
    ].rendered.body_html

    assert 'href="https://example.org/course"' in html
    assert 'src="https://example.org/logo.png"' in html
