"""
Internal: what enqueueing writes, refuses and recognises.
"""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import transaction

from edx_ace import ChannelType, MessageType, Recipient
from edx_ace.errors import ConfigurationError, InvalidMessageError, UnknownChannelError, UnsupportedChannelError
from edx_ace.outbox import (
    Priority,
    Referred,
    Source,
    State,
    enqueue,
    enqueue_references,
    enqueueing,
    notes,
    sources,
    status,
)
from edx_ace.outbox.errors import IdempotencyKeyError, UnserializableError
from edx_ace.outbox.leases import Note
from edx_ace.outbox.models import Attempt, Delivery, Payload
from tests.pipeline import Recorder, welcome

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def channels(use_channels):
    """Email and push are there."""
    use_channels(mail=Recorder(), phones=Recorder(ChannelType.PUSH))


def people(number, **fields):
    """Yield messages of one send to that many people."""
    for index in range(number):
        yield welcome(recipient=Recipient(index + 1, f"person{index}@example.com"), **fields)


def test_a_message_waits_for_each_channel_that_it_could_use():
    """
    In the outbox it is queued, due now, with what guards and figures need to know.
    """
    message = welcome(send_uuid=uuid4(), recipient=Recipient(7, "Ann <Ann@Example.com>"))

    enqueued = enqueue(message)

    assert (enqueued.uuid, enqueued.messages, enqueued.known) == (message.uuid, 1, 0)
    email, push = Delivery.objects.order_by("channel_type")
    assert (email.state, email.recipient, email.address, email.batch) == (
        "queued",
        "7",
        "ann@example.com",
        message.send_uuid,
    )
    assert (push.channel_type, push.address, push.priority) == ("push", None, Priority.NORMAL)
    assert (email.channel, push.channel) == ("mail", "phones")
    assert status(message).states == {State.QUEUED: 2}


def test_nothing_remains_of_a_transaction_that_is_rolled_back():
    """
    The message is about something that did not happen.
    """
    with pytest.raises(RuntimeError), transaction.atomic():
        enqueue(welcome())
        raise RuntimeError

    assert not Payload.objects.exists()
    assert not Delivery.objects.exists()


def test_a_limit_leaves_the_other_channels_alone():
    """
    The name of a channel selects it.
    """
    enqueue(welcome(), limit_to_channels=["phones"])

    assert list(Delivery.objects.values_list("channel_type", "limited_to")) == [("push", "phones")]


def test_a_limit_to_a_type_without_channel_is_skipped_and_says_so():
    """
    Existing sites name channels in settings that not every environment enables.
    """
    message = welcome()
    enqueue(message, limit_to_channels=[ChannelType.SMS])

    assert list(Delivery.objects.values_list("state", "code")) == [("skipped", "no_channel")]


def test_moments_are_kept():
    """
    Not before the one, not after the other; naive ones are UTC.
    """
    enqueue(welcome(expiration_time=datetime(2031, 1, 1)), send_at=datetime(2030, 1, 1))

    delivery = Delivery.objects.first()
    assert delivery.due_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert delivery.expires_at == datetime(2031, 1, 1, tzinfo=UTC)


def test_an_essential_message_goes_first():
    """
    Unless the caller says otherwise.
    """
    enqueue(welcome(options={"transactional": True}), limit_to_channels=["email"])
    enqueue(welcome(options={"transactional": True}), limit_to_channels=["email"], priority=Priority.BULK)

    assert sorted(Delivery.objects.values_list("priority", flat=True)) == [Priority.BULK, Priority.ESSENTIAL]


def test_a_generator_of_many_is_written_in_a_few_statements(django_assert_max_num_queries):
    """
    A chunk at a time; the counts of their batch say how many there are.
    """
    batch = uuid4()

    # SQLite takes 999 values a statement with Django 5.2, which are those of 38 deliveries.
    with django_assert_max_num_queries(70):
        enqueued = enqueue(people(1200, send_uuid=batch), limit_to_channels=["email"])

    assert (enqueued.messages, enqueued.known) == (1200, 0)
    assert status(batch=batch).states == {State.QUEUED: 1200}


def test_a_person_and_an_address_get_one_message_of_a_send():
    """
    A loop that is started again enqueues only what is missing; what is left out is counted.
    """
    batch = uuid4()
    first = welcome(send_uuid=batch, recipient=Recipient(1, "ann@example.com"))
    enqueue(first)

    again = enqueue(welcome(send_uuid=batch, recipient=Recipient(1, "ann@example.com")))
    same_mailbox = enqueue(
        [welcome(send_uuid=batch, recipient=Recipient(2, "ANN@example.com")), *people(3, send_uuid=batch)],
        limit_to_channels=["email"],
    )
    another_send = enqueue(welcome(send_uuid=uuid4(), recipient=Recipient(1, "ann@example.com")))

    assert (again.uuid, again.messages, again.known) == (first.uuid, 0, 1)
    # Of the three, the first has the id of Ann.
    assert (same_mailbox.messages, same_mailbox.known) == (2, 2)
    assert another_send.messages == 1


def test_people_without_an_account_are_not_taken_for_one():
    """
    Existing code writes 0 or None for them.
    """
    batch = uuid4()
    messages = [
        welcome(send_uuid=batch, recipient=Recipient(number, f"{address}@example.com"))
        for number, address in [(0, "a"), (0, "b"), (None, "c"), (None, "d")]
    ]

    assert enqueue(messages, limit_to_channels=["email"]).messages == 4


def test_messages_without_a_send_are_never_taken_for_one():
    """
    Two messages built directly may go to the same person.
    """
    assert enqueue([welcome(), welcome()]).messages == 2


def test_the_same_message_is_enqueued_once():
    """
    It has one uuid and one Message-ID.
    """
    message = welcome()
    enqueue(message)

    assert enqueue(message).known == 1
    assert enqueue([message, message]).known == 2
    twice = welcome()
    assert enqueue([twice, twice]).messages == 1
    assert Payload.objects.count() == 2


def test_the_same_key_with_the_same_content_returns_the_first():
    """
    A caller that was interrupted tries again.
    """
    first = enqueue(welcome(), idempotency_key="receipt-1")
    second = enqueue(welcome(), idempotency_key="receipt-1")

    assert second.uuid == first.uuid
    assert (second.messages, second.known) == (0, 1)


def test_the_same_key_with_other_content_is_an_error():
    """
    The key or the message is a mistake.
    """
    enqueue(welcome(), idempotency_key="receipt-1")

    with pytest.raises(IdempotencyKeyError, match=r"'receipt-1' was used for another message, .*another key"):
        enqueue(welcome(context={"name": "Bob"}), idempotency_key="receipt-1")


def test_keys_of_many_messages_come_from_a_function():
    """
    One text cannot name many messages.
    """
    batch = list(people(3))
    key_of = lambda message: f"week-1-{message.recipient.lms_user_id}"  # noqa: E731  # as a caller writes it

    assert enqueue(batch, idempotency_key=key_of).messages == 3
    assert enqueue(people(4), idempotency_key=key_of).messages == 1
    with pytest.raises(ValueError, match="idempotency_key names one message, given 'week-1' for an iterable"):
        enqueue(people(1), idempotency_key="week-1")


@pytest.mark.django_db(transaction=True)
def test_threads_that_use_one_key_enqueue_one_message(at_once):
    """
    Whoever comes second gets the message of the first.
    """
    results = at_once(lambda: enqueue(welcome(), idempotency_key="once"), threads=20)

    assert len({result.uuid for result in results}) == 1
    assert sum(result.messages for result in results) == 1
    assert Payload.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"recipient": Recipient(7, "a@example.com, b@example.com")}, "expected one mailbox"),
        ({"recipient": Recipient(7)}, "No email address of the recipient: expected one mailbox"),
        ({"recipient": None}, "No email address of the recipient: expected one mailbox"),
        ({"headers": {"Sender": "x"}}, "Header 'Sender' is written by the library"),
        ({"headers": {"X-A": "b\nc"}}, "expected one line of text"),
        ({"options": {"cc": "nobody"}}, r"address in options\['cc'\] is 'nobody'"),
        ({"options": {"from_address": "nobody"}}, "sender's address is 'nobody'"),
        ({"options": {"attachments": [("../x", "y")]}}, "expected a plain file name"),
        ({"app_label": "../x"}, "app_label must name one folder"),
        ({"context": {"a": "\x00"}}, "must be text that can be encoded"),
        ({"context": {"a": object()}}, r"context\['a'\] must be plain data"),
    ],
)
def test_bad_input_is_refused_where_it_enters(fields, expected):
    """
    As `send` refuses it, and before anything is written.
    """
    with pytest.raises(InvalidMessageError, match=expected):
        enqueue(welcome(**fields), limit_to_channels=["email"])

    assert not Payload.objects.exists()


def test_one_bad_address_among_many_ends_as_failed_and_says_why():
    """
    The others are not affected.
    """
    messages = [*people(2), welcome(recipient=Recipient(9, "not an address"))]

    assert enqueue(messages, limit_to_channels=["email"]).messages == 3

    assert sorted(Delivery.objects.values_list("state", "code")) == [
        ("failed", "bad_address"),
        ("queued", ""),
        ("queued", ""),
    ]


@pytest.fixture
def noted():
    """Let a sub-app note the address of each delivery that enters the outbox; return a function that says which."""
    sql = (
        "INSERT INTO ace_outbox_attempt (delivery_id, at, outcome, code, reply) "
        "SELECT id, created_at, 'noted', %s, '' FROM {moved}"
    )

    def write(from_state, to_state):
        return [] if from_state else [Note(sql, [str(to_state)])]

    def found():
        return sorted(Attempt.objects.values_list("code", "delivery__payload", "delivery__channel_type"))

    notes.register(write)
    yield found
    notes.unregister(write)


def test_whoever_takes_notes_is_told_of_all_that_enters(noted):
    """
    Also of what fails at once, and only of what is new.
    """
    first, second = welcome(), welcome(recipient=Recipient(9, "not an address"))
    enqueue(first, limit_to_channels=["email"])
    enqueue([first, second])

    assert noted() == sorted(
        [
            ("queued", first.uuid, "email"),
            ("failed", second.uuid, "email"),
            ("queued", second.uuid, "push"),
        ]
    )


def test_whoever_takes_notes_is_told_of_references(noted, use_channels):
    """
    Over channel types for which there is no channel, too.
    """
    use_channels(mail=Recorder())
    uuids = sorted(uuid4() for _ in range(3))
    source = Source("tests.noted", lambda references: {})
    sources.register(source)
    try:
        references = [
            Referred(number, uuid, str(number), {"email": f"{number}@example.com"}) for number, uuid in enumerate(uuids)
        ]
        outline = welcome(recipient=None)
        enqueue_references("tests.noted", outline, references, limit_to_channels=["email", "push"])
    finally:
        sources.unregister(source)

    assert noted() == [*(("queued", uuid, "email") for uuid in uuids), *(("skipped", uuid, "push") for uuid in uuids)]


def test_a_message_that_another_channel_can_take_is_not_refused():
    """
    A person without a mailbox still gets the push notification.
    """
    message = welcome(recipient=Recipient(7))
    enqueue(message)

    assert status(message).states == {State.QUEUED: 1, State.FAILED: 1}


def test_one_message_that_cannot_be_kept_refuses_all_and_is_named():
    """
    Nothing is half written; a note says which message it is.
    """
    with pytest.raises(UnserializableError) as raised:
        enqueue([welcome(), welcome(context={"a": object()})])

    assert raised.value.__notes__ == ["It is message 1 of those to enqueue, counted from 0; none was enqueued."]
    assert not Payload.objects.exists()


@pytest.fixture
def say():
    """Return a function that lets the message type ``shop.payout`` say what becomes of what may have arrived."""

    class Payout(MessageType):
        APP_LABEL = "shop"

    def say(on_ambiguous):
        Payout.ON_AMBIGUOUS = on_ambiguous

    yield say
    Payout.APP_LABEL, Payout.ON_AMBIGUOUS = "elsewhere", None  # classes of a test outlive it


@pytest.mark.parametrize(
    ("by_class", "by_setting", "argument", "becomes"),
    [
        (None, {}, None, "repeat"),
        ("hold", {}, None, "hold"),
        ("hold", {"on_ambiguous": "repeat"}, None, "repeat"),
        ("hold", {"on_ambiguous": None}, None, "repeat"),
        (None, {"on_ambiguous": "hold"}, None, "hold"),
        ("hold", {}, "repeat", "repeat"),
        (None, {}, "hold", "hold"),
    ],
)
def test_a_type_says_what_becomes_of_what_may_have_arrived(say, settings, by_class, by_setting, argument, becomes):
    """
    The setting wins over the class, and the caller over both.
    """
    say(by_class)
    settings.ACE_MESSAGE_TYPES = {"shop.payout": by_setting}

    enqueue(welcome(app_label="shop", name="payout"), limit_to_channels=["email"], on_ambiguous=argument)

    assert Delivery.objects.get().on_ambiguous == becomes


def test_a_type_that_says_something_else_is_an_error(say):
    """
    Nothing is written, as nobody knows what it means.
    """
    say("never")

    with pytest.raises(ConfigurationError, match=r"'repeat', 'hold' or None as its ON_AMBIGUOUS.* given 'never'"):
        enqueue(welcome(app_label="shop", name="payout"))
    assert not Payload.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        ({"on_ambiguous": "retry"}, ValueError, "on_ambiguous must be one of 'repeat', 'hold', given 'retry'"),
        ({"priority": 9}, ValueError, "priority must be one of 0, 1, 2, given 9"),
        ({"limit_to_channels": ["pigeon"]}, UnknownChannelError, "given 'pigeon'"),
        ({"idempotency_key": ""}, ValueError, "An idempotency key has 1 to 255 characters, given 0"),
    ],
)
def test_a_wrong_argument_is_an_error(arguments, error, expected):
    """
    It says what was expected.
    """
    with pytest.raises(error, match=expected):
        enqueue(welcome(), **arguments)


def test_what_is_no_message_is_an_error():
    """
    It names the item.
    """
    with pytest.raises(TypeError, match="enqueue takes Messages and FromSources, but item 1 is 'x'"):
        enqueue([welcome(), "x"])


def test_a_site_without_channels_is_told(use_channels):
    """
    The message could never go.
    """
    use_channels()

    with pytest.raises(UnsupportedChannelError, match="Name one in ACE_ENABLED_CHANNELS"):
        enqueue(welcome())


def test_a_delivery_in_the_future_is_not_due():
    """
    Its time is the database's.
    """
    enqueue(welcome(), send_at=datetime.now(tz=UTC) + timedelta(hours=1), limit_to_channels=["email"])

    assert Delivery.objects.get().due_at > Delivery.objects.get().created_at


def test_large_messages_are_written_a_few_at_a_time():
    """
    MariaDB would close the connection at a statement of over 16 MB.
    """
    attachments = [("report.pdf", b"x" * 700_000, None)]

    enqueued = enqueue((welcome(options={"attachments": attachments}) for _ in range(20)), limit_to_channels=["email"])

    assert (enqueued.messages, Payload.objects.count()) == (20, 20)


def test_what_two_enqueue_at_once_is_sorted_out_one_by_one(monkeypatch):
    """
    Also where a message of the same call had been left out because another has its place.
    """
    send = uuid4()
    first, again = welcome(send_uuid=send), welcome(send_uuid=send)
    quick, slow = welcome(), welcome()
    look = enqueueing._known

    def look_and_be_late(entries, using):
        """Another commits between the look and the write."""
        known_as = look(entries, using)
        monkeypatch.setattr(enqueueing, "_known", look)
        enqueue(quick, idempotency_key="one")
        return known_as

    monkeypatch.setattr(enqueueing, "_known", look_and_be_late)
    keys = {slow.uuid: "one"}

    enqueued = enqueue([first, again, slow], idempotency_key=lambda message: keys.get(message.uuid))

    assert (enqueued.messages, enqueued.known) == (1, 2)
    assert set(Payload.objects.values_list("uuid", flat=True)) == {first.uuid, quick.uuid}
