"""
Internal: tests of sanitising, and of the message that is made of what was written.
"""

from __future__ import annotations

import random
import sys
from html.parser import HTMLParser
from uuid import uuid4

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from edx_ace import ChannelType, ace, message_types, rich_text
from edx_ace.campaigns import content, keywords
from edx_ace.campaigns.audiences import Person
from edx_ace.campaigns.models import Attachment, Campaign, Variant
from edx_ace.categories import of
from edx_ace.errors import MissingExtraError
from edx_ace.recipient import Recipient
from edx_ace.report import Outcome

KNOWN = ("first_name", "course_name")
ANN = Person(Recipient(7, "ann@example.com"), values={"first_name": "<img src=x onerror=1>"})


@pytest.fixture(autouse=True)
def picture_hosts(settings: Settings) -> None:
    settings.ACE_CAMPAIGN_IMAGE_HOSTS = ["img.example.com", "*.cdn.example.com"]


def variant(**fields) -> Variant:
    one = Variant(**{"language": "en", "subject": "Hello", "source": "<p>Hello</p>", **fields})
    content.fill(one)
    return one


def codes(one: Variant) -> list[str]:
    return [problem.code for problem in content.problems(one, KNOWN)]


class Dangers(HTMLParser):
    """Finds what could execute in HTML, or what is not allowed in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, tuple(name for name, _ in attributes)))
        if tag not in rich_text.ELEMENTS:
            self.found.append(tag)
        for name, value in attributes:
            if name not in rich_text.ATTRIBUTES["*"] | rich_text.ATTRIBUTES.get(tag, frozenset()):
                self.found.append(f"{tag} {name}")
            if name == "href" and value and not value.lower().startswith(("https://", "http://", "mailto:", "{{")):
                self.found.append(value)
            if name == "src" and not value.startswith("https://"):
                self.found.append(value)


ATTACKS = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<img src="https://img.example.com/a.png" onload=alert(1)>',
    '<img """><script>alert(1)</script>">',
    '<p onclick="alert(1)" style="background:url(javascript:alert(1))">x</p>',
    '<p style="width: expression(alert(1))" class="ace-footer" id="x">x</p>',
    '<a href="javascript:alert(1)">x</a>',
    '<a href=" jAvAsCrIpT:alert(1)">x</a>',
    '<a href="java&#9;script:alert(1)">x</a>',
    '<a href="java&#10;script:alert(1)">x</a>',
    '<a href="&#1;javascript:alert(1)">x</a>',
    '<a href="\u00a0javascript:alert(1)">x</a>',
    '<a href="&#x6A;&#97;vascript&colon;alert(1)">x</a>',
    '<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>',
    '<a href="vbscript:x">x</a><a href="//evil.example/">y</a><a href="/relative">z</a>',
    '<a href="https:evil">x</a><a href="https:\\\\evil.example">x</a>',
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<svg><foreignObject><p onclick=alert(1)>x</p></foreignObject></svg>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    '<math href="javascript:alert(1)">x</math>',
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<!--[if mso]><script>alert(1)</script><![endif]-->",
    "<!--><script>alert(1)</script>-->",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe><object data=x></object><embed src=x>",
    "<form action=https://evil.example><input name=password><button formaction=x>y</button></form>",
    "<base href=https://evil.example/><meta http-equiv=refresh content=0><link rel=stylesheet href=x>",
    "<style>@import 'https://evil.example'; .ace-footer {display: none}</style>",
    "<template><script>alert(1)</script></template><textarea><script>alert(1)</script>",
    "<plaintext><script>alert(1)</script>",
    "<xmp><script>alert(1)</script></xmp><title><script>alert(1)</script></title>",
    "</p></div></td></table></body></html><script>alert(1)</script>",
    "\ud835\udcae\uff1cscript\uff1ealert(1)\uff1c/script\uff1e\\u003cscript\\u003e",
    "<<img src=x onerror=alert(1)//<",
    "<a href='https://example.com/' title='\" onmouseover=\"alert(1)'>x</a>",
    '<a href="https://example.com/\'><script>alert(1)</script>">x</a>',
    "<p\x00 onclick=alert(1)>x</p><sc\x00ript>alert(1)</sc\x00ript>",
]


@pytest.mark.parametrize("html", ATTACKS)
def test_nothing_that_could_execute_is_left(html):
    """
    In what is kept of HTML, and of Markdown; and what is sanitised again stays as it is.
    """
    html = html.encode("utf-16", "surrogatepass").decode("utf-16")

    kept, marked = content.sanitised(html), content.from_markdown(html)

    assert Dangers(kept).found == []
    assert Dangers(marked).found == []
    assert content.sanitised(kept) == kept
    assert content.sanitised(marked) == marked


PIECES = [
    *(
        '<a href="',
        '<a title="',
        '<img src="https://img.example.com/',
        '" alt="',
        '">',
        "<b>",
        "</b>",
        "</a>",
        "<p ",
        "<svg>",
    ),
    *("{{ a }}", "{{ a|x }}", "{{", "}}", "{", "}", "{%", "{{ u|https://example.com/ }}", "{{a|", "&#123;", "&#125;"),
    *(
        "&lt;",
        "&quot;",
        "https://example.com/?q=",
        "mailto:a@example.com?s=",
        "javascript:",
        '"',
        "'",
        "<",
        ">",
        "=",
        " ",
    ),
    *(
        "onerror=",
        "x",
        "<table>",
        "<pre>",
        "`",
        "[x](",
        "![y](",
        "| a |\n|---|\n",
        "\\",
        "<!--",
        "-->",
        "&nbsp;",
        "<style>",
    ),
]
VALUES = [
    "<img src=x onerror=1>",
    '"><script>1</script>',
    "javascript:1",
    'https://ok.example/"x',
    "{{ u }}",
    "' onx='",
]


@pytest.mark.parametrize("seed", range(150))
def test_no_value_adds_a_tag_or_an_attribute(seed):
    """
    Whatever is written, in HTML or in Markdown, as long as it is not refused.
    """
    chance = random.Random(seed)
    written = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 15)))

    for body in (content.sanitised(written), content.from_markdown(written)):
        if keywords.check(body, "body", ("a", "u"), is_html=True):
            continue
        sent = keywords.substitute(body, dict.fromkeys(("a", "u"), chance.choice(VALUES)), escape=True)
        assert Dangers(sent).found == []
        assert Dangers(sent).tags == Dangers(body).tags


@pytest.mark.parametrize(
    ("source", "is_allowed"),
    [
        ("https://img.example.com/a.png", True),
        ("https://IMG.example.com/a.png?x=1&y=2", True),
        ("https://a.b.cdn.example.com/a.png", True),
        ("https://cdn.example.com/a.png", False),
        ("https://evilcdn.example.com/a.png", False),
        ("http://img.example.com/a.png", False),
        ("//img.example.com/a.png", False),
        ("https://evil.example/a.png", False),
        ("https://img.example.com@evil.example/a.png", False),
        ("https://evil.example\\.cdn.example.com/a.png", False),
        ("https://img.example.com\\@evil.example/a.png", False),
        ("https://img.example.com:8443/a.png", False),
        ("https://img.example.com.evil.example/a.png", False),
        ("https://ïmg.example.com/a.png", False),
        ("data:image/png;base64,AAAA", False),
        ("https://img.example.com/{{ first_name }}.png", False),
        ("", False),
    ],
)
def test_pictures_come_from_hosts_that_are_allowed(source, is_allowed):
    """
    Another is refused by its place, and nothing of its address is kept.
    """
    one = variant(source=f'<p>\n<img src="{source}" alt="x"></p>')

    problems = content.problems(one, KNOWN)

    assert bool(problems) is not is_allowed
    if not is_allowed:
        assert one.body == '<p>\n<img alt="x"></p>'
        assert [(problem.code, problem.line, problem.column) for problem in problems] == [("bad_picture", 2, 1)]
        assert "img.example.com, *.cdn.example.com" in problems[0].reason


def test_a_link_that_may_lead_nowhere_is_told():
    """
    Its address is gone, its words stay; that is no error, but it has to be seen.
    """
    one = variant(source='<p>Go <a href="javascript:alert(1)">here</a> or <a href="https://example.com/">there</a></p>')

    [problem] = content.problems(one, KNOWN)

    assert (problem.code, problem.is_error, problem.column) == ("dead_link", False, 7)
    assert one.body == '<p>Go <a>here</a> or <a href="https://example.com/">there</a></p>'


def test_links_that_are_not_https_are_found():
    """
    For those who check a campaign before it is scheduled.
    """
    one = variant(source='<a href="http://example.com/?a=1&b=2">x</a><a href="https://example.com/">y</a>')

    assert content.insecure_links(one) == ["http://example.com/?a=1&b=2"]


def test_what_was_sanitised_is_what_is_kept_of_html():
    """
    And of Markdown what was written, beside what it becomes.
    """
    html = variant(source="<p onclick=x>Hello</p>")
    markdown = variant(source="*Hello* <b>you</b>", format="markdown")

    assert (html.source, html.body) == ("<p>Hello</p>", "<p>Hello</p>")
    assert (markdown.source, markdown.body) == (
        "*Hello* <b>you</b>",
        "<p><em>Hello</em> &lt;b&gt;you&lt;/b&gt;</p>\n",
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"subject": "{{ x }}"}, ["unknown_keyword"]),
        ({"preheader": "{% x %}"}, ["template_syntax", "template_syntax"]),
        ({"subject": "x" * 256}, ["too_long"]),
        ({"subject": "\0"}, ["bad_character"]),
        ({"source": "x" * 400_001}, ["too_long"]),
        ({"source": "<div>" * 10_001}, ["too_long"]),
        ({"source": "[" * 20_001, "format": "markdown"}, ["too_long"]),
        ({"source": "a\n" * 20_001, "format": "markdown"}, ["too_long"]),
        ({"source": "{" * 4000}, ["stray_braces"] * 100),
        ({"source": "{{ x }}", "format": "markdown"}, ["unknown_keyword"]),
        ({"channel_type": "push", "source": "<b> & {{ first_name }}", "url": "https://example.com/x"}, []),
        ({"channel_type": "push", "url": "javascript:alert(1)"}, ["bad_url"]),
        ({"channel_type": "push", "url": "https:///x"}, ["bad_url"]),
        ({"channel_type": "push", "source": "{{ x }}"}, ["unknown_keyword"]),
    ],
)
def test_what_is_wrong_with_a_variant(fields, expected):
    """
    All of it, field by field.
    """
    assert codes(variant(**fields)) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("fr", "fr"),
        ("FR", "fr"),
        ("pt-br", "pt-br"),
        ("pt_PT", "pt"),
        ("de-at", "de"),
        ("ar", "de"),
        (None, "de"),
        ("", "de"),
    ],
)
def test_who_gets_which_language(language, expected):
    """
    Exactly theirs, else its base language, else the campaign's own.
    """
    campaign = Campaign(language="de")
    variants = [Variant(campaign=campaign, language=one) for one in ("ar-x", "de", "fr", "pt", "pt-br")]

    assert content.variant_for(variants, language).language == expected


@pytest.mark.django_db
class TestMessage:
    """What is made of a campaign, a variant and a person."""

    @pytest.fixture
    def campaign(self) -> Campaign:
        return Campaign.objects.create(
            name="News",
            language="en",
            category="news",
            scope="course:7",
            due_at=timezone.now(),
            from_name="Prof. B",
            reply_to="b@example.com",
        )

    def test_arrives_as_it_was_kept(self, campaign: Campaign):
        """
        With the person's name as text, in the base template, with a text part and a hidden preheader.
        """
        one = variant(
            campaign=campaign,
            subject="{{ course_name }}: R&D for {{ first_name }}",
            preheader="Read on & see",
            source='<h2>Dear {{ first_name|you }}</h2><p>See <a href="https://example.com/?a=1&amp;b=2">this</a></p>',
        )
        uuid = uuid4()

        message = content.message_for(campaign, one, ANN, uuid, {"course_name": "Bio\nlogy", "site_name": "Campus"})
        report = ace.send(message)

        assert (message.uuid, message.send_uuid, message.language) == (uuid, campaign.uuid, "en")
        assert report.outcomes[ChannelType.EMAIL] is Outcome.SENT
        [email] = mail.outbox
        assert email.subject == "Bio logy: R&D for <img src=x onerror=1>"
        assert email.from_email == '"Prof. B" <sender@example.com>'
        assert email.reply_to == ["b@example.com"]
        html = email.alternatives[0].content
        assert one.body.replace("{{ first_name|you }}", "&lt;img src=x onerror=1&gt;") in html
        assert '<div class="ace-preheader">Read on &amp; see' in html
        assert "<bdi>Campus</bdi>" in html
        assert email.body == "Dear <img src=x onerror=1>\n\nSee this (https://example.com/?a=1&b=2)\n"

    def test_has_the_keywords_in_its_text_part_too(self, campaign: Campaign):
        """
        As text, on one line, and encoded in addresses of links.
        """
        source = (
            "<p>Dear {{ first_name|R&amp;D }},</p>"
            '<p><a href="https://example.com/?n={{ first_name|R%26D }}">you</a> <a href="{{ course_url }}">it</a></p>'
        )
        one = variant(campaign=campaign, source=source)
        bo = Person(
            Recipient(8, "bo@example.com"), values={"first_name": "Bo\n\n<b>", "course_url": "https://example.com/c"}
        )
        nobody = Person(Recipient(9, "no@example.com"), values={"course_url": "javascript:alert(1)"})

        texts = [content.message_for(campaign, one, who, uuid4(), {}).context["email"]["text"] for who in (bo, nobody)]

        assert texts == [
            "Dear Bo <b>,\n\nyou (https://example.com/?n=Bo%20%3Cb%3E) it (https://example.com/c)",
            "Dear R&D,\n\nyou (https://example.com/?n=R%26D) it ()",
        ]

    @pytest.mark.parametrize("lengths", [range(200, 260, 2), range(201, 260, 2)])
    def test_shows_nothing_of_how_keywords_are_found_in_its_text_part(self, campaign: Campaign, lengths):
        """
        A long link, or word, is cut into lines, and that at a keyword.
        """
        for length in lengths:
            address = f"https://example.com/{'a' * length}{{{{ first_name }}}}{'b' * 1000}"
            source = f'<p><a href="{address}">See</a> {"c" * length}{{{{ first_name }}}}{"d" * 1000}</p>'
            bo = Person(Recipient(8, "bo@example.com"), values={"first_name": "Bo"})

            message = content.message_for(campaign, variant(campaign=campaign, source=source), bo, uuid4(), {})

            lines = message.context["email"]["text"].split("\n")
            assert max(map(len, lines)) < 300
            link, word = f"https://example.com/{'a' * length}Bo{'b' * 1000}", f"{'c' * length}Bo{'d' * 1000}"
            assert "".join(lines) == f"See({link}){word}"

    def test_is_of_its_category_and_never_essential(self, campaign: Campaign):
        """
        People can turn it off.
        """
        message = content.message_for(campaign, variant(campaign=campaign), ANN, uuid4(), {})

        assert of(message) == "news"
        assert not message_types.is_essential(message)

    def test_from_right_to_left(self, campaign: Campaign):
        """
        In the language of its variant.
        """
        ace.send(content.message_for(campaign, variant(campaign=campaign, language="ar"), ANN, uuid4(), {}))

        assert '<html lang="ar" dir="rtl"' in mail.outbox[0].alternatives[0].content

    def test_a_test_says_so_and_is_of_no_send(self, campaign: Campaign):
        """
        In the language of the variant.
        """
        message = content.message_for(campaign, variant(campaign=campaign), ANN, uuid4(), {}, is_test=True)

        assert message.send_uuid != campaign.uuid
        assert message.options["is_test"] is True
        assert message.context["email"]["subject"] == "[Test] Hello"

    def test_has_the_short_form_for_other_channel_types(self, campaign: Campaign):
        """
        As plain text, with keywords replaced.
        """
        short = variant(
            campaign=campaign,
            channel_type="push",
            subject="For {{ first_name }}",
            source="R&D",
            url="https://example.com/",
        )

        message = content.message_for(campaign, variant(campaign=campaign), ANN, uuid4(), {}, others=[short])

        assert message.context["push"] == {
            "title": "For <img src=x onerror=1>",
            "text": "R&D",
            "url": "https://example.com/",
        }

    def test_carries_attachments(self, campaign: Campaign):
        """
        To each recipient.
        """
        Attachment.objects.create(
            campaign=campaign, name="a.pdf", content_type="application/pdf", content=b"%PDF", size=4
        )

        ace.send(content.message_for(campaign, variant(campaign=campaign), ANN, uuid4(), {}))

        assert mail.outbox[0].attachments[0].filename == "a.pdf"


@pytest.mark.parametrize(
    ("name", "content_", "expected"),
    [
        ("a.pdf", b"x", []),
        ("a.pdf", b"", ["bad_attachment"]),
        ("a.exe", b"x", ["bad_attachment"]),
        ("a.html", b"x", ["bad_attachment"]),
        ("a.svg", b"x", ["bad_attachment"]),
        ("a", b"x", ["bad_attachment"]),
        ("../a.pdf", b"x", ["bad_attachment"]),
        ("a\n.pdf", b"x", ["bad_attachment"]),
        ("a.pdf", b"x" * 101, ["attachments_too_large"]),
    ],
)
def test_what_may_be_attached(settings: Settings, name, content_, expected):
    """
    Files of certain types, up to a size.
    """
    settings.ACE_CAMPAIGN_MAX_ATTACHMENT_BYTES = 100

    assert [problem.code for problem in content.problems_of_attachments([(name, content_)])] == expected


@pytest.mark.parametrize(("module", "function"), [("nh3", content.sanitised), ("markdown_it", content.from_markdown)])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, module, function):
    """
    With what to type.
    """
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingExtraError, match=r'pip install "edx-ace\[campaigns\]"'):
        function("x")
