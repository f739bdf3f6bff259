"""
Internal: code as sites wrote it for edx-ace 1.15.0, and tests as they wrote them, which run here unchanged.

What is asserted is what the released package does, but for the faults that are listed in `tests.test_released_faults`.
"""

from __future__ import annotations

import copy
import json
import logging
import pickle
import re
import smtplib
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import TestCase
from unittest.mock import MagicMock, Mock, patch, sentinel
from uuid import UUID

import attr
import pytest
from django.core import mail
from django.template import Context, Template
from django.test import override_settings
from django.utils.translation import get_language, gettext_lazy

import edx_ace
from edx_ace import ace, delivery, policy, presentation
from edx_ace.channel import Channel, ChannelMap, ChannelType, channels, get_channel_for_message
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.channel.file import PATH_OVERRIDE_KEY
from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.errors import (
    ChannelError,
    FatalChannelDeliveryError,
    RecoverableChannelDeliveryError,
    UnsupportedChannelError,
)
from edx_ace.message import Message, MessageLoggingAdapter, MessageType
from edx_ace.policy import Policy, PolicyResult
from edx_ace.recipient import Recipient
from edx_ace.recipient_resolver import RecipientResolver
from edx_ace.renderers import EmailRenderer, RenderedEmail
from edx_ace.signals import ACE_MESSAGE_SENT
from edx_ace.test_utils import StubPolicy, patch_policies
from edx_ace.utils.once import once
from edx_ace.utils.plugins import get_plugins
from edx_ace.utils.signals import make_serializable_object, send_ace_message_sent_signal

MESSAGE_UUID = UUID("11111111-1111-1111-1111-111111111111")
SEND_UUID = UUID("22222222-2222-2222-2222-222222222222")
NOW = datetime(2020, 1, 1, tzinfo=UTC)

#: As the released package wrote it, with a model's ``to_json`` and a lazy translation in the context.
RELEASED_MESSAGE = (
    '{"app_label": "tests", "name": "welcome", "recipient": {"lms_user_id": 7, "email_address": "ann@example.com"}, '
    '"expiration_time": null, "context": {"site": {"domain": "example.com"}, "answer": "Yes", '
    '"at": "2020-01-01T00:00:00"}, "uuid": "11111111-1111-1111-1111-111111111111", '
    '"send_uuid": "22222222-2222-2222-2222-222222222222", "options": {"transactional": true}, "headers": {}, '
    '"language": "en", "log_level": null}'
)
RELEASED_TYPE = (
    '{"context": {"a": 1}, "uuid": "11111111-1111-1111-1111-111111111111", '
    '"expiration_time": "2017-08-01T00:00:00+00:00", "app_label": "tests", "name": "greeting", "options": {"x": [1]}, '
    '"log_level": 10}'
)


class Site:
    """Stands in for a model instance in a context."""

    def to_json(self) -> dict[str, str]:
        return {"domain": "example.com"}


class FromTenant:
    """A mixin that sets options when a type is made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.options["from_address"] = "school@example.com"
        self.options["transactional"] = True


class Greeting(FromTenant, MessageType):
    """Takes its templates from the folder ``greeting``."""

    APP_LABEL = "tests"
    NAME = "greeting"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.log_level = 10


class Plain(MessageType):
    """Says its name alone: its app is the one it lives in."""

    NAME = "greeting"


class WithLinks(Plain):
    """Adds to each message as it is made."""

    def personalize(self, recipient: Recipient, language: str | None, user_context: dict[str, Any]) -> Message:
        message = super().personalize(recipient, language, user_context)
        message.headers["List-Unsubscribe"] = f"<https://example.com/{recipient.lms_user_id}>"
        message.context["link"] = "https://example.com"
        return message


@attr.s
class BinnedResolver(RecipientResolver):
    """Finds people in bins and hands each message to a task, as text."""

    task = attr.ib()
    bin_num = attr.ib(default=0)
    context = attr.ib(factory=dict, kw_only=True)

    def send(self, msg_type: MessageType, *, language: str | None = None) -> None:
        for number in range(self.bin_num):
            recipient = Recipient(lms_user_id=number, email_address=f"{number}@example.com")
            self.task(str(msg_type.personalize(recipient, language, {"name": f"N{number}"})))


class RecordingChannel(Channel):
    """A channel of a site, written before there was more to override than `deliver`."""

    channel_type = ChannelType.PUSH

    def __init__(self) -> None:
        self.sent: list[Any] = []

    @classmethod
    def enabled(cls) -> bool:
        return True

    def deliver(self, message: Message, rendered_message: Any) -> None:
        self.sent.append((message.log_id, rendered_message.title, rendered_message.body))


class ClaimingChannel(RecordingChannel):
    """Claims the messages of one name, by a method of the instance."""

    channel_type = ChannelType.EMAIL

    def overrides_delivery_for_message(self, message: Message) -> bool:  # type: ignore[override]
        return message.name == "claimed"


class RecordingEmail(RecordingChannel):
    """The same for email."""

    channel_type = ChannelType.EMAIL


def a_message(**fields: Any) -> Message:
    """Return a message with known uuids."""
    message = Message(
        **{
            "app_label": "tests",
            "name": "welcome",
            "recipient": Recipient(7, "ann@example.com"),
            "context": {"name": "Ann"},
            "language": "en",
            "send_uuid": SEND_UUID,
            **fields,
        }
    )
    message.uuid = MESSAGE_UUID
    return message


def a_channel(**attributes: Any) -> Mock:
    """Return a stand-in for an email channel."""
    return Mock(channel_type=ChannelType.EMAIL, **attributes)


@pytest.fixture
def heard():
    """What receivers of ACE_MESSAGE_SENT were called with."""
    calls: list[tuple[Any, dict[str, Any]]] = []

    def receive(sender, message, **_kwargs):
        calls.append((sender, message))

    ACE_MESSAGE_SENT.connect(receive)
    yield calls
    ACE_MESSAGE_SENT.disconnect(receive)


@pytest.fixture
def reported():
    """What monitoring was told."""
    with patch("edx_ace.message.monitoring_report") as report:
        yield report.call_args_list


class TestTypesAndResolvers:
    """Message types, recipients and whoever finds them."""

    def test_a_resolver_hands_messages_to_tasks_as_text(self):
        """
        Each task reads its message back and sends it.
        """

        def task(text: str) -> None:
            ace.send(Message.from_string(text))

        BinnedResolver(task, 2, context={"a": 1}).send(Greeting(context={"name": "nobody"}), language="en")

        assert [(m.to, m.subject, m.from_email) for m in mail.outbox] == [
            (["0@example.com"], "Greetings, N0", "school@example.com"),
            (["1@example.com"], "Greetings, N1", "school@example.com"),
        ]

    def test_a_resolver_without_send_is_abstract(self):
        """
        As it was.
        """
        with pytest.raises(TypeError, match="abstract"):
            RecipientResolver()

    def test_mixins_and_constructors_set_options(self):
        """
        What a subclass does after the constructor reaches its messages and the wire.
        """
        message_type = Greeting(context={"a": 1})

        message = message_type.personalize(Recipient(1), "fr", {"b": 2})

        assert message.options == {"from_address": "school@example.com", "transactional": True}
        assert (message.context, message.log_level) == ({"a": 1, "b": 2}, 10)
        assert message.send_uuid == message_type.uuid
        assert MessageType.from_string(str(message_type)) == message_type

    def test_personalize_is_overridden_and_called_either_way(self):
        """
        Positionally and by keyword.
        """
        one = WithLinks().personalize(Recipient(1), "en", {})
        other = WithLinks().personalize(recipient=Recipient(2), language=None, user_context={})

        assert one.headers == {"List-Unsubscribe": "<https://example.com/1>"}
        assert other.headers == {"List-Unsubscribe": "<https://example.com/2>"}

    def test_the_constructor_of_message_types_is_replaced_at_run_time(self, monkeypatch):
        """
        One plug-in gives every type of every app an option.
        """
        original = MessageType.__init__

        def with_sender(self, *args, **kwargs):
            original(self, *args, **kwargs)
            self.options.update({"from_address": "tenant@example.com"})

        monkeypatch.setattr(MessageType, "__init__", with_sender)

        ace.send(Plain(context={"name": "Ann"}).personalize(Recipient(1, "ann@example.com"), "en", {}))

        assert mail.outbox[0].from_email == "tenant@example.com"

    def test_a_type_is_an_attrs_class_that_can_have_further_fields(self):
        """
        A field with a default, after those of the type.
        """

        @attr.s
        class Extended(MessageType):
            APP_LABEL = "tests"
            course = attr.ib(default=None)

        assert Extended({"a": 1}, course="c").personalize(Recipient(1), None, {}).context == {"a": 1}

    def test_options_headers_and_context_are_changed_until_the_message_is_sent(self):
        """
        A message is a plain, mutable object.
        """
        message = Plain().personalize(Recipient(1, None), None, {})

        message.recipient.email_address = "late@example.com"
        message.context.update(name="Late")
        message.options["reply_to"] = ["help@example.com"]
        message.headers["List-Unsubscribe"] = "<https://example.com/off>"
        message.language = "en"
        ace.send(message)

        (sent,) = mail.outbox
        assert (sent.to, sent.subject, sent.reply_to) == (["late@example.com"], "Greetings, Late", ["help@example.com"])
        assert sent.extra_headers["List-Unsubscribe"] == "<https://example.com/off>"

    def test_messages_are_copied_pickled_compared_and_not_hashed(self):
        """
        Tests compare them with one another and with ANY.
        """
        message = a_message()

        assert pickle.loads(pickle.dumps(message)) == message
        assert copy.deepcopy(message) == message
        assert copy.copy(message) == message
        assert message != a_message(name="other")
        assert attr.asdict(message)["recipient"]["email_address"] == "ann@example.com"
        for value in (message, message.recipient):
            with pytest.raises(TypeError, match="unhashable"):
                hash(value)

    def test_a_recipient_that_the_released_package_pickled_is_whole(self):
        """
        It had two attributes.
        """
        recipient = Recipient(1, "ann@example.com")
        del recipient.__dict__["addresses"]

        assert pickle.loads(pickle.dumps(recipient)) == Recipient(1, "ann@example.com")

    def test_recipients_are_ordered(self):
        """
        By their id, then their address.
        """
        assert Recipient(1, "b") < Recipient(2, "a")


class TestWire:
    """Text that passes between workers of both releases."""

    def test_a_message_is_written_byte_for_byte_as_before(self):
        """
        With everything that contexts are known to hold.
        """
        context = {"site": Site(), "answer": gettext_lazy("Yes"), "at": datetime(2020, 1, 1)}

        assert str(a_message(context=context, options={"transactional": True})) == RELEASED_MESSAGE

    def test_what_was_written_before_is_read(self):
        """
        And written again, it is the same.
        """
        message = Message.from_string(string_value=RELEASED_MESSAGE)

        assert (message.uuid, message.send_uuid) == (MESSAGE_UUID, SEND_UUID)
        assert message.recipient == Recipient(lms_user_id=7, email_address="ann@example.com")
        assert str(message) == RELEASED_MESSAGE

    def test_a_type_is_written_and_read_as_before(self):
        """
        A worker that lacks the subclass reads the base class, and the two are equal.
        """
        message_type = Plain(
            context={"a": 1}, expiration_time=datetime(2017, 8, 1, tzinfo=UTC), options={"x": [1]}, log_level=10
        )
        message_type.uuid = MESSAGE_UUID

        assert str(message_type) == RELEASED_TYPE
        assert MessageType.from_string(RELEASED_TYPE) == message_type
        assert message_type == Plain.from_string(RELEASED_TYPE)

    def test_to_json_gives_plain_fields(self):
        """
        The recipient is a dict.
        """
        assert a_message().to_json()["recipient"] == {"lms_user_id": 7, "email_address": "ann@example.com"}
        assert a_message(recipient=None).to_json()["recipient"] is None

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ({1}, "[1]"),
            (frozenset(["a"]), '["a"]'),
            ((1, 2), "[1, 2]"),
            (float("inf"), "Infinity"),
            (Recipient(1, "a"), '{"lms_user_id": 1, "email_address": "a"}'),
        ],
    )
    def test_contexts_are_written_as_before(self, value, text):
        """
        As the released package writes them.
        """
        assert f'"context": {{"v": {text}}}' in str(a_message(context={"v": value}))

    @pytest.mark.parametrize("value", [object(), b"bytes", datetime(2020, 1, 1).date()])
    def test_what_could_not_be_written_still_cannot(self, value):
        """
        A TypeError, and only when it is written.
        """
        message = a_message(context={"v": value})

        with pytest.raises(TypeError):
            str(message)


class TestSending:
    """`ace.send`, from a site's point of view."""

    def test_an_email_is_what_it_was(self, heard, reported):
        """
        Mail, signal and monitoring are those of the released package.
        """
        ace.send(a_message(options={"reply_to": ["r@example.com"], "merge_language": True}))

        (sent,) = mail.outbox
        assert (sent.subject, sent.body, sent.from_email) == ("Welcome, Ann", "Hello, Ann.", "sender@example.com")
        assert (sent.to, sent.cc, sent.bcc, sent.reply_to) == (["ann@example.com"], [], [], ["r@example.com"])
        assert [alternative[1] for alternative in sent.alternatives] == ["text/html"]
        assert "<p>Hello, Ann.</p>" in sent.alternatives[0][0]
        assert [type(sender) for sender, _ in heard] == [DjangoEmailChannel]
        assert heard[0][1] == {
            "name": "welcome",
            "app_label": "tests",
            "recipient": {"email": "ann@example.com", "user_id": 7},
            "channel": "DjangoEmailChannel",
            "context": {"name": "Ann"},
            "options": {"reply_to": ["r@example.com"], "merge_language": True},
            "uuid": str(MESSAGE_UUID),
            "send_uuid": str(SEND_UUID),
            "message_language": "en",
            "translation_language": get_language(),
        }
        assert [call.args for call in reported] == [
            ("message_name", "tests.welcome"),
            ("language", "en"),
            ("policy_allowed_channels", "email,push"),
            ("email_delivery_succeeded", True),
        ]

    @pytest.mark.django_db
    def test_sending_makes_no_query(self, django_assert_num_queries):
        """
        Sites wrap their sends in assertNumQueries.
        """
        with django_assert_num_queries(0):
            ace.send(a_message())

        assert len(mail.outbox) == 1

    @pytest.mark.parametrize("user_id", [0, None, "ann"])
    def test_any_user_id_will_do(self, user_id):
        """
        Credentials has none, others have names.
        """
        ace.send(a_message(recipient=Recipient(lms_user_id=user_id, email_address="x@example.com")))

        assert mail.outbox[0].to == ["x@example.com"]

    def test_a_template_that_is_missing_is_reported_last(self, reported):
        """
        With the text that tests compare; nothing is raised.
        """
        ace.send(a_message(name="nothing"))

        assert reported[-1].args == (
            "template_error",
            "Unable to send message because template not found\ntests/edx_ace/nothing/email/from_name.txt",
        )

    @pytest.mark.parametrize("error", [ChannelError, FatalChannelDeliveryError])
    def test_a_channel_s_error_is_reported_and_not_raised(self, use_channels, reported, error):
        """
        As ``email_error``.
        """
        use_channels(mock=a_channel(deliver=Mock(side_effect=error("It broke."))))

        ace.send(a_message())

        assert reported[-1].args == ("email_error", "It broke.")

    @pytest.mark.parametrize(
        ("limit", "sent"),
        [
            (None, (1, 1)),
            ([], (1, 1)),
            ([ChannelType.PUSH], (0, 1)),
            (["braze_push"], (0, 1)),
            (["push"], (0, 1)),
            ([ChannelType.EMAIL], (1, 0)),
            ({ChannelType.EMAIL, ChannelType.PUSH}, (1, 1)),
        ],
    )
    def test_a_limit_names_types_or_channels(self, use_channels, limit, sent):
        """
        Sites pass settings.ACE_PUSH_CHANNELS, which holds names.
        """
        push = RecordingChannel()
        use_channels(django_email=DjangoEmailChannel(), braze_push=push)

        ace.send(a_message(), limit_to_channels=limit)

        assert (len(mail.outbox), len(push.sent)) == sent

    def test_the_file_channel_writes_lines_that_tests_search_for(self, tmp_path, settings):
        """
        End-to-end tests read the file.
        """
        settings.ACE_CHANNEL_DEFAULT_EMAIL = "file_email"
        path = tmp_path / "mail.html"

        ace.send(a_message(options={PATH_OVERRIDE_KEY: str(path)}))

        text = path.read_text()
        for line in ("subject: Welcome, Ann", "to: ann@example.com", "body: Hello, Ann.", "<p>Hello, Ann.</p>"):
            assert line in text

    def test_a_failing_mail_server_is_a_fatal_channel_error(self):
        """
        A bare SMTPException from Django's mail.
        """
        with (
            patch(
                "django.core.mail.backends.locmem.EmailBackend.send_messages", side_effect=smtplib.SMTPException("x")
            ),
            pytest.raises(FatalChannelDeliveryError),
        ):
            DjangoEmailChannel().deliver(a_message(), RenderedEmail("n", "s", "h", "", "b"))


class TestChannels:
    """Channels that sites wrote, and how one is chosen."""

    @pytest.mark.parametrize(
        ("name", "options", "settings", "chosen"),
        [
            ("welcome", {}, {"DEFAULT": "one", "TRANSACTIONAL": "two"}, "one"),
            ("welcome", {"transactional": True}, {"DEFAULT": "one", "TRANSACTIONAL": "two"}, "two"),
            ("welcome", {"transactional": False}, {"DEFAULT": "one", "TRANSACTIONAL": "two"}, "one"),
            ("welcome", {"override_default_channel": "two"}, {"DEFAULT": "one", "TRANSACTIONAL": "one"}, "two"),
            ("claimed", {"transactional": True}, {"DEFAULT": "claims", "TRANSACTIONAL": "one"}, "claims"),
            ("welcome", {"transactional": True}, {"DEFAULT": "claims", "TRANSACTIONAL": "one"}, "one"),
            ("welcome", {}, {"DEFAULT": "unknown", "TRANSACTIONAL": "one"}, "one"),
            ("welcome", {}, {}, "one"),
        ],
    )
    def test_settings_and_options_choose_the_email_channel(self, name, options, settings, chosen, monkeypatch):
        """
        The same as in the released package, and the first where settings are missing.
        """
        by_name = {name: RecordingEmail() for name in ("one", "two")} | {"claims": ClaimingChannel()}
        monkeypatch.setattr("edx_ace.channel.channels", lambda: ChannelMap(by_name.items()))

        with override_settings(**{f"ACE_CHANNEL_{name}_EMAIL": value for name, value in settings.items()}):
            if "DEFAULT" not in settings:
                monkeypatch.delattr("django.conf.settings.ACE_CHANNEL_DEFAULT_EMAIL")
            channel = get_channel_for_message(ChannelType.EMAIL, a_message(name=name, options=options))

        assert channel is by_name[chosen]

    @pytest.mark.parametrize(
        "values",
        [{"ACE_CHANNEL_DEFAULT_PUSH": "two"}, {"ACE_PUSH_CHANNELS": ["two"]}, {"ACE_PUSH_CHANNELS": ("two",)}],
    )
    def test_settings_choose_the_push_channel(self, values, use_channels):
        """
        One name, or a list of candidates.
        """
        two = RecordingChannel()
        use_channels(one=RecordingChannel(), two=two)

        with override_settings(**values):
            assert get_channel_for_message(ChannelType.PUSH, a_message()) is two

    def test_a_subclass_may_change_the_message_before_it_passes_it_on(self, use_channels):
        """
        A staging site redirects all its mail; none of it may reach the people it names.
        """

        class Redirects(DjangoEmailChannel):
            def deliver(self, message, rendered_message):
                message.headers["X-For"] = message.recipient.email_address
                del message.headers["X-Gone"]
                message.recipient = Recipient(message.recipient.lms_user_id, "staging@example.com")
                super().deliver(message, rendered_message)

        use_channels(redirects=Redirects())
        messages = [a_message(headers={"X-Gone": "1", "X-Kept": "1"}) for _ in range(2)]

        ace.send(messages[0])
        list(ace.send_many(messages[1:]))

        assert [sent.to for sent in mail.outbox] == [["staging@example.com"]] * 2
        for sent in mail.outbox:
            headers = {name: value for name, value in sent.extra_headers.items() if name.startswith("X-")}
            assert headers == {"X-For": "ann@example.com", "X-Kept": "1"}

    def test_a_subclass_may_pass_on_a_copy_with_another_address(self, use_channels):
        """
        The copy's address counts, not that of the message it was made from.
        """

        class Copies(DjangoEmailChannel):
            def deliver(self, message, rendered_message):
                message = copy.deepcopy(message)
                message.recipient.email_address = "copy@example.com"
                return super().deliver(message, rendered_message)

        use_channels(copies=Copies())

        ace.send(a_message())

        assert mail.outbox[0].to == ["copy@example.com"]

    def test_a_subclass_may_replace_the_parts_of_an_email(self, use_channels):
        """
        Statics of the mixin are looked up on the channel.
        """

        class Themed(DjangoEmailChannel):
            @staticmethod
            def get_from_address(message):
                return "theme@example.com"

            @staticmethod
            def get_subject(rendered_message):
                return f"[Theme] {rendered_message.subject}"

            @staticmethod
            def make_simple_html_template(head_html, body_html):
                return f"<html>{body_html}"

        use_channels(themed=Themed())

        ace.send(a_message())

        (sent,) = mail.outbox
        assert (sent.from_email, sent.subject) == ("theme@example.com", "[Theme] Welcome, Ann")
        assert sent.alternatives[0][0] == "<html><p>Hello, Ann.</p>"

    def test_a_channel_is_called_directly(self):
        """
        With positionals or keywords, outside of `ace.send`.
        """
        rendered = RenderedEmail(from_name="n", subject="s\n x", body_html="<b>h</b>", head_html="", body="b")

        DjangoEmailChannel().deliver(a_message(), rendered)
        DjangoEmailChannel().deliver(message=a_message(), rendered_message=rendered)

        assert [sent.subject for sent in mail.outbox] == ["s x", "s x"]

    def test_a_channel_takes_stand_ins(self):
        """
        A Mock with the attributes that a message always had.
        """
        message = Mock(options={}, headers={}, recipient=Mock(email_address="mock@example.com"))

        DjangoEmailChannel().deliver(message, Mock(subject="s", body_html="h", head_html="", body="b", from_name=""))

        assert mail.outbox[0].to == ["mock@example.com"]
        # It is a Message-ID whatever stands in for the uuid: some releases of Python cannot read another.
        assert re.fullmatch(r"<[\w.]+@example\.com>", mail.outbox[0].extra_headers["Message-ID"])

    @pytest.mark.parametrize("address", [None, ""])
    def test_without_a_sender_the_error_is_fatal(self, settings, address):
        """
        Neither the option nor the setting gives one.
        """
        settings.DEFAULT_FROM_EMAIL = address

        with pytest.raises(FatalChannelDeliveryError, match="DEFAULT_FROM_EMAIL"):
            EmailChannelMixin.get_from_address(a_message())

    def test_a_sender_s_name_may_hold_brackets(self, settings):
        """
        Which Django takes too, so sites have such settings.
        """
        settings.DEFAULT_FROM_EMAIL = "Campus (Staging) <staging@example.com>"

        assert ace.send(a_message())
        assert "Campus (Staging)" in mail.outbox[0].message()["From"]

    def test_channels_by_name_and_type(self):
        """
        A map is made of pairs, and its errors are as they were.
        """
        one, two, push = RecordingEmail(), RecordingEmail(), RecordingChannel()
        channel_map = ChannelMap([["one", one], ("two", two)])

        channel_map.register_channel(push, "push")

        assert channel_map.get_channel_by_name(ChannelType.EMAIL, "two") is two
        assert channel_map.get_default_channel(ChannelType.EMAIL) is one
        assert channel_map.get_default_channel(ChannelType.PUSH) is push
        with pytest.raises(KeyError):
            channel_map.get_channel_by_name(ChannelType.PUSH, "one")
        with pytest.raises(UnsupportedChannelError):
            ChannelMap([]).get_default_channel(ChannelType.EMAIL)

    def test_channel_types_are_counted_as_they_are_iterated(self):
        """
        Tests compare sets, lengths and texts.
        """
        assert set(ChannelType) == {ChannelType.EMAIL, ChannelType.PUSH}
        assert len(ChannelType) == 2
        assert list(reversed(ChannelType)) == [ChannelType.PUSH, ChannelType.EMAIL]
        assert (str(ChannelType.EMAIL), f"{ChannelType.PUSH}", ChannelType("push")) == (
            "email",
            "push",
            ChannelType.PUSH,
        )
        assert json.dumps({str(one): 1 for one in ChannelType}) == '{"email": 1, "push": 1}'
        assert pickle.loads(pickle.dumps(ChannelType.EMAIL)) is ChannelType.EMAIL

    def test_a_plugin_is_one_instance(self):
        """
        Channels may keep connections.
        """
        assert channels().get_default_channel(ChannelType.EMAIL) is channels().get_default_channel(ChannelType.EMAIL)
        assert [plugin.name for plugin in get_plugins("openedx.ace.channel", ["file_email"])] == ["file_email"]

    @pytest.mark.parametrize(
        "error",
        [
            RecoverableChannelDeliveryError("Busy", NOW),
            RecoverableChannelDeliveryError(message="Busy", next_attempt_time=None),
            FatalChannelDeliveryError("Busy"),
        ],
    )
    def test_errors_keep_their_text(self, error):
        """
        Also through pickle, as task queues store them.
        """
        assert str(error) == "Busy"
        assert repr(pickle.loads(pickle.dumps(error))) == repr(error)


class OptOut(Policy):
    """A policy of a site: two of its people want no mail, and some messages go out all the same."""

    def check(self, message: Message) -> PolicyResult:
        if message.options.get("skip_disable_user_policy"):
            return PolicyResult(deny=frozenset())
        assert message.recipient is not None
        if message.recipient.lms_user_id == 13:
            return PolicyResult(deny=set(ChannelType))
        return PolicyResult(deny={ChannelType.EMAIL} if message.recipient.lms_user_id == 14 else frozenset())


class TestPolicies(TestCase):
    """Policies of sites, tested by means of `patch_policies`."""

    def test_a_policy_denies_some_people(self):
        """
        Its result is a set of channel types.
        """
        patch_policies(self, [OptOut()])

        assert policy.channels_for(message=a_message()) == set(ChannelType)
        assert policy.channels_for(message=a_message(recipient=Recipient(13))) == set()
        assert policy.channels_for(a_message(recipient=Recipient(14))) == {ChannelType.PUSH}
        skipping = a_message(recipient=Recipient(13), options={"skip_disable_user_policy": True})
        assert policy.channels_for(skipping) == {ChannelType.EMAIL, ChannelType.PUSH}

    def test_stubs_deny_together_and_keep_mail_back(self):
        """
        A denied channel gets nothing.
        """
        patch_policies(self, [StubPolicy([ChannelType.PUSH]), StubPolicy({ChannelType.EMAIL})])

        ace.send(a_message())

        assert policy.channels_for(a_message()) == set()
        assert mail.outbox == []

    def test_policies_may_be_mocks(self):
        """
        With one method answered.
        """
        mock = Mock()
        mock.check.return_value = PolicyResult(deny={ChannelType.EMAIL})
        patch_policies(self, [mock])

        assert policy.channels_for(a_message()) == {ChannelType.PUSH}
        assert mock.check.call_count == 1

    def test_policies_are_asked_for_at_each_call(self):
        """
        So that a patch works in the middle of a test.
        """
        with patch("edx_ace.policy.policies", return_value=[]) as policies:
            policy.channels_for(a_message())
            policy.channels_for(a_message())

        assert policies.call_count == 2

    def test_results_are_equal_by_value(self):
        """
        Whether set or frozenset.
        """
        assert PolicyResult(frozenset([ChannelType.EMAIL])) == PolicyResult(deny={ChannelType.EMAIL})
        assert PolicyResult() == PolicyResult(deny=set())


class TestPatches:
    """Every name that tests of sites replace, replaced."""

    def test_send_is_replaced_on_its_module(self):
        """
        Code that calls ``ace.send`` hears it, and so does ``edx_ace.send``.
        """
        with patch("edx_ace.ace.send") as send:
            ace.send(1)
            edx_ace.ace.send(2)
            edx_ace.send(3)

        assert [call.args for call in send.call_args_list] == [(1,), (2,), (3,)]

    def test_the_steps_of_send_are_replaced(self):
        """
        The channel, the policies, the rendering; the message may be a Mock that is no Mapping anywhere.
        """
        channel = a_channel()
        for message in (a_message(), Mock(expiration_time=None), MagicMock(expiration_time=None)):
            with (
                patch("edx_ace.ace.get_channel_for_message", return_value=channel) as chosen,
                patch("edx_ace.ace.policy.channels_for", return_value={ChannelType.EMAIL}) as allowed,
                patch("edx_ace.ace.presentation.render", return_value=sentinel.rendered) as render,
            ):
                ace.send(message)

            allowed.assert_called_once_with(message)
            chosen.assert_called_once_with(ChannelType.EMAIL, message)
            render.assert_called_once_with(channel, message)
            channel.deliver.assert_called_once_with(message, sentinel.rendered)
            channel.reset_mock()

    def test_channels_are_replaced(self):
        """
        By a map with a Mock, called with no argument; the message is rendered and handed over.
        """
        channel = a_channel(tracker_image_sources=[], get_action_links=Mock(return_value=[]))
        with patch("edx_ace.channel.channels", return_value=ChannelMap([["sailthru", channel]])) as registered:
            ace.send(a_message())

        (message, rendered), keywords = channel.deliver.call_args
        assert (message, rendered.subject, keywords) == (a_message(), "Welcome, Ann", {})
        assert {(call.args, tuple(call.kwargs)) for call in registered.call_args_list} == {((), ())}

    def test_what_is_limited_out_is_logged(self):
        """
        Once, at debug level.
        """
        with patch("edx_ace.ace.log") as log, patch("edx_ace.ace.get_channel_for_message", return_value=a_channel()):
            ace.send(a_message(), limit_to_channels=[ChannelType.PUSH])

        log.debug.assert_called_once_with("Skipping channel %s", ChannelType.EMAIL)

    @pytest.mark.parametrize(
        ("effects", "times", "slept", "outcome"),
        [
            ([None], [0, 0], [], "succeeded"),
            ([1, None], [0, 0, 0, 1], [1], "succeeded"),
            ([1, 2, None], [0, 0, 0, 1, 1, 2], [1, 1], "succeeded"),
            ([119, None], [0, 0, 0, 119], [119], "succeeded"),
            ([500], [0, 0, 0, 0], [], "expired"),
        ],
    )
    def test_time_is_replaced_by_a_finite_list(self, effects, times, slept, outcome, reported):
        """
        Numbers are seconds: the clock is asked exactly as often as it was.
        """

        def at(seconds: int) -> datetime:
            return NOW + timedelta(seconds=seconds)

        channel = a_channel()
        channel.deliver.side_effect = [
            effect and RecoverableChannelDeliveryError("Try again later", at(effect)) for effect in effects
        ]
        with (
            patch("edx_ace.delivery.time") as time,
            patch("edx_ace.delivery.get_current_time", side_effect=[at(seconds) for seconds in times]) as clock,
            patch("edx_ace.delivery.send_ace_message_sent_signal") as signal,
        ):
            delivery.deliver(channel, sentinel.rendered, a_message())

        assert [call.args for call in time.sleep.call_args_list] == [(seconds,) for seconds in slept]
        assert clock.call_count == len(times)
        assert signal.call_count == (outcome == "succeeded")
        assert reported[-1].args[0] == f"email_delivery_{outcome}"
        assert [call.args for call in reported[:-1]] == [("email_delivery_retried", seconds) for seconds in slept]

    def test_braze_is_replaced(self, settings):
        """
        Its ``requests`` as a whole, and the channel to which it passes people without an account.
        """
        braze = pytest.importorskip("edx_ace.channel.braze")
        for name in ("API_KEY", "APP_ID", "REST_ENDPOINT"):
            setattr(settings, f"ACE_CHANNEL_BRAZE_{name}", name.lower())
        rendered = RenderedEmail("n", "s", "h", "", "b")

        with patch("edx_ace.channel.braze.requests") as requests:
            requests.post.return_value = Mock(status_code=201, json=Mock(return_value={"dispatch_id": "D"}))
            braze.BrazeEmailChannel().deliver(a_message(options={"transactional": True}), rendered)
        with patch("edx_ace.channel.braze.DjangoEmailChannel") as fallback:
            braze.BrazeEmailChannel().deliver(a_message(recipient=Recipient(None, "a@example.com")), rendered)

        sent = requests.post.call_args.kwargs["json"]
        assert requests.post.call_args.args == ("https://rest_endpoint/messages/send",)
        assert (sent["external_user_ids"], sent["recipient_subscription_state"]) == (["7"], "all")
        assert len(fallback.return_value.deliver.call_args.args) == 2

    def test_sailthru_is_replaced(self, settings):
        """
        Its client, with answers that are Mocks.
        """
        sailthru = pytest.importorskip("edx_ace.channel.sailthru")
        settings.ACE_CHANNEL_SAILTHRU_TEMPLATE_NAME = "template"
        settings.ACE_CHANNEL_SAILTHRU_API_KEY = settings.ACE_CHANNEL_SAILTHRU_API_SECRET = "x"

        with patch("edx_ace.channel.sailthru.SailthruClient") as client:
            client.return_value.send.return_value.is_ok.return_value = True
            client.return_value.send.return_value.get_status_code.return_value = 200
            sailthru.SailthruEmailChannel().deliver(
                a_message(options={"reply_to": "r@example.com"}), RenderedEmail("n", "s", "h", "", "b")
            )

        sent = client.return_value.send.call_args
        assert sent.args == ("template", "ann@example.com")
        assert (sent.kwargs["_vars"]["ace_template_subject"], sent.kwargs["options"]) == (
            "s",
            {"behalf_email": "r@example.com"},
        )

    def test_push_is_replaced(self):
        """
        The functions of django-push-notifications, the log and the methods of the channel.
        """
        push = pytest.importorskip("edx_ace.channel.push_notification")
        channel, rendered = push.PushNotificationChannel(), Mock(title="T  t", body="B\n b")
        message = a_message(context={"push_notification_extra_context": {"course_id": "c"}})

        with (
            patch("edx_ace.channel.push_notification.send_message") as send_message,
            patch("edx_ace.channel.push_notification.dict_to_fcm_message") as dict_to_fcm_message,
            patch("edx_ace.channel.push_notification.LOG") as log,
            patch.object(push.PushNotificationChannel, "get_user_device_tokens", return_value=["token"]) as tokens,
            patch.object(push.PushNotificationChannel, "collect_apns_config", return_value="apns"),
            override_settings(FCM_APP_NAME="app"),
        ):
            channel.deliver(message, rendered)
            tokens.return_value = []
            channel.deliver(message, rendered)
            send_message.side_effect = ValueError("no")
            with pytest.raises(FatalChannelDeliveryError):
                channel.send_message(message, "token", rendered)

        data = {"title": "T t", "body": "B b", "notification_key": "token", "course_id": "c"}
        assert dict_to_fcm_message.call_args.args == (data,)
        assert dict_to_fcm_message.return_value.apns == "apns"
        assert send_message.call_args_list[0].args == ("token", dict_to_fcm_message.return_value, "app")
        log.info.assert_called_once_with(
            "Recipient with ID %s has no push token. Skipping push notification.", message.recipient.lms_user_id
        )
        log.exception.assert_called_once_with("Failed to send push notification to %s", "token")


class TestRendering:
    """Messages that sites render and send themselves."""

    def test_a_site_renders_and_sends_by_itself(self, heard):
        """
        With the class of the channel throughout.
        """
        message = a_message(options={"from_address": "course@example.com"})

        rendered = presentation.render(DjangoEmailChannel, message)
        html = DjangoEmailChannel.make_simple_html_template(rendered.head_html, rendered.body_html)
        send_ace_message_sent_signal(DjangoEmailChannel, message)

        assert EmailChannelMixin.get_from_address(message) == "course@example.com"
        assert EmailChannelMixin.get_subject(rendered) == "Welcome, Ann"
        assert html.index("<style>") < html.index("<p>Hello, Ann.</p>")
        assert (heard[0][0], heard[0][1]["uuid"]) == (DjangoEmailChannel, str(MESSAGE_UUID))

    @pytest.mark.parametrize("kind", [Mock, MagicMock])
    def test_channel_and_message_may_be_stand_ins(self, kind):
        """
        With the attributes that rendering always used.
        """
        message = kind(app_label="tests", context={"name": "Ann"}, language="en")
        message.name = "welcome"

        rendered = presentation.render(a_channel(), message)

        assert rendered == RenderedEmail(
            from_name="Campus",
            subject="Welcome, Ann",
            body_html="<p>Hello, Ann.</p>",
            head_html="<style>p { color: #123456 }</style>",
            body="Hello, Ann.",
        )
        assert attr.astuple(rendered)[:2] == ("Campus", "Welcome, Ann")

    @pytest.mark.parametrize("channel_type", [None, "fax", sentinel.fax])
    def test_a_type_without_renderer_is_unsupported(self, channel_type):
        """
        Whatever it is.
        """
        with pytest.raises(UnsupportedChannelError):
            presentation.render(Mock(channel_type=channel_type), a_message())

    def test_a_renderer_finds_templates_its_own_way(self):
        """
        A theme overrides the lookup.
        """
        looked_for = []

        class Themed(EmailRenderer):
            def get_template_for_message(self, channel, message, filename):
                looked_for.append(filename)
                return super().get_template_for_message(channel, message, filename)

        Themed().render(DjangoEmailChannel, a_message())

        assert looked_for == ["from_name.txt", "subject.txt", "body.html", "head.html", "body.txt"]

    @pytest.mark.parametrize(
        ("argument", "context", "links"),
        [
            ("", {}, "h=False;"),
            ("", {"omit_unsubscribe_link": True}, "h=True;"),
            ("omit_unsubscribe_link=omit_unsubscribe_link", {}, "h=False;"),
            ("omit_unsubscribe_link=omit_unsubscribe_link", {"omit_unsubscribe_link": True}, "h=True;"),
        ],
    )
    def test_action_links_as_base_templates_ask_for_them(self, argument, context, links):
        """
        Channels take the argument by name, or any.
        """

        class Links:
            def get_action_links(self, **kwargs):
                return [("h", kwargs["omit_unsubscribe_link"])]

        template = Template(
            "{% load acetags %}{% get_action_links channel " + argument + " as links %}"
            "{% for href, title in links %}{{ href }}={{ title }};{% endfor %}"
        )

        assert template.render(Context({"channel": Links(), **context})) == links
        assert template.render(Context({"channel": DjangoEmailChannel, **context})) == ""

    def test_the_signal_s_payload_is_plain_data(self, heard):
        """
        What JSON cannot hold is text; a message without recipient has empty ids.
        """
        send_ace_message_sent_signal(a_channel(), a_message(recipient=None, context={"course": [Site]}))

        payload = heard[0][1]
        assert json.loads(json.dumps(payload)) == payload
        assert payload["recipient"] == {"email": "", "user_id": ""}
        assert make_serializable_object({"a": {1}, "b": None}) == {"a": "{1}", "b": None}


class TestHelpers:
    """What else sites import."""

    def test_a_message_s_logger(self, caplog):
        """
        The log_id comes first, and a low log_level shows debug lines.
        """
        logger = a_message(log_level=10).get_message_specific_logger(logging.getLogger("site"))

        with caplog.at_level(logging.INFO, logger="site"):
            logger.debug("Sending %s", "it")

        assert isinstance(logger, MessageLoggingAdapter)
        assert caplog.messages == [f"[tests.welcome.{SEND_UUID}.{MESSAGE_UUID}] Sending it"]
        assert Message("a", "b", None).log_id.startswith("a.b.no_send_uuid.")

    def test_once_calls_once(self):
        """
        Also where the result is None.
        """
        called = Mock(return_value=None)
        cached = once(called)

        assert (cached(), cached(), called.call_count) == (None, None, 1)
