"""
Internal: tests of the content step ``inline_css``, with both of its engines.
"""

import socket
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from edx_ace.content import inline_css as module
from edx_ace.content.inline_css import inline_css
from edx_ace.envelope import Parcel
from edx_ace.errors import InvalidMessageError

from .conftest import MakeParcel
from .documents import elements, style_blocks


@pytest.fixture(params=["css-inline", "premailer"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Runs a test once with css-inline and once on a site that has not installed it."""
    if request.param == "premailer":
        monkeypatch.setitem(sys.modules, "css_inline", None)
    else:
        pytest.importorskip("css_inline", reason='needs the extra: pip install "edx-ace[fast]"')
    module._engine.cache_clear()
    module._shapes.clear()
    yield request.param
    module._engine.cache_clear()
    module._shapes.clear()


def inlined(make: MakeParcel, **fields: str) -> str:
    return str(inline_css([make(**fields)])[0].rendered.body_html)


def page(css: str, body: str) -> str:
    return f"<!DOCTYPE html><html><head><title>t</title><style>{css}</style></head><body>{body}</body></html>"


def styles_of(html: str) -> dict[str, dict[str, str]]:
    return {element.tag: element.style for element in elements(html) if element.style}


def test_a_rule_goes_into_the_elements_it_selects(email: MakeParcel) -> None:
    """
    The stronger rule wins, a style attribute wins over all rules, and the style block is gone.
    """
    html = inlined(
        email,
        body_html=page(
            "p {color: red; margin: 0} p.a {color: green} td p {color: blue} b, i {top: 1px}",
            '<p class="a" style="margin: 4px">x <b>y</b> <i>z</i></p><u>w</u>',
        ),
    )

    assert styles_of(html) == {"p": {"color": "green", "margin": "4px"}, "b": {"top": "1px"}, "i": {"top": "1px"}}
    assert style_blocks(html) == []


CASCADE = [
    # The later of two equal rules.
    ("p {color: blue} p {color: red}", "red"),
    # More elements, however they are joined; then a class; then an id; then importance.
    ("table td>p {color: red} td p {color: blue}", "red"),
    ("td~td p {color: blue} td+td>p {color: red}", "red"),
    (".a {color: red} table tr td p {color: blue}", "red"),
    ("p.a.b {color: red} p.a {color: blue}", "red"),
    ("#i {color: red} table td .a.b {color: blue}", "red"),
    ("p {color: red !important} #i {color: blue}", "red !important"),
]


@pytest.mark.parametrize(("css", "color"), CASCADE)
def test_the_rule_that_wins_is_the_one_that_wins_in_a_browser(css: str, color: str, email: MakeParcel) -> None:
    """
    Both engines weigh selectors as CSS says.
    """
    html = inlined(email, body_html=page(css, '<table><tr><td>y</td><td><p id="i" class="a b">x</p></td></tr></table>'))

    assert styles_of(html) == {"p": {"color": color}}


def test_the_heads_rules_apply_to_a_fragment(email: MakeParcel) -> None:
    """
    head.html and body.html become one document, and the head is empty then, so that channels do not add it again.
    """
    rendered = inline_css([email(head_html="<style>p {color: red}</style><meta name=a>", body_html="<p>x</p>")])[
        0
    ].rendered

    assert rendered.head_html == ""
    assert rendered.body_html.startswith("<!DOCTYPE html>")
    assert '<meta name="a">' in rendered.body_html
    assert styles_of(rendered.body_html) == {"p": {"color": "red"}}


KEPT = [
    "@media (max-width:600px) {p {color: blue !important}}",
    "@media (prefers-color-scheme: dark) {@media print {p {color: blue}} p {top: 0 !important}}",
    "@supports (display: grid) {p {display: grid}}",
    "@font-face {font-family: X; src: url('a;}b.woff')}",
    '@import url("https://fonts.example/css?a;b");',
    "a:hover {color: red !important}",
    "p::before {content: '}'}",
    "td:first-child {color: red}",
    "[data-ogsc] p {color: red}",
    'a[href^="tel"] {color: red}',
    "* {box-sizing: border-box}",
    # An element's name in capitals, which not every engine finds.
    "P {color: red}",
    # Not CSS, and what browsers ignore no engine has to read.
    "p..a {color: red}",
    "p > {color: red}",
    "1p {color: red}",
]


@pytest.mark.parametrize("rule", KEPT)
def test_a_rule_that_no_attribute_can_express_stays_as_it_was_written(rule: str, email: MakeParcel) -> None:
    """
    It stays where it was, and the rules around it are inlined.
    """
    html = inlined(email, body_html=page(f"b {{top: 0}} /* }} */ {rule} p {{color: green}}", "<p>x <b>y</b></p>"))

    assert style_blocks(html) == [rule]
    assert styles_of(html) == {"p": {"color": "green"}, "b": {"top": "0"}}


def test_a_rule_of_several_selectors_is_divided(email: MakeParcel) -> None:
    """
    What can be inlined is; the rest stays.
    """
    html = inlined(email, body_html=page("p, a:hover, td {color: red}", "<p>x</p><table><tr><td>a<td>b"))

    assert style_blocks(html) == ["a:hover {color: red}"]
    assert [(e.text, e.style) for e in elements(html) if e.tag == "td"] == [
        ("a", {"color": "red"}),
        ("b", {"color": "red"}),
    ]


def test_blocks_for_print_and_for_outlook_stay(email: MakeParcel) -> None:
    """
    A block for other media, or inside a conditional comment, is not for every reader.
    """
    print_only = '<style media="print">p {color: black}</style>'
    outlook = "<!--[if mso]><style>p {color: gray}</style><![endif]-->"
    html = inlined(email, body_html=page("p {top: 0}", "<p>x</p>").replace("<title>", f"{print_only}{outlook}<title>"))

    assert print_only in html
    assert outlook in html
    assert styles_of(html) == {"p": {"top": "0"}}


@pytest.mark.parametrize(
    "html", ["<p>x</p>", "<style>@media print {p {top: 0}}</style><p>x</p>", "<!-- <style>p {top: 0}</style> -->"]
)
def test_without_rules_to_inline_nothing_changes(html: str, email: MakeParcel) -> None:
    """
    The parcel is the very same.
    """
    parcel = email(body_html=html)

    assert inline_css([parcel])[0] is parcel


def test_other_channels_content_is_left_alone(push: Parcel) -> None:
    """
    The step knows emails.
    """
    assert inline_css([push])[0] is push


def test_texts_and_link_targets_keep_their_bytes(email: MakeParcel) -> None:
    """
    Entities, scripts and odd characters come out as they went in.
    """
    text = "é &eacute; &nbsp;&lt;b&gt; a &amp b مرحبا 😀"
    target = "https://example.com/é?a=1&b=2&amp;c=%20#x"
    html = inlined(email, body_html=page("p {color: red}", f'<p>{text} <a href="{target}">{text}</a></p>'))

    assert html.count(text) == 2
    assert f'href="{target}"' in html


SAME_SHAPE = [
    # (one message, another of the same shape but for what is said below)
    ("<p>one</p>", "<p>two</p>"),
    ('<p>x <a href="https://a">y</a></p>', '<p>x <a href="https://b?c=1&amp;d">y</a></p>'),
    ('<p>x <img alt="" src="https://a/1.png"></p>', '<p>x <img alt="" src="https://a/2.png"></p>'),
    # Not the same shape: another class, attribute or element.
    ('<p class="a">x</p>', '<p class="b">x</p>'),
    ('<p id="a">x</p>', '<p id="b">x</p>'),
    ("<p>x</p><b>y</b>", "<p>x</p><p>y</p>"),
    # An empty element is another shape than one with a text.
    ("<p>x</p>", "<p> </p>"),
    # Texts that look like markup, and markup that looks like text.
    ("<p>x</p>", "<p>ace0slot</p>"),
    ("<p title='a>b' class='a'>x</p>", "<p title='a>c' class='b'>x</p>"),
    ('<p title="a>b" class="a">x</p>', '<p title="a>c" class="b">x</p>'),
    ("<p title=a>b class=a>x</p>", "<p title=a>c class=b>x</p>"),
    ("<p>1 < 2 <b>x</b></p>", "<p>1 <b>x</b> < 2</p>"),
    ('<p>say "hi" <b>it\'s</b></p>', '<p>say "ho" <b>it\'s me</b></p>'),
    ("<!-- <p>a</p> --><p>x</p>", "<!-- <p>b</p> --><p>x</p>"),
    ("<textarea>\n<p>a</textarea><p>x</p>", "<textarea>\n<p>b</textarea><p>x</p>"),
    ('<p data-href="a" class="a">x</p>', '<p data-href="b" class="b">x</p>'),
    # Texts that would not end where they seem to, or that are parts of attributes after all.
    ("<!-- <p>a --><p>x</p>", "<!-- <p>a--><p>x</p>"),
    ("<!-- <p>a --!><p>x</p>", "<!-- <p>a--!><p>x</p>"),
    ('<p class="a>a"">x</p>', '<p class="a>c b">x</p>'),
    ('<p class="a>a<b">x</p>', '<p class="a>c b <b">x</p>'),
    ("<p class='a href=\"a\"'>x</p>", "<p class='a href=\"c b c\"'>x</p>"),
    ('<p id= href="a">x</p>', '<p id= href="c class=b c">x</p>'),
    ('<p title= href="a">x</p>', '<p title= href="c class=b c">x</p>'),
    ('<p a" class="a>a<b">x</p>', '<p a" class="a>c b <b">x</p>'),
    # What looks like that which stands for a style block.
    ("<!--ace-style-0--><p>x</p>", "<!--ace-style-0--><p>y</p>"),
    ("<!--ace-style-1--><p>x</p>", "<!--ace-style-1--><p>y</p>"),
    ("<!ace-style-0><!ace-style-9><p>x</p>", "<!ace-style-0><!ace-style-9><p>y</p>"),
    # A text where a table allows none is moved.
    ("<table>one<tr><td>x</td></tr></table>", "<table>two<tr><td>y</td></tr></table>"),
]


@pytest.mark.parametrize(("one", "other"), SAME_SHAPE)
@pytest.mark.parametrize("reverse", [False, True])
def test_no_message_gets_what_is_another_messages(one: str, other: str, reverse: bool, email: MakeParcel) -> None:
    """
    Whatever was inlined before, a message comes out as it does alone.
    """
    css = "p {color: red} .a, #a {top: 1px} .b, #b {top: 2px} p b {left: 0} td {right: 0}"
    before, html = (other, one) if reverse else (one, other)
    module._shapes.clear()
    alone = inlined(email, body_html=page(css, html))
    module._shapes.clear()

    inlined(email, body_html=page(css, before))

    assert inlined(email, body_html=page(css, html)) == alone
    # Sorted, as programs differ in where they move a text to that stands in no cell of a table.
    assert sorted(e.text for e in elements(alone)) == sorted(e.text for e in elements(page(css, html)))


def test_messages_of_one_shape_are_inlined_once(email: MakeParcel, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A batch of one message type costs one reading of its document, apostrophes and quotes in its texts or not.
    """
    engine = module._engine()
    read: list[str] = []

    def reader(css: str, document: str) -> str:
        read.append(document)
        return engine(css, document)

    monkeypatch.setattr(module, "_engine", cache(lambda: reader))
    name_and_link = '<p>Here\'s {0},</p><p><a href="https://e.com/{0}">"your" course</a></p>'

    parcels = [
        email(body_html=page("p {color: red}", name_and_link.format(name)))
        for name in ("Amina", "李", "O'B", "O&#x27;B", "Amina")
    ]
    results = inline_css(parcels)

    assert len(read) == 1
    assert ["Here's 李," in parcel.rendered.body_html for parcel in results] == [False, True, False, False, False]


def test_nothing_is_opened(email: MakeParcel, tmp_path: Path) -> None:
    """
    Style sheets elsewhere stay references: neither a URL nor a file is opened.
    """
    file = tmp_path / "x.css"
    file.write_text("p {left: 13px}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.css"
        references = "".join(
            f'<link rel="stylesheet" href="{address}">'
            f'<style>@import "{address}"; @import url({address}); p {{color: red}}</style>'
            for address in (url, url.removeprefix("http:"), file.as_uri(), str(file))
        )
        html = inlined(email, body_html=page("b {top: 0}", "<p>x</p>").replace("<title>", f"{references}<title>"))

        with pytest.raises(TimeoutError):
            server.accept()

    assert styles_of(html) == {"p": {"color": "red"}}
    assert html.count('<link rel="stylesheet"') == 4
    assert f'@import "{url}";' in html


@pytest.mark.parametrize(
    "broken", ["color: ;", ": red", "width: calc(1px + ;", "foo", ";;", "mso-x: exactly; *zoom: 1", "a: url(x;y)"]
)
def test_a_broken_declaration_does_not_fail(broken: str, email: MakeParcel) -> None:
    """
    The other rules are inlined.
    """
    html = inlined(email, body_html=page(f"b {{top: 0}} p {{{broken}}}", f'<p style="{broken}">x <b>y</b></p>'))

    assert styles_of(html)["b"] == {"top": "0"}


def test_broken_css_and_html_do_not_fail(email: MakeParcel) -> None:
    """
    A message is not lost for a missing brace.
    """
    html = inlined(
        email, body_html="<html><style>p {color: red} {} u; i {top: 1px} b {top: 0</style><p>x<b>y<table><p>z"
    )

    assert [element.style for element in elements(html) if element.style][:2] == [{"color": "red"}, {"top": "0"}]


@pytest.mark.parametrize("unit", ["<div>", "<b>x", "<span><div></span></div>", "<table><tr><td>"])
def test_elements_nested_too_deeply_are_refused(email: MakeParcel, unit: str) -> None:
    """
    The engine would overflow the stack and end the process with all its messages.
    """
    with pytest.raises(InvalidMessageError, match="nested 2000 elements deep, but it is deeper"):
        inlined(email, body_html=page("p {color: red}", unit * 30_000))


def test_elements_that_are_closed_or_whose_end_is_implied_are_not_nested(email: MakeParcel) -> None:
    """
    A long mail is no deep one, however its author closes lists and lines.
    """
    html = inlined(email, body_html=page("p {color: red}", "<ul>" + "<li><p>x<br><i>y</i>" * 500 + "</ul>"))

    assert html.count("color") == 500


@pytest.mark.parametrize(
    "html",
    [
        "<style>p{color:red}</style>" + "<!--" * 100_000,
        "<style>p{color:red}</style>" + "<style>" * 60_000,
        "<style>p{color:red}</style>" + "<style " * 60_000,
        "<style>p{color:red}</style>" * 20_000,
        "<style>p" + '\\"' * 200_000 + "</style>",
    ],
    ids=["comments", "blocks", "tags", "many blocks", "strings"],
)
def test_what_is_left_open_costs_no_more_time_than_what_is_closed(html: str) -> None:
    """
    Time grows with the length of the mail and not with its square, which would be minutes.
    """
    begun = time.process_time()

    module._STYLE.sub("", html)
    module.split_css(html)

    assert time.process_time() - begun < 3
