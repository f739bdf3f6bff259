"""
Internal: what a message may hold so that it comes back as it was.
"""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.utils import translation
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy

from edx_ace.outbox import payloads
from edx_ace.outbox.errors import ReferenceGoneError, UnserializableError
from tests.pipeline import welcome


def returned(**fields):
    """Return the message that comes back for one with *fields*."""
    message = welcome(**fields)
    content = payloads.dump(message)
    return payloads.load({message.uuid: content})[message.uuid]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        2**70,
        0.1,
        "äöü 漢字",
        [1, [2, {"three": None}]],
        datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4),  # naive stays naive
        date(2026, 1, 2),
        time(3, 4, 5),
        timedelta(days=-1, microseconds=7),
        Decimal("10.50"),  # with its trailing zero
        UUID("6f6e2e4c-6b5c-4a3c-8c4e-111111111111"),
        b"\x00\xff",
        {"$ace": "model", "value": ["auth.user", 1]},  # looks like ours, and is the caller's
    ],
    ids=repr,
)
def test_a_value_comes_back_equal_and_of_its_type(value):
    """
    Wherever it is in the context.
    """
    context = returned(context={"deep": [{"value": value}]}).context

    assert context == {"deep": [{"value": value}]}
    assert type(context["deep"][0]["value"]) is type(value)


def test_the_message_comes_back_whole():
    """
    With everything that it has beside its context.
    """
    message = welcome(
        expiration_time=datetime(2030, 1, 1, tzinfo=UTC),
        send_uuid=UUID(int=5),
        options={"attachments": [["a.txt", b"x", None]], "transactional": True},
        headers={"X-A": "b"},
        log_level=10,
    )
    content = payloads.dump(message)

    assert payloads.load({message.uuid: content}) == {message.uuid: message}


def test_a_safe_text_stays_safe():
    """
    Otherwise its markup would arrive escaped.
    """
    assert isinstance(returned(context={"html": mark_safe("<b>")}).context["html"], SafeString)


def test_a_lazy_text_is_in_the_language_of_the_message():
    """
    Whatever language the request had.
    """
    with translation.override("fr"):
        context = returned(context={"day": gettext_lazy("Monday")}, language="de").context

    assert context == {"day": "Montag"}


def test_a_message_without_a_language_has_the_one_that_was_active():
    """
    A worker has no request to take one from.
    """
    with translation.override("de"):
        assert returned(language=None).language == "de"


@pytest.mark.django_db
def test_a_model_instance_is_loaded_again_as_it_is_then(django_assert_num_queries):
    """
    The payload holds a reference; all instances of a model in a batch take one query.
    """
    ann, bob = User.objects.create(username="ann"), User.objects.create(username="bob")
    messages = [welcome(context={"users": [SimpleLazyObject(lambda user=user: user)]}) for user in (ann, bob)]
    contents = {message.uuid: payloads.dump(message) for message in messages}
    User.objects.filter(pk=ann.pk).update(first_name="Ann")

    with django_assert_num_queries(1):
        loaded = payloads.load(contents)

    assert [loaded[message.uuid].context["users"][0].first_name for message in messages] == ["Ann", ""]


@pytest.mark.django_db
def test_an_instance_that_is_gone_stops_its_message_alone():
    """
    The error names what is missing.
    """
    user = User.objects.create(username="ann")
    gone, fine = welcome(context={"user": user}), welcome()
    contents = {message.uuid: payloads.dump(message) for message in (gone, fine)}
    key = user.pk
    user.delete()

    loaded = payloads.load(contents)

    assert loaded[fine.uuid] == fine
    with pytest.raises(ReferenceGoneError, match=f"refers to auth.user {key}, which no longer exists"):
        raise loaded[gone.uuid]


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"a": [object()]}, r"context\['a'\]\[0\] must be plain data, .* given builtins.object. Pass an id"),
        ({"a": {1, 2}}, r"context\['a'\] must be plain data, .* given builtins.set"),
        ({"a": {1: 2}}, r"The keys of context\['a'\] must be text .* given 1 \(int\)"),
        ({"a": User(username="x")}, r"context\['a'\] must be a saved model instance .* unsaved auth.User. Save it"),
    ],
)
def test_anything_else_is_refused_with_its_place(context, expected):
    """
    The one who enqueues is told, and not the worker.
    """
    with pytest.raises(UnserializableError, match=expected):
        payloads.dump(welcome(context=context))


def test_the_fingerprint_is_about_what_is_said_and_to_whom():
    """
    A second message that says the same has the same fingerprint; one that says something else has not.
    """

    def fingerprint(**fields):
        return payloads.fingerprint("", payloads.dump(welcome(**fields)))

    assert fingerprint(context={"a": 1, "b": 2}) == fingerprint(context={"b": 2, "a": 1}, send_uuid=UUID(int=1))
    assert fingerprint(context={"a": 1}) != fingerprint(context={"a": 2})
