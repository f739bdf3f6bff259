"""
Internal: many references that say the same but for whom they go to.
"""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from edx_ace import ChannelType, Recipient
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox import FromSource, Priority, Referred, Source, State, enqueue, enqueue_references, sources, status
from edx_ace.outbox.errors import UnknownSourceError
from edx_ace.outbox.models import Delivery, Payload
from edx_ace.outbox.people import address_key, person_key
from tests.pipeline import Recorder, welcome

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def source(use_channels):
    """Email and push are there, and the source of the messages."""
    use_channels(mail=Recorder(), phones=Recorder(ChannelType.PUSH))
    source = Source("tests.people", lambda references: {})
    sources.register(source)
    yield
    sources.unregister(source)


def referred(number, address=None, **fields):
    """Return the message to a person."""
    recipient = Recipient(number, address or f"person{number}@example.com")
    addresses = {"email": address_key(ChannelType.EMAIL, recipient.email_address)}
    return Referred(number, uuid4(), person_key(recipient), addresses, **fields)


def rows():
    """Return what the tables hold, but for what no two messages have in common."""
    names = [
        field.attname
        for field in Delivery._meta.concrete_fields
        if field.name not in ("id", "payload", "batch", "created_at", "due_at", "finished_at")
    ]
    ordered = Delivery.objects.order_by("payload__content", "channel_type")
    return list(ordered.values_list("payload__source", "payload__content", *names))


def test_they_become_what_enqueue_makes_of_each():
    """
    Row by row.
    """
    people = [referred(number) for number in range(1, 4)]
    fields = {"options": {"scope": "course:7", "category": "news"}, "context": {}}
    enqueued = enqueue_references(
        "tests.people",
        welcome(recipient=None, send_uuid=uuid4(), **fields),
        people,
        priority=Priority.BULK,
        on_ambiguous="hold",
    )
    of_references = rows()
    Payload.objects.all().delete()
    batch = uuid4()
    enqueue(
        [
            FromSource(
                "tests.people",
                one.reference,
                welcome(
                    recipient=Recipient(one.reference, one.addresses["email"]),
                    send_uuid=batch,
                    **fields,
                ),
            )
            for one in people
        ],
        priority=Priority.BULK,
        on_ambiguous="hold",
    )

    assert (enqueued.uuid, enqueued.messages, enqueued.known) == (people[0].uuid, 3, 0)
    assert of_references == rows()
    assert len(of_references) == 6


def test_those_that_are_there_already_are_known():
    """
    The same message, another to the same person, another to the same address.
    """
    outline = welcome(recipient=None, send_uuid=uuid4())
    first = [referred(1), referred(2)]
    enqueue_references("tests.people", outline, first, limit_to_channels=["email"])

    again = enqueue_references(
        "tests.people",
        outline,
        [first[0], referred(2, "else@example.com"), referred(3, "Person2@example.com"), referred(4)],
        limit_to_channels=["email"],
    )

    assert (again.messages, again.known) == (1, 3)
    assert status(batch=outline.send_uuid).states == {State.QUEUED: 3}


def test_each_may_have_its_moment():
    """
    The others are due now.
    """
    moment = datetime(2030, 1, 1, tzinfo=UTC)

    enqueue_references(
        "tests.people",
        welcome(recipient=None),
        [referred(1, due_at=moment), referred(2)],
        limit_to_channels=["email"],
    )

    later, now = Delivery.objects.order_by("recipient")
    assert later.due_at == moment
    assert now.due_at == now.created_at


def test_whoever_has_no_address_fails_over_what_needs_one():
    """
    Over what does not, it goes.
    """
    enqueue_references("tests.people", welcome(recipient=None), [Referred(1, uuid4(), "1", {})])

    assert sorted(Delivery.objects.values_list("channel_type", "state", "code")) == [
        ("email", "failed", "no_address"),
        ("push", "queued", ""),
    ]


def test_what_is_wrong_with_all_is_refused():
    """
    Before anything is written.
    """
    with pytest.raises(InvalidMessageError, match="Header 'Sender' is written by the library"):
        enqueue_references("tests.people", welcome(recipient=None, headers={"Sender": "x"}), [referred(1)])
    with pytest.raises(UnknownSourceError):
        enqueue_references("tests.peopel", welcome(recipient=None), [referred(1)])
    assert not Payload.objects.exists()


def test_none_is_none():
    """
    An audience may be empty.
    """
    assert enqueue_references("tests.people", welcome(recipient=None), []).messages == 0


def test_each_may_belong_to_a_send_of_its_own():
    """
    Which the counts know; those that name none belong to that of the outline.
    """
    batch, own = uuid4(), uuid4()
    people = [referred(1, batch=own), referred(2), referred(1)]
    for given in (people, people):
        # The second time all are there, which is another way to write them.
        enqueue_references("tests.people", welcome(recipient=None, send_uuid=batch), given, limit_to_channels=["email"])

    assert status(batch=own).states == {State.QUEUED: 1}
    assert status(batch=batch).states == {State.QUEUED: 2}
    assert set(Payload.objects.values_list("batch", "deliveries__recipient")) == {
        (own, "1"),
        (batch, "1"),
        (batch, "2"),
    }
