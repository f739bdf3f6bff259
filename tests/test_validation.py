"""
Internal: what is refused when a message is sent, with what was expected, given and to do.
"""

import pytest
from django.core import mail

from edx_ace import ChannelType, Message, ace
from edx_ace.errors import InvalidMessageError
from edx_ace.report import Outcome
from edx_ace.validation import MAX_DEPTH, MAX_SIZE, validate
from tests.pipeline import welcome


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def cyclic():
    value = []
    value.append(value)
    return value


BAD = [
    ({"app_label": "../../etc"}, r"app_label must name one folder .* given '\.\./\.\./etc'"),
    ({"app_label": ".."}, r"app_label must name one folder"),
    ({"app_label": ""}, r"app_label must name one folder"),
    ({"name": "a/b"}, r"name must name one folder"),
    ({"name": "a\\b"}, r"name must name one folder"),
    ({"name": "a\x00b"}, r"name must name one folder .* given 'a\\x00b'"),
    ({"name": "a\ud800"}, r"name must name one folder"),
    ({"language": "../de"}, r"language must be a language code such as 'pt-br', given '\.\./de'"),
    ({"language": "de\n"}, r"language must be a language code"),
    (
        {"options": {"reply_to": "a@b.c\r\nBcc: x@y"}},
        r"options\['reply_to'\] must be one line, .* '\\r' at character 5",
    ),
    ({"options": {"reply_to": ["a@b.c", "a@b.c\nX: y"]}}, r"must be one line"),
    ({"options": {"from_address": "a\u2028@b.c"}}, r"must be one line, .* '\\u2028'"),
    ({"options": {"from_address": "a\x85@b.c"}}, r"must be one line"),
    ({"options": {"any": {"deep": "a\x0bb"}}}, r"options\['any'\]\['deep'\] must be one line"),
    ({"options": {"note": "a\x00"}}, r"options\['note'\] must be text that can be encoded, but it holds '\\x00'"),
    ({"headers": {"X-A": "a\ud83d"}}, r"headers\['X-A'\] must be text that can be encoded"),
    ({"context": {"course": {"names": ["a", "b\x00"]}}}, r"context\['course'\]\['names'\]\[1\] must be text"),
    ({"context": {"bad\udc00key": 1}}, r"a key of context must be text"),
    ({"context": {"deep": nested(MAX_DEPTH)}}, r"may be nested 32 levels deep, but it is deeper"),
    ({"context": {"deep": cyclic()}}, r"may be nested 32 levels deep"),
    ({"context": {"big": "x" * (MAX_SIZE + 1)}}, r"context may hold 1000000 characters"),
    ({"context": {"big": [0] * (MAX_SIZE + 1)}}, r"context may hold 1000000 characters"),
]


@pytest.mark.parametrize(("fields", "text"), BAD)
def test_bad_content_is_refused_by_its_place(fields, text):
    """
    The error names the place and never repeats a control character as it is.
    """
    with pytest.raises(InvalidMessageError, match=text) as caught:
        validate(welcome(**fields))

    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("fields", "text"), BAD)
def test_bad_content_is_reported_and_nothing_goes_out(fields, text):
    """
    The message fails over every channel; the next one is not affected.
    """
    refused, accepted = ace.send_many([welcome(**fields), welcome()])

    assert set(refused.outcomes.values()) == {Outcome.FAILED}
    assert refused[ChannelType.EMAIL].code == "invalid_message"
    assert accepted
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"context": {"text": "two\nlines\tand a tab", "live": object(), "none": None, "inf": float("inf")}},
        {"context": {"deep": nested(MAX_DEPTH - 2)}},
        {"name": "with a space", "app_label": "dotted.label-1"},
        {"language": "pt-br"},
        {"language": "zh_Hans"},
        {"language": "sr@latin"},
        {"language": None},
        {"language": ""},
        {"options": {"attachments": [("notes.txt", "two\nlines", "text/plain")]}},
        {"recipient": None},
    ],
)
def test_what_todays_users_rely_on_is_accepted(fields):
    """
    Values that are no plain data are not looked into, and contexts may have lines.
    """
    validate(welcome(**fields))


def test_a_deep_context_costs_no_recursion():
    """
    Checking is iterative: the nesting of hostile data cannot exhaust the stack.
    """
    with pytest.raises(InvalidMessageError, match="nested 32 levels"):
        validate(Message("a", "n", None, context={"deep": nested(200_000)}))
