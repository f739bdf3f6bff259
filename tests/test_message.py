"""
Internal: messages, message types and recipients, and their wire format.
"""

import json
import logging
import pickle
from datetime import UTC, datetime
from uuid import UUID

import attr
import pytest
from django.utils.translation import gettext_lazy, override

from edx_ace import ChannelType, Message, MessageType, Recipient
from edx_ace.errors import ConfigurationError, InvalidMessageError

UUIDS = "10138755-14ce-46a3-95fa-fb06a34205a5", "643844ba-ce62-4d35-a0ea-212c0c01bb88"

#: As the released 1.15.0 writes it.
RELEASED = (
    '{"app_label": "app", "name": "n", "recipient": {"lms_user_id": 1, "email_address": "a@b.c"}, '
    '"expiration_time": "2017-08-01T00:00:00+00:00", "context": {"a": 1}, '
    f'"uuid": "{UUIDS[0]}", "send_uuid": "{UUIDS[1]}", '
    '"options": {}, "headers": {}, "language": null, "log_level": null}'
)


class Digest(MessageType):
    """A type of the test site."""


class Named(MessageType):
    """A type that names itself and its app."""

    NAME = "own_name"
    APP_LABEL = "own_app"


def released() -> Message:
    message = Message(
        "app",
        "n",
        Recipient(1, "a@b.c"),
        expiration_time=datetime(2017, 8, 1, tzinfo=UTC),
        context={"a": 1},
        send_uuid=UUID(UUIDS[1]),
    )
    message.uuid = UUID(UUIDS[0])
    return message


def test_a_message_is_written_as_the_released_package_writes_it():
    """
    The same keys in the same order, and a moment as verbatim text.
    """
    assert str(released()) == RELEASED


def test_a_message_is_read_as_the_released_package_wrote_it():
    """
    Reading gives an equal message.
    """
    assert Message.from_string(RELEASED) == released()


def test_keys_of_another_release_are_ignored_and_missing_headers_allowed():
    """
    A newer message has more keys, an older one no headers.
    """
    fields = json.loads(RELEASED)
    del fields["headers"]
    fields["recipient"]["nickname"] = "Ann"

    assert Message.from_string(json.dumps({**fields, "priority": 3})) == released()


def test_further_addresses_travel_only_when_there_are_some():
    """
    An unchanged worker can read every message whose recipient has no further addresses.
    """
    assert '"addresses"' not in str(Recipient(1, "a@b.c"))
    recipient = Recipient(1, "a@b.c", addresses={"sms": "+493012345"})
    assert Recipient.from_string(str(recipient)) == recipient
    assert recipient.address_for(ChannelType.SMS) == "+493012345"
    assert recipient.address_for(ChannelType.EMAIL) == "a@b.c"
    assert recipient.address_for(ChannelType.CHAT) is None


@pytest.mark.parametrize("user_id", [0, None, "a-name", 7])
@pytest.mark.parametrize("address", [None, "a@b.c"])
def test_any_recipient_can_be_built_and_travel(user_id, address):
    """
    Nothing is checked before a channel has to use it.
    """
    assert Recipient.from_string(str(Recipient(user_id, address))) == Recipient(user_id, address)


@pytest.mark.parametrize(
    "fields",
    [
        # What building and the wire accept, sending may refuse.
        {"app_label": "../../etc", "name": "a\nb\x00"},
        {"expiration_time": datetime(2030, 1, 1)},
        {"context": {"x": float("inf")}},
        {"recipient": None},
        {"context": {"deep": [[[[[[]]]]]]}, "options": {"emails": ["a", "b"]}, "log_level": 10},
    ],
)
def test_building_and_the_wire_check_nothing(fields):
    """
    A message goes through JSON unchanged, whatever its content.
    """
    message = Message(**{"app_label": "app", "name": "n", "recipient": Recipient(1), **fields})

    assert Message.from_string(str(message)) == message


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"recipient": "ann@example.com"}, "recipient"),
        ({"expiration_time": "tomorrow"}, "expiration_time"),
        ({"send_uuid": UUIDS[0]}, "send_uuid"),
    ],
)
def test_the_types_of_a_few_fields_are_checked(fields, text):
    """
    As the released package does, by attrs.
    """
    with pytest.raises(TypeError, match=text):
        Message(**{"app_label": "a", "name": "n", "recipient": None, **fields})


@pytest.mark.parametrize(
    ("string", "text"),
    [
        ("[" * 100_000, "nested at most some hundreds of levels deep"),
        ("hello", "this is not JSON"),
        ("[1]", "this is a list"),
        ("{}", "it lacks 'app_label'"),
        ('{"app_label": "a", "name": "b"}', "it lacks 'uuid'"),
        ('{"app_label": "a", "name": "b", "uuid": "no"}', "badly formed hexadecimal UUID string"),
        ('{"app_label": "a", "name": "b", "uuid": 5}', "Message cannot be made of these fields"),
        ('{"app_label": "a", "name": "b", "recipient": 5}', "Message cannot be made of these fields"),
    ],
)
def test_what_is_no_message_is_refused_with_what_was_expected(string, text):
    """
    A broken task argument says what is wrong with it.
    """
    with pytest.raises(InvalidMessageError, match=text):
        Message.from_string(string)


class Course:
    """A context object that knows its JSON."""

    def to_json(self):
        return {"key": "course-v1"}


@attr.s
class Point:
    x = attr.ib()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Course(), {"key": "course-v1"}),
        (gettext_lazy("Monday"), "Montag"),
        (datetime(2017, 8, 1, tzinfo=UTC), "2017-08-01T00:00:00+00:00"),
        (UUID(UUIDS[0]), UUIDS[0]),
        (Point(3), {"x": 3}),
        ([Point(Course())], [{"x": {"key": "course-v1"}}]),
        ((1, 2), [1, 2]),
        ({1}, [1]),
        ({1: 2}, {"1": 2}),
        ("Grüße 👋", "Grüße 👋"),
    ],
)
def test_contexts_hold_more_than_plain_data(value, expected):
    """
    What the encoder makes of what contexts are known to hold.
    """
    with override("de"):
        text = str(Message("app", "n", None, context={"value": value}))

    assert json.loads(text)["context"] == {"value": expected}


def test_live_objects_stay_in_the_context_until_a_message_is_written():
    """
    Only str() needs them to be serialisable, and says what is not.
    """
    message = Message("app", "n", None, context={"live": object()})

    with pytest.raises(TypeError, match="object is not JSON serializable"):
        str(message)


def test_messages_are_equal_by_value_unhashable_mutable_and_picklable():
    """
    Existing code compares, changes and pickles them.
    """
    message = released()

    assert pickle.loads(pickle.dumps(message)) == message
    with pytest.raises(TypeError, match="unhashable"):
        hash(message)
    message.options["reply_to"] = "x@example.com"
    message.headers["List-Id"] = "x"
    message.anything = 1
    assert message != released()


def test_each_message_has_containers_of_its_own():
    """
    A default is a fresh dict.
    """
    first, second = Message("a", "n", None), Message("a", "n", None)

    assert first.context is not second.context
    assert first.options is not second.options
    assert first.headers is not second.headers


def test_names_for_logs_tell_nothing_about_the_person():
    """
    The log_id is made of names and ids.
    """
    message = released()

    assert message.unique_name == "app.n"
    assert message.log_id == f"app.n.{UUIDS[1]}.{UUIDS[0]}"
    message.send_uuid = None
    assert message.log_id == f"app.n.no_send_uuid.{UUIDS[0]}"


def test_a_name_cannot_forge_a_line_of_the_log():
    """
    What is not printable is escaped.
    """
    forged = Message("app", "n\nERROR all is lost \ud800", None)

    assert forged.log_id.startswith(r"app.n\nERROR all is lost \ud800.no_send_uuid")


@pytest.mark.parametrize(("log_level", "level"), [(None, "DEBUG"), (10, "INFO"), (20, "DEBUG")])
def test_a_low_log_level_makes_debug_lines_visible(caplog, log_level, level):
    """
    Debug lines of such a message are logged at info level, each with its log_id.
    """
    caplog.set_level(logging.DEBUG, "somewhere")
    message = Message("app", "n", None, log_level=log_level)

    message.get_message_specific_logger(logging.getLogger("somewhere")).debug("hello %s", "you")

    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [(level, f"[{message.log_id}] hello you")]


def test_a_type_is_named_after_its_class_and_app_unless_it_says_otherwise():
    """
    NAME and APP_LABEL win.
    """
    assert (Digest().app_label, Digest().name) == ("tests", "digest")
    assert (Named().app_label, Named().name) == ("own_app", "own_name")
    assert (Named(app_label="x", name="y").app_label, Named(name="y").name) == ("x", "y")


def test_a_type_outside_every_app_says_what_to_do():
    """
    The error names the class and both ways out.
    """
    stray = type("Stray", (MessageType,), {"__module__": "nowhere.at.all"})

    with pytest.raises(ConfigurationError, match=r"nowhere.at.all.Stray .* INSTALLED_APPS, or set APP_LABEL"):
        stray()


def test_a_personalised_message_carries_what_its_type_says():
    """
    Context of the person over that of the type; send_uuid is the type's uuid.
    """
    digest = Digest(context={"a": 1, "b": 1}, options={"transactional": True}, log_level=20)

    message = digest.personalize(Recipient(1, "a@b.c"), "fr", {"b": 2})

    assert (message.context, message.options, message.language) == ({"a": 1, "b": 2}, {"transactional": True}, "fr")
    assert (message.send_uuid, message.app_label, message.name) == (digest.uuid, "tests", "digest")
    assert message.log_level == 20


def test_a_type_equals_the_base_class_that_a_worker_reads():
    """
    Workers may not have the class.
    """
    digest = Digest(context={"when": 1}, expiration_time=datetime(2030, 1, 1, tzinfo=UTC))

    assert MessageType.from_string(str(digest)) == digest
    assert Digest.from_string(str(digest)) == digest
    assert digest != Digest()
    assert digest != "digest"
