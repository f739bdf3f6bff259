"""
Public: the content step ``inline_css``: the rules of an email's style blocks go into the elements' style attributes.

Many mail programs drop style blocks, none drops style attributes. css-inline does the work when it is installed (``pip
install "edx-ace[fast]"``), else premailer. Neither is asked to open a URL or a file: ``<link rel="stylesheet">`` and
``@import`` stay in the mail as they are.

Rules whose selectors name elements, classes and ids are inlined. Everything else (``@media``, ``@supports``,
``@font-face``, ``:hover``, attribute selectors, which in mails tell mail programs apart) stays in its style block as it
was written. As a style attribute wins over a style block, what stays needs ``!important`` to have an effect.

What takes time is reading the document, so documents of the same shape (see `edx_ace.content.shapes`) are inlined once:
they differ in their texts, link targets and pictures, none of which a rule that is inlined can depend on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from threading import Lock

import attrs

from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.content.shapes import Shapes
from edx_ace.envelope import Parcel
from edx_ace.errors import InvalidMessageError
from edx_ace.renderers import RenderedEmail

#: A comment, which may hide style blocks from all but Outlook, or a style block: its attributes, its CSS.
#: What was left open ends with the document, as in browsers.
_STYLE = re.compile(
    r"""
    <(?: !-- [^-]*+ (?: -(?!->) [^-]*+ )*+ (?: -->|\Z )
    | (?i:style)\b ([^<>]*)> ( [^<]*+ (?: <(?!/(?i:style)\s*+>) [^<]*+ )*+ ) (?: </(?i:style)\s*+>|\Z ))
    """,
    re.S | re.X,
)
#: A style block for other media than screens (print) stays as it is.
_OTHER_MEDIA = re.compile(r"""\bmedia\s*=\s*["']?(?!\s*["']?(?:all|screen)\b)""", re.I)
#: A style block stands aside, out of the engine's sight, as this comment; so does a comment that looks like it.
_ASIDE = "<!--ace-style-%d-->"
_IS_ASIDE = re.compile(r"<!--ace-style-\d+-->")

_CSS_COMMENT = re.compile(r"/\*.*?\*/|<!--|-->", re.S)
_CSS_TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[{};]""", re.S)
# Element names in capitals are left out: premailer does not find them.
_CLASS_OR_ID = r"[.#]-?[A-Za-z_][\w-]*"
_COMPOUND = rf"(?:[a-z][a-z0-9]*|{_CLASS_OR_ID})(?:{_CLASS_OR_ID})*"
#: A selector of elements, classes and ids, which nothing that happens later (hovering) can make true.
_INLINABLE = re.compile(rf"{_COMPOUND}(?:\s*[\s>+~]\s*{_COMPOUND})*")
#: How deep elements may be nested: well below what overflows the stack of css-inline (some 10,000).
MAX_DEPTH = 2000
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
#: Elements whose end tag is often left out.
_CLOSED_BY_OTHERS = frozenset(["p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option"])
#: What joins two parts of a selector; premailer weighs selectors rightly only with spaces around it.
_COMBINATOR = re.compile(r"\s*([>+~])\s*")

#: The longest style block that is kept in memory, in characters; some mail programs drop those over 8,192.
MAX_REMEMBERED_CSS = 65_536

Engine = Callable[[str, str], str]

_shapes = Shapes()


def inline_css(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Return *parcels*, each email that has CSS to inline as one whole document, and with an empty head_html."""
    return [_inlined(parcel) if isinstance(parcel.rendered, RenderedEmail) else parcel for parcel in parcels]


def _inlined(parcel: Parcel) -> Parcel:
    email = parcel.rendered
    document = inline(EmailChannelMixin.make_simple_html_template(email.head_html, email.body_html))
    if document is None:
        return parcel
    return attrs.evolve(parcel, rendered=attrs.evolve(email, body_html=document, head_html=""))


def inline(document: str) -> str | None:
    """Return the HTML *document* with its CSS inlined; None when it has none that can be."""
    if (recalled := _shapes.recall(document)) is not None:
        return recalled
    blocks: list[str] = []
    kept: list[str] = []
    rules: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        block = match[0]
        attributes, css = match.groups()
        if css is not None and not _OTHER_MEDIA.search(attributes):
            inlinable, rest = split_css(css)
            rules.append(inlinable)
            kept.append(f"<style{attributes}>{rest}</style>" if rest else "")
        elif css is not None or "<!--ace-style-" in block:
            kept.append(block)
        else:
            return block
        blocks.append(block)
        return _ASIDE % (len(blocks) - 1)

    shell = _STYLE.sub(set_aside, document)
    css = "\n".join(filter(None, rules))
    if not css:
        return None
    return _shapes.transform(
        document,
        shell,
        removed=blocks,
        restore=lambda part: _put_back(blocks, part),
        transformation=lambda shell: _put_back(kept, _run(css, shell)),
    )


def _put_back(blocks: Sequence[str], shell: str) -> str:
    """Return *shell* with *blocks* in the places of the comments that stand for them."""
    by_comment = {_ASIDE % number: block for number, block in enumerate(blocks)}
    return _IS_ASIDE.sub(lambda match: by_comment.get(match[0], match[0]), shell)


def _run(css: str, document: str) -> str:
    _check_depth(document)
    return _engine()(css, document)


def _check_depth(document: str) -> None:
    """
    Check that the engine can read *document*: css-inline ends the whole process when elements are nested too deeply.

    Raises:
        InvalidMessageError: If they may be. Each end tag counts that surely closes the element opened last.
    """
    opened: list[str] = []
    for match in _TAG.finditer(document):
        is_end, name = match[1], match[2].lower()
        if is_end:
            while opened and opened[-1] != name and opened[-1] in _CLOSED_BY_OTHERS:
                opened.pop()
            if opened and opened[-1] == name:
                opened.pop()
        elif name not in _VOID:
            opened.append(name)
            if len(opened) > MAX_DEPTH:
                raise InvalidMessageError(
                    f"The HTML may be nested {MAX_DEPTH} elements deep, but it is deeper. Close the elements of its "
                    "templates."
                )


def split_css(css: str) -> tuple[str, str]:
    """Return the rules of *css* that can be inlined and the rest, both in order and as they were written."""
    return _split_css(css) if len(css) <= MAX_REMEMBERED_CSS else _split_css.__wrapped__(css)


@lru_cache(maxsize=64)
def _split_css(css: str) -> tuple[str, str]:
    inlinable, rest = [], []
    for prelude, block in _rules(_CSS_COMMENT.sub("", css)):
        if prelude.startswith("@") or "{" in block[2:]:
            rest.append(prelude + block)
            continue
        selectors = [_COMBINATOR.sub(r" \1 ", selector).strip() for selector in prelude.split(",")]
        if fit := [selector for selector in selectors if _INLINABLE.fullmatch(selector)]:
            inlinable.append(", ".join(fit) + block)
        if unfit := [selector for selector in selectors if not _INLINABLE.fullmatch(selector)]:
            rest.append(", ".join(unfit) + block)
    return "\n".join(inlinable), "\n".join(rest)


def _rules(css: str) -> Iterator[tuple[str, str]]:
    """Yield each rule at the top level as what precedes its braces and the rest (of a statement, the semicolon)."""
    start = opened = depth = 0
    for token in _CSS_TOKEN.finditer(css):
        match token[0]:
            case "{":
                if not depth:
                    opened = token.start()
                depth += 1
            case "}" if depth:
                depth -= 1
                if not depth:
                    yield css[start:opened].strip(), f" {css[opened : token.end()]}"
                    start = token.end()
            case ";" if not depth:
                yield css[start : token.start()].strip(), ";"
                start = token.end()
    if depth:  # Browsers close what was left open.
        yield css[start:opened].strip(), f" {css[opened:]}{'}' * depth}"


@lru_cache(maxsize=1)
def _engine() -> Engine:
    """Return css-inline when it is installed, else premailer."""
    try:
        import css_inline  # noqa: F401
    except ImportError:
        return _premailer
    return _css_inline


def _css_inline(css: str, document: str) -> str:
    from css_inline import CSSInliner, InlineError

    inliner = CSSInliner(
        extra_css=css, inline_style_tags=False, keep_style_tags=True, keep_link_tags=True, load_remote_stylesheets=False
    )
    try:
        return inliner.inline(document)
    except InlineError:
        # It gives up on a style attribute that is no CSS, where browsers and premailer pass over it.
        return _premailer(css, document)


#: cssutils, which premailer reads CSS with, keeps state in its modules.
_PREMAILER = Lock()


def _premailer(css: str, document: str) -> str:
    from premailer import Premailer

    with _PREMAILER:
        inliner = Premailer(
            document,
            css_text=css,
            allow_network=False,
            strip_important=False,
            # Attributes made of styles (width, bgcolor) are the author's business, as with the other engine.
            disable_basic_attributes=["align", "valign", "bgcolor", "width", "height"],
            align_floating_images=False,
            disable_validation=True,
            cssutils_logging_level=logging.CRITICAL,
        )
        return str(inliner.transform(pretty_print=False))
