"""
Internal: tests that a document comes out the same whatever was inlined before it, with both engines of ``inline_css``.
"""

import random
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import pytest

from edx_ace.content import inline_css as module
from edx_ace.content.inline_css import inline
from edx_ace.content.shapes import Shapes

from .documents import Element, elements, style_blocks

#: What looks like a variable that is none, so that the engine has to read the document itself.
UNSHAPED = "<!--ace0slot: no variable-->"


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


CSS = (
    "p {color: red} .a {top: 1px} .b {top: 2px} #i {top: 3px} td>p {margin: 0} table p.a b {left: 0} a {right: 0}"
    "@media print {p {color: blue !important}} a:hover {color: green !important}"
)
MORE_CSS = ["td{color:red}", "b > i {x: y}", "/* </p> */ i{left:0}", "p{content: '\"'}", "@media print{p{top:0}}", ""]
STYLE_TAGS = ["<style>", "<STYLE type='text/css'>", '<style media="print">', "<style media=screen>"]

TEXTS = [
    # What messages say.
    *("Amina", "李", "a b", "  two  lines\n", "1", "2", "", " ", "\n ", 'Here\'s "it"', "😀", "x-", "&amp;", "a&b"),
    *("&lt;p&gt;", "&eacute;", "&nbsp;", "&quot;", "p {color: red}", "\xa0", "\u2028", "\\1", "{0}", "%s"),
    # What looks like markup to those who do not look closely.
    *(' href="x', ' href="x"', 'href="', 'class="b"', "ace0slot", "ace1slotx", " src=", "]]", "style", "-->", "a > b"),
    *("'", '"', "/", "--", "--!"),
]
TARGETS = [
    *("https://e.com/", "https://e.com/?a=1&b=2", "#", "", " ", " x", "mailto:a@e.com", "it's", "cid:1", "é"),
    *("x y class=b z", "ace0slot", "a&amp;b", "{{x}}", "a>b", "x--", "class='b'"),
]
#: Parts of a body, with places for a text, ``{}``, and for a link's target, ``{t}``.
PARTS = [
    # What messages are made of.
    *("<p>{}</p>", "<p class=a>{}</p>", '<p class="b a" id="i">{}</p>', "<b>{}</b>", "<br>{}", "{}", "<pre>\n{}</pre>"),
    *('<a href="{t}">{}</a>', '<a class="a" href="{t}" title="x">{}</a>', "<a href='{t}'>{}</a>"),
    *('<img alt="" src="{t}">', '<p style="top: 9px">{}</p>', "<ul><li>{}<li>{}</ul>", "<div title='{}'>{}</div>"),
    *("<table><tr><td>{}</td><td><p>{}</p></td></tr></table>", "<table><tr><td><table><tr><td>{}</table>{}</table>"),
    *("<!-- {} -->", '<!--[if mso]><a href="{t}">{}</a><![endif]-->', "<!--[if !mso]><!-->{}<!--<![endif]-->"),
    # What should not be there.
    *("{}</p>", "<p>{}", "< {}", "<table>{}<tr><td>{}</table>", '<td class="a>{}">{}</td>', "<!--{}--!>"),
    *("<p class='a href=\"{t}\"'>{}</p>", '<p href="{t}"class=b>{}</p>', '<p title="{}" class="b">{}</p>'),
    *("<textarea>{}</textarea>", "<script>{}</script>", "<!--ace-style-0-->", "<!--ace-style-{}-->"),
    *("<![if x]>{}", '<p class="a>{}<b">{}</p>', '<p a" class="a>{}<b">{}</p>', '<p x= href="{t}">{}</p>'),
]  # fmt: skip


def template(choose: random.Random) -> str:
    """Return the template of a document, with places as PARTS have them."""
    body = "".join(choose.choices(PARTS, k=choose.randint(1, 9)))
    blocks = [f"<style>{CSS}</style>"] + [
        f"{choose.choice(STYLE_TAGS)}{choose.choice(MORE_CSS)}</style>" for _ in range(choose.randint(0, 2))
    ]
    late = blocks.pop() if choose.random() < 0.2 else ""
    return f"<!DOCTYPE html><html><head><title>{{}}</title>{''.join(blocks)}</head><body>{body}{late}</body></html>"


def documents(choose: random.Random, templates: int = 10, each: int = 7) -> list[str]:
    """Return documents of some templates, mixed; those of one have by chance the same or something else in a place."""
    result = []
    for _ in range(templates):
        # Every other piece is what stands in a place.
        first = re.split(r"(\{\}|\{t\})", template(choose))
        kinds = [TARGETS if place == "{t}" else TEXTS for place in first[1::2]]
        first[1::2] = [choose.choice(kind) for kind in kinds]
        varying = choose.choice([0, 0.1, 0.5, 1])
        for _ in range(each):
            pieces = first.copy()
            for number, kind in enumerate(kinds):
                if choose.random() < varying:
                    pieces[2 * number + 1] = choose.choice(kind)
            result.append("".join(pieces))
    choose.shuffle(result)
    return result


def alone(document: str) -> str | None:
    """Return *document* inlined, as if it were the first."""
    module._shapes.clear()
    return inline(document)


@pytest.mark.parametrize("seed", range(12))
def test_a_document_comes_out_the_same_whatever_came_before(seed: int) -> None:
    """
    Byte for byte, among documents that differ in texts, links, elements, attributes, comments and style blocks.
    """
    mails = documents(random.Random(seed))
    expected = [alone(mail) for mail in mails]
    module._shapes.clear()

    for _ in range(3):
        assert [inline(mail) for mail in mails] == expected


@pytest.mark.parametrize("seed", range(12))
def test_a_document_comes_out_as_if_the_engine_had_read_it(seed: int) -> None:
    """
    Texts and links may be spelled as they were; every element has the styles, attributes and texts the engine gives it.
    """
    for mail in documents(random.Random(seed)):
        direct, shaped = inline(mail.replace("</body>", f"{UNSHAPED}</body>")), inline(mail)

        assert seen(shaped) == seen(direct and direct.replace(UNSHAPED, ""))


def seen(document: str | None) -> tuple[list[Element], list[str]] | None:
    """Return what a reader's program sees of *document*; premailer strips and escapes the addresses of links."""
    if document is None:
        return None
    found = elements(document)
    for element in found:
        for name in {"href", "src"} & set(element.attributes):
            element.attributes[name] = unquote(element.attributes[name]).strip()
    return found, style_blocks(document)


def test_documents_are_recognized_wherever_they_have_differed_before() -> None:
    """
    A document that differs from its like in known places only is not divided any more, whatever stands there.
    """
    page = '<html><style>p{{top:0}}</style><p>{}</p><p>same</p><a href="{}">{}</a></html>'.format
    for arguments in [("Amina", "/a", "x"), ("Bo", "/b", "x")]:
        inline(page(*arguments))

    assert module._shapes.recall(page("Here's >", "/", "x")) is None
    assert module._shapes.recall(page('Here\'s "C"', "https://e.com?c&d", "x")) == alone(
        page('Here\'s "C"', "https://e.com?c&d", "x")
    )
    for text, link, label in [("", "/", "x"), (" ", "/", "x"), ("C", "", "x"), ("C", "/", "y"), ("<b>C", "/", "x")]:
        assert module._shapes.recall(page(text, link, label)) is None
    assert module._shapes.recall(page("C", "/c", "x") + " ") is None


def test_memory_is_bounded() -> None:
    """
    What was not used for longest is forgotten; what is in use stays, and what is too large is never kept.
    """
    shapes = Shapes(max_bytes=100_000)

    def send(document: str) -> str:
        return shapes.transform(document, document, [], str, lambda text: text.replace("p>", "q>"))

    often = "<p>often</p>"
    assert send(often) == send(often) == shapes.recall(often) == "<q>often</q>"
    for number in range(500):
        other = f'<p>x</p><b class="{number}">y</b>'
        assert send(other) == f'<q>x</q><b class="{number}">y</b>'
        assert shapes.recall(often) == "<q>often</q>"
    large = '<p>x</p><b class="' + "x" * 30_000 + '">y</b>'
    send(large), send(large), send(other)

    assert shapes.recall(large) is None
    assert shapes.recall(other) is not None
    assert len(shapes._shapes) < 100


def test_threads_share_what_is_known() -> None:
    """
    Documents inlined at once by several threads come out as they do alone.
    """
    mails = documents(random.Random(0), templates=4) * 3
    expected = [alone(mail) for mail in mails]
    module._shapes.clear()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(inline, mails)) == expected
