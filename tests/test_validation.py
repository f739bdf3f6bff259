"""
Internal: what is refused when a message is sent, with what was expected, given and to do.
"""

import pytest
from django.core import mail
from django.utils.functional import lazystr

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


def nested_sets():
    value = frozenset()
    for _ in range(100_000):
        value = frozenset([value])
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
    # As they are written into paths, not as they are typed.
    ({"app_label": lazystr("../x")}, r"app_label must name one folder .* given '\.\./x'"),
    ({"name": "x" * 256}, r"name must name one folder .* at most 255 bytes\), given 'x{99}\.\.\."),
    ({"name": "ü" * 128}, r"name must name one folder .* at most 255 bytes"),
    ({"language": lazystr("../de")}, r"language must be a language code such as 'pt-br', given '\.\./de'"),
    ({"language": "x" * 1_000_000}, r"language must be a language code such as 'pt-br', given 'x{99}\.\.\.\.$"),
    ({"language": b"de"}, r"language must be a language code such as 'pt-br', given \"b'de'\""),
    ({"context": {"tags": {"a\x00"}}}, r"context\['tags'\]\[0\] must be text that can be encoded"),
    ({"options": {"deep": nested_sets()}}, r"options may be nested 32 levels deep"),
    # Messages may be changed after they were made, so these are not what the constructor takes.
    ({"uuid": "x>\r\nBcc: eve@example.com"}, r"uuid must be a UUID, given 'x>\\r\\nBcc: eve@example.com'"),
    ({"expiration_time": "2027-01-01"}, r"expiration_time must be a datetime or None, given '2027-01-01'"),
    ({"options": None}, r"options must be a dict, given None"),
    ({"options": []}, r"options must be a dict, given \[\]"),
    ({"headers": [("X-A", "a")]}, r"headers must be a dict, given \[\('X-A', 'a'\)\]"),
    ({"context": "name"}, r"context must be a dict, given 'name'"),
]


def message_with(fields):
    """Return a message with *fields*, set where the constructor would refuse them."""
    message = welcome()
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(("fields", "text"), BAD)
def test_bad_content_is_refused_by_its_place(fields, text):
    """
    The error names the place and never repeats a control character as it is.
    """
    with pytest.raises(InvalidMessageError, match=text) as caught:
        validate(message_with(fields))

    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("fields", "text"), BAD)
def test_bad_content_is_reported_and_nothing_goes_out(fields, text):
    """
    The message fails over every channel; the next one is not affected.
    """
    refused, accepted = ace.send_many([message_with(fields), welcome()])

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
        {"language": lazystr("de")},
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


class Hostile(dict):
    """Cannot be looked into."""

    def __iter__(self):
        raise LookupError("hostile")


def test_a_value_that_raises_when_it_is_checked_fails_its_message_alone():
    """
    Contexts hold objects of all kinds; whatever they raise stays in the report.
    """
    refused, accepted = ace.send_many([welcome(context={"name": Hostile(a=1)}), welcome()])

    assert refused[ChannelType.EMAIL].code == "unexpected_error"
    assert accepted
    assert len(mail.outbox) == 1
