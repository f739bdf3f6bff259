"""
Internal: what is refused where it enters, by its name and with what was expected; nothing is written.
"""

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from edx_ace import ChannelType, Recipient
from edx_ace.errors import ConfigurationError, InvalidMessageError
from edx_ace.outbox import Cancelled, FromSource, Source, State, cancel, enqueue, purge, requeue, sources, status
from edx_ace.outbox.errors import UnknownSourceError, UnserializableError
from edx_ace.outbox.models import Delivery, Payload
from tests.pipeline import Recorder, welcome

#: Moments of the calendar that UTC does not have.
TOO_LATE = datetime.max.replace(tzinfo=timezone(-timedelta(hours=5)))
TOO_EARLY = datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def channels(use_channels):
    """Email and push are there."""
    use_channels(mail=Recorder(), phones=Recorder(ChannelType.PUSH))


def with_uuid(uuid):
    message = welcome()
    message.uuid = uuid
    return message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([None], "takes a Message, a FromSource or an iterable of them, given None"),
        ([5], "given 5 \\(int\\)"),
        (["text"], "given 'text' \\(str\\)"),
        ([{}], "given {} \\(dict\\)"),
        ([FromSource("a", 1, None)], "outline of a FromSource must be a Message, given None"),
        ([with_uuid("abc")], "uuid must be a UUID .*given 'abc'"),
        ([with_uuid(str(uuid4()))], "uuid must be a UUID"),
        ([welcome(language=5)], "language must be a language code .*given 5"),
        ([welcome(expiration_time=TOO_LATE)], "expiration_time must lie in the years"),
    ],
)
def test_what_is_no_message_is_refused(arguments, expected):
    """
    Whatever it is.
    """
    with pytest.raises((TypeError, InvalidMessageError), match=expected):
        enqueue(*arguments)

    assert not Payload.objects.exists()


@pytest.mark.parametrize("moment", ["tomorrow", date(2030, 1, 1), 5, TOO_LATE, TOO_EARLY])
def test_what_is_no_moment_is_refused(moment):
    """
    Nor is one that UTC does not have.
    """
    with pytest.raises((TypeError, ValueError), match="send_at must"):
        enqueue(welcome(), send_at=moment)


@pytest.mark.parametrize("moment", [datetime.max, datetime.min, datetime.max.replace(tzinfo=UTC)])
def test_any_other_moment_is_kept(moment):
    """
    However far.
    """
    assert enqueue(welcome(), send_at=moment).messages == 1


@pytest.mark.parametrize("key", [7, b"x", uuid4(), "", "x" * 256, "a\0b", "a\ud800", "a "])
def test_what_can_be_no_key_is_refused_wherever_it_is_given(key):
    """
    By the function that gives each message's, too, and where a message is looked for.
    """
    for use in (
        lambda: enqueue(welcome(), idempotency_key=key),
        lambda: enqueue([welcome()], idempotency_key=lambda message: key),
        lambda: cancel(idempotency_key=key),
        lambda: requeue(idempotency_key=key),
        lambda: status(idempotency_key=key),
    ):
        with pytest.raises((TypeError, ValueError), match="An idempotency key"):
            use()

    assert not Payload.objects.exists()


def test_no_deliveries_are_none():
    """
    A list may be empty, as what a caller looked for may be.
    """
    enqueue(welcome())
    Delivery.objects.update(state=State.FAILED)

    assert requeue(deliveries=[]) == 0
    assert cancel(deliveries=Delivery.objects.none()) == Cancelled(0, 0)


@pytest.mark.parametrize("code", [5, b"poison", "a\0b"])
def test_what_is_no_code_is_refused(code):
    """
    It would find nothing, and nobody would know why.
    """
    with pytest.raises((TypeError, ValueError), match="A code "):
        requeue(code=code)


def test_a_number_that_is_too_long_to_be_written_is_refused():
    """
    Python writes no more than some thousand digits.
    """
    with pytest.raises(UnserializableError, match="cannot be written"):
        enqueue(welcome(context={"name": 10**5000}))


def test_a_moment_whose_zone_has_no_offset_is_read_as_utc():
    """
    As one without a zone: not by the clock of the machine.
    """

    class Nowhere(tzinfo):
        def utcoffset(self, moment):
            return None

    enqueue(welcome(), send_at=datetime(2030, 1, 1, 12, tzinfo=Nowhere()), limit_to_channels=["email"])

    assert Delivery.objects.get().due_at == datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_ids_of_people_that_a_database_does_not_keep_are_kept_as_digests():
    """
    Different people stay different, be it by a space at the end, which MariaDB ignores.
    """
    send = uuid4()
    ids = ["a", "a ", "a\0", "a\ud800", "a\ud800" * 200, -5, "😀"]

    enqueued = enqueue(
        (
            welcome(send_uuid=send, recipient=Recipient(person, f"p{index}@example.com"))
            for index, person in enumerate(ids)
        ),
        limit_to_channels=["email"],
    )

    assert (enqueued.messages, enqueued.known) == (len(ids), 0)
    assert {"a", "-5", "😀"} < set(Delivery.objects.values_list("recipient", flat=True))


@pytest.mark.parametrize("operation", [cancel, requeue, status])
@pytest.mark.parametrize("given", ["nonsense", 5, [uuid4()], 1.5])
def test_what_is_no_uuid_is_refused(operation, given):
    """
    Of a message as of a send; nothing is looked for.
    """
    with pytest.raises(ValueError, match="Expected the UUID of a message"):
        operation(given)
    with pytest.raises(ValueError, match="Expected the UUID of a batch"):
        operation(batch=given)


@pytest.mark.parametrize("operation", [cancel, requeue])
@pytest.mark.parametrize("given", [5, "12", b"12", ["x"], [None], [1.5], [True], [2**64]])
def test_what_are_no_primary_keys_is_refused(operation, given):
    """
    The digits of a text least of all: they would stop others.
    """
    with pytest.raises(TypeError, match="deliveries must be a list of primary keys"):
        operation(deliveries=given)


@pytest.mark.parametrize("older_than", [5, "1d", timedelta(0), timedelta(days=-1)])
def test_what_is_no_age_is_refused(older_than):
    """
    None at all would delete what ended a moment ago, or what the settings say.
    """
    with pytest.raises((TypeError, ValueError), match="older_than must be"):
        purge(older_than)


def test_nothing_is_older_than_the_calendar():
    """
    Neither for the function nor for the command.
    """
    assert purge(timedelta.max).deliveries == 0
    out = StringIO()
    call_command("ace_outbox", "purge", older_than=timedelta(days=999_999_999), stdout=out)
    assert "0 deliveries" in out.getvalue()


@pytest.mark.parametrize("source", [Source(5, print), Source("tests.broken", 5)])
def test_what_is_no_source_is_not_registered(source):
    """
    It would fail in a worker.
    """
    with pytest.raises(ConfigurationError, match="A source has a name"):
        sources.register(source)


@pytest.mark.parametrize("name", [5, []])
def test_what_names_no_source_is_refused(name):
    """
    Whatever its type.
    """
    with pytest.raises(UnknownSourceError, match="No source called"):
        enqueue(FromSource(name, 1, welcome()))


@pytest.mark.parametrize("key", ["", "a ", "x" * 256])
def test_the_command_refuses_what_can_be_no_key(key):
    """
    With a sentence.
    """
    with pytest.raises(CommandError, match="An idempotency key"):
        call_command("ace_outbox", "cancel", f"--key={key}")
