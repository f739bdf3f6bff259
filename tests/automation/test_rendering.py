"""
What staff write, rendered: what values become, what templates cannot do, and how that is said.
"""

from __future__ import annotations

import contextlib
import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import OperationalError
from django.utils import translation
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from markupsafe import Markup
from pytest_django import Settings

from edx_ace import ChannelType, Recipient, ace
from edx_ace.automation import rendering
from edx_ace.automation.errors import RenderingError
from edx_ace.automation.models import Letter
from edx_ace.automation.rendering import Rendered, problems, render
from edx_ace.automation.templates import Content
from edx_ace.errors import MissingExtraError
from edx_ace.report import Outcome
from tests.automation_site.models import Host, Task, Workshop

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def content_of(body: str, subject: str = "x", language: str = "en") -> Content:
    return Content({language: {"subject": subject, "body": body}})


def html_of(body: str, **values: Any) -> str:
    return render(content_of(body), "en", values).html.strip()


def refusal(body: str, **values: Any) -> str:
    """Return why *body* is not rendered."""
    with pytest.raises(RenderingError) as raised:
        render(content_of(body), "en", values)
    return str(raised.value)


@pytest.fixture
def workshop(db) -> Workshop:
    return Workshop(pk=7, title="Soldering", starts_at=NOON, ends_at=NOON)


@pytest.fixture
def user(db) -> User:
    return User(username="ann", first_name="Ann", last_name="Lee", password="pbkdf2$secret")


# -- What is made of it


def test_subject_html_and_text_are_made_of_one_text():
    """
    The subject is text on one line, the body HTML in which values are escaped, and text in which they are not.
    """
    content = content_of("# Hello\n\nDear *{{ name }}*", subject="For {{ name }}\n")

    assert render(content, "en", {"name": "O'Brien & Co\n<b>"}) == Rendered(
        subject="For O'Brien & Co <b>",
        html="<h1>Hello</h1>\n<p>Dear <em>O'Brien &amp; Co<br>\n&lt;b&gt;</em></p>\n",
        text="Hello\n\nDear O'Brien & Co\n<b>",
        language="en",
    )


class Tags(HTMLParser):
    """Collects the tags of HTML, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, tuple(name for name, _ in attributes)))


HOSTILE = [
    "[click](https://evil.example/)",
    "![x](https://evil.example/x.png)",
    "<https://evil.example/>",
    "# Heading",
    "x\n\n# Heading\n\n- list\n\n> quote",
    "**bold** _em_ `code` ~~gone~~",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "&lt;b&gt; &#60;",
    "a | b |\n|---|---|\n| c",
    "\\",
    "](https://evil.example/) [",
    "{{ other }} {% raw %} {# x #}",
    "[a]: https://evil.example/",
    "    code",
    "\u2028\u202e",
    "",
]
PLACES = """
# {{ v }}

{{ v }}

- {{ v }}
- **{{ v }}** _{{ v }}_ `{{ v }}` [{{ v }}](https://example.com/) [x](https://example.com/ "{{ v }}")

> {{ v }}

| a | b |
|---|---|
| {{ v }} | x |

```{{ v }}
{{ v }}
```

    {{ v }}

[x](https://example.com/{{ v }}?a={{ v }}#{{ v }}) [m](mailto:{{ v }}) ![{{ v }}](https://img.example.com/{{ v }})
<i title="{{ v }}">{{ v }}</i> \\{{ v }} {{ "<b>" ~ v }} {{ [v, v]|join("*") }} {{ v + "*" }}
{% for one in [v, v] %}{{ one }}{% endfor %}{% set w = v %}{{ w }}{% if v == v %}{{ v|trim }}{% endif %}
"""


@pytest.mark.parametrize("value", [*HOSTILE[:-1], mark_safe("<b>x</b>"), Markup("<b>x</b>"), lazystr("<b>x</b>")])
def test_no_value_becomes_markup_wherever_it_stands(settings: Settings, value):
    """
    Neither a link, a heading or a tag, nor an attribute: there are those that are there with a harmless value.
    """
    settings.ACE_AUTOMATION_IMAGE_HOSTS = ["img.example.com"]

    def tags(html: str) -> list[Any]:
        return [one for one in Tags(html).tags if one[0] not in ("br", "p")]

    assert tags(html_of(PLACES, v=value)) == tags(html_of(PLACES, v="harmless"))


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_reads_as_it_is(value):
    """
    In the text there is what it is, whatever it looks like.
    """
    rendered = render(content_of("Dear {{ v }}!", "Dear {{ v }}!"), "en", {"v": value})

    assert "".join(rendered.text.split()) == f"Dear{''.join(value.split())}!"
    assert "".join(rendered.subject.split()) == f"Dear{''.join(value.split())}!"


@pytest.mark.parametrize(
    ("target", "value", "expected"),
    [
        ("{{ v }}", "https://example.com/?a=1&b=2", ' href="https://example.com/?a=1&amp;b=2"'),
        ("{{ v }}", "mailto:ann@example.com", ' href="mailto:ann@example.com"'),
        ("{{ v }}", "javascript:alert(1)", ""),
        ("{{ v }}", " JaVaScRiPt:alert(1)", ""),
        ("{{ v }}", "data:text/html,x", ""),
        ("{{ v }}", "//evil.example/", ""),
        ("{{ v }}", "/\\evil.example/", ""),
        ("{{ v }}", 'https://example.com/" onclick="x', ""),
        ("{{ v }}/x", "https://example.com", ' href="https://example.com/x"'),
        ("https://example.com/{{ v }}", "../a b?c", ' href="https://example.com/..%2Fa%20b%3Fc"'),
        ("https://example.com/?q={{ v }}", "a&b=c#d", ' href="https://example.com/?q=a%26b%3Dc%23d"'),
        ("mailto:{{ v }}", "ann@example.com?cc=eve", ' href="mailto:ann@example.com%3Fcc%3Deve"'),
        ("/workshops/{{ v }}", "7", ' href="https://site.example/workshops/7"'),
        ("{{ v }}", "/workshops/7", ' href="https://site.example/workshops/7"'),
    ],
)
def test_where_a_link_leads_may_be_a_value(settings: Settings, target, value, expected):
    """
    The whole of it, if that is an address; behind the host, as a part of it; what is on this site at its address.
    """
    settings.ACE_BASE_URL = "https://site.example/"

    assert html_of(f"[x]({target})", v=value) == f"<p><a{expected}>x</a></p>"


def test_a_value_that_reads_like_an_address_of_a_link_stays_as_it_is(settings: Settings):
    """
    Only those of links become complete.
    """
    settings.ACE_BASE_URL = "https://site.example/"

    assert html_of('[x](/a "y"){{ v }}', v='<a href="/b"') == (
        '<p><a href="https://site.example/a" title="y">x</a>&lt;a href="/b"</p>'
    )


def test_an_address_on_this_site_is_left_to_the_content_step_where_a_function_says_it(settings: Settings):
    """
    Which knows the message.
    """
    settings.ACE_BASE_URL = "site.base_url"

    assert html_of("[x]({{ v }})", v="/a") == '<p><a href="/a">x</a></p>'


@pytest.mark.parametrize(
    "target", ["https://{{ v }}/", "https://{{ v }}.example.com/", "x{{ v }}", "{{ v }}.com", "//{{ v }}"]
)
def test_a_value_is_no_part_of_a_host(target):
    """
    That is an error, as somebody wrote it, and not a link to wherever the value says.
    """
    assert "en.body: A value in the address of a link is the whole of it" in refusal(f"[x]({target})", v="evil.example")


def test_pictures_come_from_hosts_that_the_site_names(settings: Settings):
    """
    Whether or not their address is a value.
    """
    settings.ACE_AUTOMATION_IMAGE_HOSTS = ["img.example.com"]
    body = "![a]({{ good }}) ![b]({{ bad }})"

    html = html_of(body, good="https://img.example.com/a.png", bad="https://evil.example/a.png")

    assert html == '<p><img src="https://img.example.com/a.png" alt="a"> <img alt="b"></p>'


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        ("v", None, ""),
        ("v", True, "Ja"),
        ("v", 1234, "1234"),
        ("v", 0.5, "0,5"),
        ("v", Decimal("1234.50"), "1234,50"),
        ("v|number", 1234567, "1.234.567"),
        ("v|number(2)", 0.5, "0,50"),
        ("v", date(2026, 3, 1), "1. März 2026"),
        ("v", NOON, "1. März 2026 13:00"),
        ("v|date", NOON, "1. März 2026"),
        ("v|time", NOON, "13:00"),
        ("v|datetime('H:i e', 'Asia/Tokyo')", NOON, "21:00 JST"),
        ("v|date('l', zone='Pacific/Auckland')", NOON, "Montag"),
        ("v|date('SHORT_DATE_FORMAT')", NOON, "01.03.2026"),
        ("v.year", NOON, "2026"),
        ("(v - v).days", NOON, "0"),
        ("v|default('-')", None, "-"),
        ("nothing|default('-')", 1, "-"),
        ("v|round(1)", 2.25, "2,2"),
        ("v|join(', ')", ["a", 0.5], "a, 0,5"),
        ("v|map('upper')|join", ["a", "b"], "AB"),
        ("v|length", ["a", "b"], "2"),
        ("v[0] ~ v[1] ~ v[-1]", ["a", "b"], "abb"),
        ("v.a", {"a": 1}, "1"),
        ("v * 2 + 1 // 1 - 0", 3, "7"),
        ("v|title", "ann lee", "Ann Lee"),
        ("v|truncate(8)", "Ann Lee and others", "Ann..."),
        ("v|replace('a', 'b')", "aa", "bb"),
        ("'x' if v else 'y'", [], "y"),
        ("'x' if v", [], ""),
        ("'y' ~ ('x' if v)", [], "y"),
        ("('x' if v)|default('-')", [], "-"),
    ],
)
def test_values_read_as_people_read_them(expression, value, expected):
    """
    In the language of the variant and the time zone of the recipient; numbers as they are, as they may be in addresses.
    """
    content = content_of(f"{{{{ {expression} }}}}!", language="de")

    assert render(content, "de", {"v": value}, ZoneInfo("Europe/Berlin")).text == f"{expected}!"


def test_loops_and_conditions_leave_no_lines_behind(workshop, user):
    """
    So that lists and tables stay whole.
    """
    body = "{% for n in range(1, 4) %}\n  {% if n != 2 %}\n- {{ n }} of {{ loop.length }}\n  {% endif %}\n{% endfor %}"

    assert html_of(body) == "<ul>\n<li>1 of 3</li>\n<li>3 of 3</li>\n</ul>"


@pytest.mark.parametrize(
    ("language", "expected"),
    [("de", "de"), ("de-at", "de"), ("DE_AT", "de"), ("pt-br", "pt-br"), ("fr", "es"), (None, "es"), ("", "es")],
)
def test_a_variant_is_for_a_language(language, expected):
    """
    Else for its base language, else the one that is stated to be for all others.
    """
    variants = {one: {"subject": one.lower(), "body": one} for one in ("en", "de", "pt-BR", "es")}

    rendered = render(Content(variants, fallback="es"), language, {})

    assert (rendered.language, rendered.subject) == (expected, expected)


@pytest.mark.parametrize(("languages", "expected"), [(["fr", "en"], "en"), (["fr", "de"], "de")])
def test_without_a_stated_fallback_the_language_of_the_site_is_it(languages, expected):
    """
    Or else the first in their order.
    """
    assert Content({one: {"subject": "", "body": ""} for one in languages}).language_for("ja") == expected


# -- What templates can look at


def test_fields_and_what_reads_them_can_be_looked_at(workshop, user):
    """
    Of objects on the other side of a relation to one, too; methods that Django names, with or without brackets.
    """
    task = Task(workshop=workshop, host=Host(name="Ann"))

    assert html_of("{{ t.workshop.title }} {{ t.host }} {{ t.role }}", t=task) == "<p>Soldering Ann instructor</p>"
    assert html_of("{{ u.get_full_name() }} {{ u.get_full_name }} {{ u.pk }}", u=user) == "<p>Ann Lee Ann Lee </p>"


@pytest.mark.django_db
def test_relations_to_many_can_be_looked_at_once_they_are_named(settings: Settings):
    """
    As lists, of which there is an end.
    """
    workshop = Workshop.objects.create(title="Soldering", starts_at=NOON, ends_at=NOON)
    workshop.helpers.add(Host.objects.create(name="Ann"))
    body = "{% for one in w.helpers %}{{ one.name }}{% endfor %}{{ w.helpers|length }}"

    assert "ACE_AUTOMATION_READABLE" in refusal(body, w=workshop)
    settings.ACE_AUTOMATION_READABLE = {"automation_site.workshop": ["helpers"]}
    assert html_of(body, w=workshop) == "<p>Ann1</p>"
    assert "There is no “all”" in refusal("{{ w.helpers.all() }}", w=workshop)


@pytest.mark.django_db
def test_a_relation_to_too_many_is_an_error(settings: Settings, monkeypatch):
    """
    And not a list of some of them.
    """
    monkeypatch.setattr("edx_ace.automation.values.MAX_ITEMS", 1)
    settings.ACE_AUTOMATION_READABLE = {"automation_site.Workshop": ["helpers"]}
    workshop = Workshop.objects.create(title="Soldering", starts_at=NOON, ends_at=NOON)
    workshop.helpers.add(Host.objects.create(name="Ann"), Host.objects.create(name="Bob"))

    assert "more than 1" in refusal("{{ w.helpers|length }}", w=workshop)


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__",
        "''['__class__']",
        "''['__cla' ~ 'ss__']",
        "''.__class__.__mro__[1].__subclasses__()",
        "''|attr('__class__')",
        "[w]|map(attribute='_meta')|join",
        "[w]|map(attribute='__class__.__name__')|join",
        "[w]|map('attr', '_meta')|join",
        "[w]|map(attribute='_state.db')|list|last",
        "w._meta",
        "w['_meta']",
        "w._state.db",
        "w.objects",
        "w.objects.all().delete()",
        "w.delete()",
        "w.delete",
        "w.save()",
        "w.refresh_from_db()",
        "w.full_clean()",
        "w.tasks",
        "w.helpers",
        "w.helpers.clear()",
        "w.DoesNotExist",
        "w.serializable_value('title')",
        "w.asave",
        "u.password",
        "u['password']",
        "[u]|map(attribute='password')|join",
        "u.set_password('x')",
        "u.check_password('x')",
        "u.get_session_auth_hash()",
        "u.groups",
        "u.user_permissions.all()",
        "u.has_perm('x')",
        "self",
        "self.__init__",
        "self._TemplateReference__context",
        "loop",
        "range",
        "range.__class__",
        "cycler('a')",
        "joiner()",
        "namespace(a=1)",
        "dict(a=1)",
        "lipsum()",
        "lipsum.__globals__",
        "url_for.__globals__",
        "get_flashed_messages",
        "request",
        "config",
        "settings.SECRET_KEY",
        "'{0.__class__}'.format(w)",
        "'%s' % w",
        "'{0.__class__}'|format(w)",
        "'a'.join(['b'])",
        "'a'.upper()",
        "[1].append(2)",
        "[1].pop()",
        "{'a': 1}",
        "(1).bit_length()",
        "m.items()",
        "m.clear()",
        "m.f",
        "m.f()",
        "m|items|list|last|last",
        "[w, [w]]",
        "w|pprint",
        "w|tojson",
        "'<b>'|safe",
        "'<b>'|escape",
        "'x'|urlize",
        "w is callable",
        "(w)(1)",
        "range(*[1])",
        "['a']|join(*['b'])",
        "[1,2]",
        "m",
        "'x' * 3",
        "2 ** 2",
        "w + w",
        "w.title.__class__",
        "w.starts_at.strftime('%Y')",
        "w.starts_at.tzinfo",
        "none.x",
        "true.real",
        "1.5.real",
    ],
)
def test_templates_do_not_reach_out(workshop, user, expression):
    """
    Whatever can be called, changes something, is internal or a secret is an error, and nothing is called or changed.
    """
    called = []
    values: dict[str, Any] = {"w": workshop, "u": user, "m": {"a": 1, "f": lambda: called.append(1)}}

    with pytest.raises(RenderingError):
        render(content_of(f"{{{{ {expression} }}}}"), "en", values)
    with contextlib.suppress(RenderingError):
        render(content_of(f"{{% for x in {expression} %}}{{% if x.x %}}{{% endif %}}{{% endfor %}}"), "en", values)
    assert not called


class Own:
    """Something of the site that does not say how it reads."""


@pytest.mark.parametrize("value", [len, Own, Own(), Workshop, Workshop.objects.filter, [[Own()]]])
def test_values_of_other_kinds_are_not_given_to_templates(value):
    """
    Whether or not they use them.
    """
    assert "Templates cannot use a value of the kind" in refusal("x", v=value)


@pytest.mark.parametrize(
    "text",
    [
        "{% include 'admin/base.html' %}",
        "{% import 'x' as x %}",
        "{% from 'x' import y %}",
        "{% extends 'x' %}",
        "{% block a %}{% endblock %}",
        "{% macro a() %}x{% endmacro %}",
        "{% call a() %}x{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% set a %}**x**{% endset %}",
        "{% set a.b = 1 %}",
        "{% for a in b recursive %}{{ loop(a) }}{% endfor %}",
        "{% do a %}",
        "{% debug %}",
        "{% autoescape false %}{% endautoescape %}",
        "{% set _a = 1 %}",
        "{% load x %}",
    ],
)
def test_what_the_language_does_not_have_is_said(text):
    """
    With the line.
    """
    [found, *_more] = problems(content_of(f"x\n\n{text}"), None)

    assert (found.where, found.line) == ("en.body", 3)


def test_a_site_cannot_name_what_changes_an_object(settings: Settings, workshop):
    """
    By mistake, as it would be.
    """
    settings.ACE_AUTOMATION_READABLE = {"automation_site.Workshop": ["delete"]}

    assert "“delete” changes" in refusal("{{ w.delete() }}", w=workshop)


def test_a_site_can_name_what_looks_like_a_secret(settings: Settings, user):
    """
    Which its names alone say.
    """
    settings.ACE_AUTOMATION_READABLE = {"auth.User": ["password", "get_username"]}

    assert html_of("{{ u.password }} {{ u.get_username }}", u=user) == "<p>pbkdf2$secret ann</p>"


# -- What is not there


def test_what_is_wrong_is_told_in_the_language_of_the_reader(workshop):
    """
    And not in that of the recipient.
    """
    content = content_of("{{ w.is_public }} {{ w.titel }}", language="de")

    with translation.override("en"), pytest.raises(RenderingError) as raised:
        render(content, "de", {"w": workshop})
    with translation.override("de"):
        assert html_of("{{ w.is_public }}", w=workshop) == "<p>yes</p>"
    assert raised.value.problems[0].reason == "There is no “titel” of “workshop”. Did you mean “title”?"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{{ nmae }}", "en.body, line 2: There is no “nmae”."),
        ("{{ w.titel }}", "en.body, line 2: There is no “titel” of “workshop”. Did you mean “title”?"),
        ("{{ w.title.x }}", "en.body, line 2: There is no “x” of “str”."),
        ("{{ n.x }}", "en.body, line 2: There is no “x”, as what it would be of is empty."),
        ("{{ missing.x }}", "en.body, line 2: There is no “missing”."),
        ("{% if missing %}{% endif %}", "en.body, line 2: There is no “missing”."),
        ("{% for x in missing %}{% endfor %}", "en.body, line 2: There is no “missing”."),
        ("{{ missing|upper }}", "en.body, line 2: There is no “missing”."),
        ("{{ missing ~ 'x' }}", "en.body, line 2: There is no “missing”."),
        ("{{ missing + 1 }}", "en.body, line 2: There is no “missing”."),
        ("{{ [missing]|join }}", "en.body, line 2: There is no “missing”."),
        ("{{ missing == 1 }}", "en.body, line 2: There is no “missing”."),
        ("{{ missing|date }}", "en.body, line 2: There is no “missing”."),
        ("{{ 1 / 0 }}", "en.body, line 2: It cannot be computed: ZeroDivisionError: division by zero."),
        ("{{ 'x'|date }}", "en.body, line 2: “x” is no date or time."),
        ("{{ [1] }}", "en.body, line 2: A list cannot be put out"),
        ("{% for x in 3 %}{% endfor %}", "en.body, line 2: “3” is nothing to loop over."),
    ],
)
def test_what_is_not_there_is_an_error_with_its_name(workshop, body, reason):
    """
    And with the line that asks for it; nobody gets a text with a hole.
    """
    assert refusal(f"x\n{body}", w=workshop, n=None).startswith(reason)


def test_whether_something_is_there_can_be_asked(workshop):
    """
    Of names, and of what belongs to something.
    """
    body = "{% if a is defined %}a{% endif %}{% if w.titel is undefined %}b{% endif %}{{ w.x|default('c') }}"

    assert html_of(body, w=workshop) == "<p>bc</p>"


@pytest.mark.parametrize(("subject", "body", "where"), [("{{ v }}", "x", "en.subject"), ("x", "{{ v }}", "en.body")])
@pytest.mark.parametrize(("value", "code"), [("", "empty"), (" \n", "empty"), ("a\ud800", "bad_character")])
def test_what_cannot_be_sent_is_an_error(subject, body, where, value, code):
    """
    Nothing, or half of a character.
    """
    with pytest.raises(RenderingError) as raised:
        render(content_of(body, subject), "en", {"v": value})

    assert [(one.code, one.where) for one in raised.value.problems] == [(code, where)]


def test_an_error_of_a_site_s_code_is_told(workshop, monkeypatch):
    """
    With its kind; what it was is kept as its cause.
    """
    monkeypatch.setattr(Workshop, "broken", property(lambda self: {}["key"]), raising=False)
    from edx_ace.automation import values

    values._readable.cache_clear()

    assert refusal("{{ w.broken }}", w=workshop) == "en.body, line 1: It cannot be computed: KeyError: 'key'."
    values._readable.cache_clear()


def test_an_error_of_the_database_is_not_the_template_s(monkeypatch, workshop):
    """
    So that it is tried again.
    """

    def fail(self: Any) -> str:
        raise OperationalError("gone")

    monkeypatch.setattr(Workshop, "__str__", fail)

    with pytest.raises(OperationalError):
        html_of("{{ w }}", w=workshop)


# -- What runs away


@pytest.mark.parametrize(
    "body",
    [
        "{% for x in range(10**9) %}x{% endfor %}",
        "{% for x in range(1000000000) %}x{% endfor %}",
        "{{ 'x' * 10**9 }}",
        "{{ 'x' * 1000000000 }}",
        "{{ ['x'] * 1000000000 }}",
        "{{ 9 ** 999999999 }}",
        "{% for x in range(999) %}{% for y in range(999) %}{% endfor %}{% endfor %}",
        "{% for x in range(999) %}{% for y in range(999) if false %}{% endfor %}{% endfor %}",
        "{% for x in range(999) %}{{ 'x'|replace('x', long) }}{% endfor %}",
        "{% set a = long %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
        "{% set a = long %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
        "{% set a = long %}" + "{% set a = a|replace('x', a) %}" * 9 + "{{ a }}",
        "{% set a = long %}" + "{% set a = [a, a, a, a]|join %}" * 40 + "{{ a }}",
        "{% set a = 9 %}" + "{% set a = a * a %}" * 60 + "{{ a }}",
        "{% set a = [1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a == a }}",
        "{% set a = (1,) %}" + "{% set a = (a, a) %}" * 60 + "{{ a == a }}",
        "{% set a = [1] %}" + "{% set a = a + a %}" * 60 + "{{ a|length }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ 'x'|indent(1000000000) }}",
        "{{ 1|round(1000000000) }}",
        "{{ 1|round(1000000000, 'ceil') }}",
        "{{ 1|number(1000000000) }}",
        "{{ 1e308 * 10 }}",
        "{{ lipsum(100000) }}",
        "{{ [[1]]|sum(start=[]) }}",
        "{{ long|list|map('replace', 'x', long)|join|length }}",
        "{% for x in long %}{% for y in long %}{% endfor %}{% endfor %}",
        "{% for x in range(900) %}{{ long|upper|lower|title|wordcount }}{% endfor %}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "-" * 5000 + "1 }}",
        "{{ 1" + "+1" * 5000 + " }}",
        "{{ a" + ".b" * 5000 + " }}",
        "{{ " + "[" * 500 + "1" + "]" * 500 + " }}",
        "{% if 1 %}" * 500 + "{% endif %}" * 500,
        "{% for x in [1] %}" * 50 + "{% endfor %}" * 50,
        "{{ 1 " + "if 1 else 1 " * 5000 + "}}",
        "x" * 200_000,
        "{{ long }}{{ long }}" * 10 + "{% for x in range(99) %}{{ long }}{% endfor %}",
        "{% for x in range(999) %}" + "a\n" * 50 + "{% endfor %}",
        "{% for x in range(999) %}**x** " + "x" * 300 + "{% endfor %}",
        "{% for x in range(999) %}*x* _x_ *x* _x_ *x* _x_ *x* _x_ *x* _x_ *x* _x_ {% endfor %}",
    ],
)
def test_templates_do_not_run_away(body):
    """
    Whatever makes too much, or takes too long, is an error before it does, when it is read or when it is rendered.
    """
    before = time.thread_time()

    with pytest.raises(RenderingError):
        render(content_of(body), "en", {"long": "x" * 50_000})

    # No measurement, but what would show that nothing has stopped it.
    assert time.thread_time() - before < 30


@pytest.mark.parametrize(
    "mark", ["[", "*", "_", "`", "<", "![", "> ", "- ", "~~", "|", "&", "\\", "[a](", "**a _b ", "#", "    "]
)
def test_markdown_does_not_run_away(mark):
    """
    However often a mark stands one after another.
    """
    before = time.thread_time()

    with contextlib.suppress(RenderingError):
        html_of(mark * (90_000 // len(mark)) + "x")

    assert time.thread_time() - before < 30


def test_how_much_is_put_out_is_a_setting(settings: Settings):
    """
    In characters of each field.
    """
    settings.ACE_AUTOMATION_MAX_OUTPUT_LENGTH = 100

    assert html_of("x" * 90)
    assert "longer than 100 characters" in refusal("x" * 101)
    assert "longer than 100 characters" in refusal("{{ v }}", v="x" * 101)
    assert "longer than 100 characters" in refusal("{{ v }}", v="&" * 90)


# -- What is said to whoever writes


def test_problems_are_told_with_their_lines():
    """
    All that is wrong, by field and line, with what may be meant.
    """
    content = Content(
        {
            "de": {"subject": "{{ wrokshop }}", "body": "x\n{{ name|uper }}\n{{ x is evn }}{{ name.__class__ }}"},
            "en": {"subject": "", "body": "x\n\n{% if name %}"},
        },
        fallback="fr",
        cc=["ann@example.com", "nobody"],
    )

    assert [(one.code, one.where, one.line) for one in problems(content, ["name", "workshop"])] == [
        ("bad_address", "cc", 0),
        ("no_fallback", "fallback", 0),
        ("unknown_variable", "de.subject", 1),
        ("unknown_filter", "de.body", 2),
        ("unknown_filter", "de.body", 3),
        ("not_allowed", "de.body", 3),
        ("empty", "en.subject", 0),
        ("syntax", "en.body", 3),
    ]
    assert "Did you mean “workshop”?" in problems(content, ["name", "workshop"])[2].reason
    assert "Did you mean “upper”?" in problems(content, ["name", "workshop"])[3].reason


def test_names_that_a_text_sets_itself_are_known():
    """
    Where they are set, and no further.
    """
    body = (
        "{% set a = name %}{{ a }}{% for k, v in rows if k %}{{ k }}{{ loop.index }}"
        "{% set b = v %}{{ b }}{% endfor %}\n"
        "{{ k }}\n{{ loop.index }}\n{{ b }}\n{% with c = 1 %}{{ c }}{% endwith %}{{ c }}"
    )

    assert [(one.line, one.reason) for one in problems(content_of(body), ["name", "rows"])] == [
        (2, "There is no “k”."),
        (3, "There is no “loop”."),
        (4, "There is no “b”."),
        (5, "There is no “c”."),
    ]


def test_a_text_is_rendered_on_trial(workshop):
    """
    Each variant by itself; what only rendering shows is told.
    """
    content = Content(
        {
            "de": {"subject": "{{ w.title }}", "body": "x\n{{ w.titel }}"},
            "en": {"subject": "{{ w.title }}", "body": "{{ w.title }}"},
        }
    )

    [problem] = problems(content, ["w"], {"w": workshop})

    assert (problem.code, problem.where, problem.line) == ("undefined", "de.body", 2)
    assert problems(content, ["w"]) == []


def test_there_has_to_be_a_text():
    """
    In one language at least.
    """
    assert [one.code for one in problems(Content({}), [])] == ["no_variant"]


# -- The message


@pytest.mark.django_db
def test_what_was_rendered_is_what_arrives():
    """
    In the layout of all emails, with the addresses that staff gave.
    """
    content = Content(
        {"de": {"subject": "Für {{ name }}", "body": "Liebe *{{ name }}*"}},
        from_address="Team <team@example.com>",
        reply_to=["help@example.com"],
        cc=["lead@example.com"],
        bcc=["archive@example.com"],
    )
    rendered = render(content, "de", {"name": "Zoë & Co"})
    letter = Letter(batch=uuid4(), uuid=uuid4())

    message = rendering.message_for(
        letter,
        rendered,
        Recipient(7, "zoe@example.com"),
        content,
        others=["ann@example.com"],
        attachments=[("a.txt", b"x", "text/plain")],
    )
    report = ace.send(message)

    assert report.outcomes[ChannelType.EMAIL] == Outcome.SENT
    [sent] = mail.outbox
    assert (message.uuid, message.send_uuid, message.language) == (letter.uuid, letter.batch, "de")
    assert sent.subject == "Für Zoë & Co"
    assert sent.from_email == "Team <team@example.com>"
    assert sent.to == ["zoe@example.com"]
    assert (sent.cc, sent.bcc, sent.reply_to) == (
        ["ann@example.com", "lead@example.com"],
        ["archive@example.com"],
        ["help@example.com"],
    )
    assert sent.body.strip() == "Liebe Zoë & Co"
    html = str(sent.alternatives[0][0])
    assert "Liebe <em>Zoë &amp; Co</em>" in html
    assert 'lang="de"' in html
    assert [one[0] for one in sent.attachments] == ["a.txt"]


def test_the_message_type_renders_with_its_sample():
    """
    As previews and checks do it.
    """
    from edx_ace.automation.message_types import Scheduled

    message = Scheduled().personalize(Recipient(1, "ann@example.com"), "en", Scheduled.sample_context())

    assert ace.send(message).outcomes[ChannelType.EMAIL] == Outcome.SENT


@pytest.mark.parametrize("module", ["jinja2", "markdown_it", "nh3"])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, module):
    """
    With what to type.
    """
    monkeypatch.setitem(sys.modules, module, None)
    for one in ("sandbox", "filters", "values"):
        monkeypatch.delitem(sys.modules, f"edx_ace.automation.{one}", raising=False)
        monkeypatch.delattr(f"edx_ace.automation.{one}", raising=False)
    rendering._parts.cache_clear()

    with pytest.raises(MissingExtraError, match=r'pip install "edx-ace\[automation\]"'):
        html_of("x")


def test_what_is_between_two_moments_is_computed():
    """
    As a number of days.
    """
    assert html_of("{{ (b - a).days }}", a=NOON, b=NOON + timedelta(days=3)) == "<p>3</p>"
