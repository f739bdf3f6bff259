"""
Internal: messages that their source gives when they are sent.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db.models import Q

from edx_ace import Recipient
from edx_ace.errors import ConfigurationError, InvalidMessageError, RecoverableChannelDeliveryError
from edx_ace.outbox import FromSource, Source, State, cancel, enqueue, guards, processing, requeue, sources, status
from edx_ace.outbox.errors import IdempotencyKeyError, UnknownSourceError, UnserializableError
from edx_ace.outbox.models import Delivery, Payload
from edx_ace.outbox.worker import MAX_CLAIMS
from edx_ace.presentation import render
from edx_ace.report import Skipped
from tests.outbox.test_worker import Killed, end_leases, make_due, work
from tests.pipeline import Scripted, welcome

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def source():
    """Return a function that registers a source for the time of the test; what it was asked for is in its `asked`."""
    registered = []

    def register(load, name="tests.people", keep=None):
        asked = []

        def recording(references):
            asked.append(list(references))
            return load(references)

        registered.append(Source(name, recording, keep))
        sources.register(registered[-1])
        return asked

    yield register
    for one in registered:
        sources.unregister(one)


def outline(user, **fields):
    """Return what is known beforehand of a message to *user*."""
    return welcome(recipient=Recipient(user.pk, user.email), context={}, **fields)


def from_people(users, **fields):
    """Yield what to enqueue for *users*."""
    for user in users:
        yield FromSource("tests.people", user.pk, outline(user, **fields))


def greetings(references):
    """Return a message to each user, as the user is now."""
    return {pk: outline_of_now(user) for pk, user in User.objects.in_bulk(references).items()}


def outline_of_now(user):
    return welcome(recipient=Recipient(user.pk, user.email), context={"name": user.first_name})


def make_users(number):
    return [User.objects.create(username=f"p{n}", first_name=f"P{n}", email=f"p{n}@example.com") for n in range(number)]


def codes():
    return sorted(Delivery.objects.values_list("state", "code"))


def test_a_message_says_what_is_true_when_it_is_sent(channel, source):
    """
    It is loaded then, under the uuid, the send and the expiry with which it was enqueued.
    """
    source(greetings)
    [user] = make_users(1)
    expiry = datetime.now(tz=UTC).replace(microsecond=0) + HOUR
    item = FromSource("tests.people", user.pk, outline(user, send_uuid=uuid4(), expiration_time=expiry))

    assert enqueue(item).uuid == item.outline.uuid
    User.objects.update(first_name="Anna")
    assert work() == "1 sent"

    [sent] = channel.delivered
    assert sent.context == {"name": "Anna"}
    assert (sent.uuid, sent.send_uuid, sent.expiration_time) == (item.outline.uuid, item.outline.send_uuid, expiry)


def test_a_claim_asks_a_source_once(channel, source, django_assert_num_queries):
    """
    However many messages it has, and whatever else is among them.
    """
    asked = source(greetings)
    users = make_users(30)
    enqueue([*from_people(users, send_uuid=uuid4()), welcome()])

    assert work() == "31 sent"

    assert [sorted(references) for references in asked] == [[user.pk for user in users]]


@pytest.mark.parametrize("reference", [7, "7:8", UUID(int=7)])
def test_a_reference_comes_back_as_it_was(channel, source, reference):
    """
    A number, a text or a UUID.
    """
    asked = source(lambda references: {one: welcome() for one in references})
    enqueue(FromSource("tests.people", reference, welcome()))

    assert work() == "1 sent"
    assert asked == [[reference]]


def test_a_reference_may_stand_in_several_messages(channel, source):
    """
    Each is a message of its own.
    """
    asked = source(greetings)
    [user] = make_users(1)
    items = [FromSource("tests.people", user.pk, outline(user, send_uuid=uuid4())) for _ in range(2)]
    enqueue(items)

    assert work() == "2 sent"

    assert asked == [[user.pk]]
    assert {sent.uuid for sent in channel.delivered} == {item.outline.uuid for item in items}


def test_a_retry_has_the_same_uuid_and_is_loaded_anew(use_channels, source):
    """
    So that its Message-ID stays the same.
    """
    channel = Scripted(RecoverableChannelDeliveryError("busy", code="smtp_450"))
    use_channels(mail=channel)
    asked = source(greetings)
    [user] = make_users(1)
    [item] = from_people([user])
    enqueue(item)

    work()
    make_due()
    assert work() == "1 sent"

    assert len(asked) == 2
    assert channel.delivered[0].uuid == item.outline.uuid


def test_a_person_and_an_address_get_one_message_of_a_send(channel, source):
    """
    As of messages that are enqueued whole.
    """
    source(greetings)
    users, batch = make_users(3), uuid4()
    enqueue(from_people(users[:2], send_uuid=batch))

    again = enqueue(from_people(users, send_uuid=batch))

    assert (again.messages, again.known) == (1, 2)
    assert work() == "3 sent"


def test_the_same_key_names_the_same_reference(source):
    """
    Another one under it is an error.
    """
    source(greetings)
    users = make_users(2)
    first, again, other = from_people([users[0], users[0], users[1]])
    enqueue(first, idempotency_key="greeting")

    assert enqueue(again, idempotency_key="greeting").uuid == first.outline.uuid
    with pytest.raises(IdempotencyKeyError, match="'greeting' was used for another message"):
        enqueue(other, idempotency_key="greeting")


def test_what_its_source_no_longer_has_is_skipped(channel, source):
    """
    The others go out.
    """
    source(greetings)
    users = make_users(3)
    enqueue(from_people(users))
    users[1].delete()

    work()

    assert codes() == [("sent", ""), ("sent", ""), ("skipped", "reference_gone")]
    assert "'tests.people' has no message for" in Delivery.objects.get(state="skipped").reason


@pytest.mark.parametrize("content", ["", "{", "null", "[7]", '{"$ace": "uuid", "value": "7"}', '{"$ace": "what"}'])
def test_a_reference_that_cannot_be_read_stops_its_message_alone(channel, source, content):
    """
    Somebody changed the row, or another release wrote it.
    """
    source(greetings)
    enqueue([*from_people(make_users(2)), welcome()])
    Payload.objects.filter(pk=Payload.objects.exclude(source="").first().pk).update(content=content)

    work()

    assert codes() == [("failed", "unserializable"), ("sent", ""), ("sent", "")]


def test_a_source_may_say_why_there_is_no_message(channel, source):
    """
    With a code and a reason of its own.
    """
    source(lambda references: {one: Skipped("nothing_new", "Nothing has happened.") for one in references})
    enqueue(FromSource("tests.people", 1, welcome()))

    work()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.code, delivery.reason) == ("skipped", "nothing_new", "Nothing has happened.")


def test_what_a_source_fails_for_is_found_and_put_off(channel, source, settings):
    """
    The others of the claim go out at once; it fails when its attempts are spent.
    """
    settings.ACE_OUTBOX_MAX_ATTEMPTS = 2

    def load(references):
        if users[5].pk in references:
            raise ZeroDivisionError
        return greetings(references)

    asked = source(load)
    users = make_users(20)
    enqueue(from_people(users))

    work()

    assert status_codes() == {("sent", ""): 19, ("queued", "source_error"): 1}
    assert len(asked) < 12
    make_due()
    work()
    assert status_codes() == {("sent", ""): 19, ("failed", "source_error"): 1}
    assert (
        Delivery.objects.get(state="failed").reason
        == "The source 'tests.people' raised ZeroDivisionError; see the log."
    )


def status_codes():
    rows = codes()
    return {row: rows.count(row) for row in rows}


def test_a_message_that_a_source_refuses_fails_at_once(channel, source):
    """
    A repetition would be refused the same.
    """

    def load(references):
        if users[1].pk in references:
            raise InvalidMessageError("Its text is empty.", code="empty")
        return greetings(references)

    source(load)
    users = make_users(3)
    enqueue(from_people(users))

    work()

    assert codes() == [("failed", "empty"), ("sent", ""), ("sent", "")]


def test_a_source_that_is_slow_to_fail_does_not_hold_up_the_others(channel, source, monkeypatch):
    """
    It is not asked in ever smaller parts while they wait, and the lease runs out.
    """
    now = [0.0]

    def load(references):
        now[0] += 30
        raise TimeoutError

    asked = source(load)
    enqueue(from_people(make_users(10)))
    monkeypatch.setattr(processing, "time", SimpleNamespace(monotonic=lambda: now[0]))

    work()

    assert [len(references) for references in asked] == [10, 5, 5]
    assert status_codes() == {("queued", "source_error"): 10}


def test_a_reference_that_ends_its_worker_each_time_fails_and_the_others_go_out(channel, source):
    """
    After a while it is loaded alone, so that the others are not blamed.
    """

    def load(references):
        if users[1].pk in references:
            raise Killed
        return greetings(references)

    source(load)
    users = make_users(5)
    enqueue(from_people(users))

    for _ in range(2 * MAX_CLAIMS):
        with suppress(Killed):
            work()
        end_leases()

    assert status_codes() == {("sent", ""): 4, ("failed", "poison"): 1}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            lambda users: [],
            "Expected of the source 'tests.people' a mapping from references to messages, given a list.",
        ),
        (lambda users: None, "given a NoneType."),
        (
            lambda users: {user.pk: "Hello" for user in users},
            "a Message or Skipped for the reference {pk}, given a str.",
        ),
        (lambda users: {str(user.pk): outline_of_now(user) for user in users}, "{pk}, given '{pk}' instead."),
        (
            lambda users: {user.pk: welcome(recipient=Recipient("another", "a@example.com")) for user in users},
            "to another person than the one it was enqueued for.",
        ),
        (
            lambda users: {user.pk: welcome(recipient=None) for user in users},
            "to another person than the one it was enqueued for.",
        ),
    ],
)
def test_a_wrong_answer_of_a_source_is_named(channel, source, given, expected):
    """
    The message waits until somebody has repaired the source.
    """
    [user] = make_users(1)
    source(lambda references: given([user]))
    enqueue(from_people([user]))

    work()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.code, delivery.attempts) == ("queued", "bad_source", 1)
    assert delivery.reason.endswith(expected.format(pk=user.pk))


def test_a_source_that_is_gone_ends_its_messages_with_that_reason(channel, source, settings):
    """
    After a while, as a worker of the next release may know it; requeued, they go when it is back.
    """
    settings.ACE_OUTBOX_MAX_ATTEMPTS = 2
    source(greetings)
    [user] = make_users(1)
    enqueue(from_people([user]))
    registered = sources.get("tests.people")
    sources.unregister(registered)

    work()
    assert codes() == [("queued", "unknown_source")]
    make_due()
    work()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.code) == ("failed", "unknown_source")
    assert "No source called 'tests.people' is registered in this process" in delivery.reason
    sources.register(registered)
    assert requeue(delivery.payload_id) == 1
    assert work() == "1 sent"


def test_what_a_source_gives_is_checked(channel, source):
    """
    As what is enqueued whole is.
    """
    source(lambda references: {one: welcome(app_label="../x") for one in references})
    enqueue(FromSource("tests.people", 1, welcome()))

    work()

    assert codes() == [("failed", "invalid_message")]


def test_the_address_is_the_one_the_person_has_by_then(channel, source):
    """
    The row follows, for guards and figures go by it.
    """
    source(greetings)
    users = make_users(2)
    enqueue(from_people(users, send_uuid=uuid4()))
    User.objects.filter(pk=users[0].pk).update(email="Ann@new.example.com")
    User.objects.filter(pk=users[1].pk).update(email="bounced@example.com")
    guard = guards.Guard("suppressed", "The address bounced.", lambda: Q(address="bounced@example.com"))
    guards.register(guard)
    try:
        work()
    finally:
        guards.unregister(guard)

    assert list(Delivery.objects.order_by("pk").values_list("address", "state")) == [
        ("ann@new.example.com", "sent"),
        ("bounced@example.com", "skipped"),
    ]


def test_two_people_who_share_an_address_by_then_get_one_message_of_a_send(channel, source):
    """
    The second is skipped and says why.
    """
    source(greetings)
    users = make_users(2)
    enqueue(from_people(users, send_uuid=uuid4()))
    User.objects.update(email="both@example.com")

    work()

    assert codes() == [("sent", ""), ("skipped", "same_address")]


def test_an_address_that_cannot_be_used_by_then_fails_alone(channel, source):
    """
    As it would when it is enqueued.
    """
    source(greetings)
    users = make_users(2)
    enqueue(from_people(users))
    User.objects.filter(pk=users[0].pk).update(email="nobody")

    work()

    assert codes() == [("failed", "bad_address"), ("sent", "")]


def test_it_expires_and_is_cancelled_as_any_other(channel, source):
    """
    Its source is not even asked.
    """
    asked = source(greetings)
    users = make_users(2)
    late, unwanted = from_people(users, expiration_time=datetime.now(tz=UTC) - HOUR)
    enqueue([late, unwanted])
    cancel(unwanted.outline)

    assert work() == "1 expired"
    assert asked == []
    assert status(unwanted.outline).states == {State.CANCELLED: 1}


def test_an_essential_outline_goes_first(channel, source):
    """
    Its type is known before its text.
    """
    source(greetings)
    [user] = make_users(1)
    enqueue(from_people([user], options={"transactional": True}))

    assert Delivery.objects.get().priority == 2


@pytest.mark.parametrize(
    ("item", "error", "expected"),
    [
        (FromSource("tests.peple", 1, welcome()), UnknownSourceError, "'tests.peple' .*Did you mean 'tests.people'?"),
        (FromSource("tests.people", 1.5, welcome()), UnserializableError, "text, a whole number or a UUID, given 1.5"),
        (FromSource("tests.people", True, welcome()), UnserializableError, r"given True \(bool\)"),
        (
            FromSource("tests.people", 1, welcome(recipient=Recipient(1, "x"))),
            InvalidMessageError,
            "expected one mailbox",
        ),
    ],
)
def test_bad_input_is_refused_where_it_enters(channel, source, item, error, expected):
    """
    Nothing is written.
    """
    source(greetings)

    with pytest.raises(error, match=expected):
        enqueue(item)

    assert not Payload.objects.exists()


def test_a_name_belongs_to_one_source(source):
    """
    It stands in the rows.
    """
    source(greetings)

    with pytest.raises(ConfigurationError, match=r"There is a source called 'tests\.people' already"):
        sources.register(Source("tests.people", greetings))
    with pytest.raises(ConfigurationError, match="has 1 to 100 characters, given 0"):
        sources.register(Source("", greetings))
    sources.register(sources.get("tests.people"))


def test_many_references_are_streamed_in_small_rows(channel, source, django_assert_max_num_queries):
    """
    No query for each, and a payload holds the reference alone.
    """
    source(greetings)
    items = (
        FromSource("tests.people", n, welcome(recipient=Recipient(n, f"p{n}@example.com"), send_uuid=UUID(int=1)))
        for n in range(1, 1201)
    )

    # SQLite takes 999 values a statement with Django 5.2, which are those of 38 deliveries.
    with django_assert_max_num_queries(70):
        assert enqueue(items).messages == 1200

    assert list(Payload.objects.filter(content="77").values_list("source", flat=True)) == ["tests.people"]


def test_a_source_may_keep_what_was_rendered(source, channel):
    """
    Of all messages of a claim at once, each by its reference, with what is sent; another source is asked for nothing.
    """
    kept = []
    source(greetings, keep=kept.append)
    source(greetings, "tests.others")
    ann, bert, cora = make_users(3)
    enqueue([*from_people([ann, bert]), FromSource("tests.others", cora.pk, outline(cora))])
    work()

    [parcels] = kept
    assert sorted(reference for reference, _parcel in parcels) == [ann.pk, bert.pk]
    assert all(parcel.rendered == render(channel, parcel.message) for _reference, parcel in parcels)
    assert len(channel.delivered) == 3


def test_a_source_that_cannot_keep_it_stops_nothing(source, channel, caplog):
    """
    It is logged.
    """

    def keep(parcels):
        raise ValueError("no")

    source(greetings, keep=keep)
    enqueue(from_people(make_users(2)))
    work()

    assert codes() == [("sent", ""), ("sent", "")]
    assert "could not keep" in caplog.text
