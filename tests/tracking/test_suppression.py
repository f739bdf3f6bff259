"""
Internal: addresses that must not be used.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from edx_ace import Recipient, ace
from edx_ace.channel import ChannelType
from edx_ace.errors import InvalidMessageError, UnknownCategoryError
from edx_ace.outbox import State, enqueue, status
from edx_ace.outbox.models import Delivery
from edx_ace.policy import channels_for_many
from edx_ace.tracking import Reason, lift, suppress
from edx_ace.tracking.errors import ImportRefusedError, SuppressionError
from edx_ace.tracking.models import PASSED_BY_ESSENTIAL, Suppression, SuppressionChange
from edx_ace.tracking.suppression import export_list, import_list
from tests.outbox.test_worker import work
from tests.pipeline import Recorder, welcome

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"
ESSENTIAL = {"tests.welcome": {"essential": True}}


def test_nothing_is_sent_to_a_suppressed_address(channel):
    """
    However it is written, and the report says why.
    """
    assert suppress("Ann <ANN@Example.com>", Reason.MANUAL, who="bob")

    report = ace.send(welcome())

    assert channel.delivered == []
    assert report[ChannelType.EMAIL].code == "suppressed"
    assert "manual" in report[ChannelType.EMAIL].reason
    assert ANN not in report[ChannelType.EMAIL].reason


@pytest.mark.parametrize("reason", list(Reason))
def test_essential_messages_pass_what_says_nothing_about_the_mailbox(channel, settings, reason):
    """
    A complaint does not keep a password from anybody; a mailbox that does not exist does. So say policy and guard.
    """
    settings.ACE_MESSAGE_TYPES = ESSENTIAL
    suppress(ANN, reason, who="bob")
    passes = reason in (Reason.COMPLAINT, Reason.SOFT_BOUNCES, Reason.UNSUBSCRIBED)

    assert (reason in PASSED_BY_ESSENTIAL) == passes
    assert bool(ace.send(welcome())) == passes
    settings.ACE_ENABLED_POLICIES = []
    enqueue(message := welcome())
    work()
    assert status(message).states == {State.SENT if passes else State.SKIPPED: 1}


def test_the_reason_is_the_same_whatever_language_is_active(channel):
    """
    It is kept with the delivery, for staff who may speak another one than the recipient.
    """
    suppress(ANN, Reason.HARD_BOUNCE, who="bob")

    with translation.override("de"):
        report = ace.send(welcome())

    assert report[ChannelType.EMAIL].reason == "The address is suppressed (hard_bounce)."


def test_a_complaint_does_not_hide_a_bounce(channel, settings):
    """
    Whichever came last.
    """
    settings.ACE_MESSAGE_TYPES = ESSENTIAL
    suppress(ANN, Reason.HARD_BOUNCE, who="provider")
    suppress(ANN, Reason.COMPLAINT, who="provider")

    assert not ace.send(welcome())


def test_what_is_suppressed_after_the_policy_was_asked_gets_no_permit(channel, settings):
    """
    The guard looks at the last moment, by the address of the delivery.
    """
    settings.ACE_ENABLED_POLICIES = []
    enqueue(message := welcome())
    suppress(ANN, Reason.MANUAL, who="bob")

    work()

    [row] = Delivery.objects.all()
    assert (row.state, row.code) == (State.SKIPPED, "suppressed")
    assert channel.delivered == []
    assert status(message).states == {State.SKIPPED: 1}


def test_what_a_worker_has_prepared_is_taken_from_it(channel):
    """
    No permit is given by what was true before.
    """
    enqueue(welcome())
    Delivery.objects.update(state=State.CLAIMED, claims=1, fence=4)

    suppress(ANN, Reason.MANUAL, who="bob")

    row = Delivery.objects.get()
    assert (row.state, row.fence) == (State.QUEUED, 5)


def test_a_suppression_may_be_for_a_category(channel, settings):
    """
    Others go on.
    """
    settings.ACE_CATEGORIES = {"news": {"label": "News"}, "offers": {"label": "Offers"}}
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}}
    suppress(ANN, Reason.MANUAL, who="bob", category="offers")
    assert ace.send(welcome())

    suppress(ANN, Reason.MANUAL, who="bob", category="news")
    assert not ace.send(welcome())
    settings.ACE_ENABLED_POLICIES = []
    enqueue(message := welcome())
    work()
    assert status(message).states == {State.SKIPPED: 1}


def test_a_suppression_is_for_a_channel(use_channels):
    """
    Who cannot be reached by mail may be by SMS.
    """
    use_channels(mail=Recorder(), text=Recorder(ChannelType.SMS))
    suppress("+4930123", Reason.MANUAL, who="bob", channel_type="sms")
    message = welcome(recipient=Recipient(None, ANN, addresses={"sms": "+4930123"}))

    [allowed] = channels_for_many([message])

    assert ChannelType.EMAIL in allowed and ChannelType.SMS not in allowed


def test_a_suppression_expires(channel):
    """
    By the database's clock.
    """
    now = datetime.now(UTC)
    suppress(ANN, Reason.SOFT_BOUNCES, who="provider", expires_at=now - timedelta(minutes=1))
    assert ace.send(welcome())

    suppress(ANN, Reason.SOFT_BOUNCES, who="provider", expires_at=now + timedelta(days=1))
    assert not ace.send(welcome())


def test_what_is_suppressed_for_longer_stays_so():
    """
    A moment does not shorten "until it is lifted".
    """
    later = datetime(2040, 1, 1, tzinfo=UTC)
    assert suppress(ANN, Reason.MANUAL, who="bob", expires_at=later)
    assert suppress(ANN, Reason.MANUAL, who="bob")
    assert not suppress(ANN, Reason.MANUAL, who="bob", expires_at=later)

    assert Suppression.objects.get().expires_at is None
    assert SuppressionChange.objects.count() == 2


def test_lifting_leaves_a_line(channel):
    """
    Of who did it, when and why, without the address.
    """
    suppress(ANN, Reason.HARD_BOUNCE, who="postmark", why=f"550 5.1.1 <{ANN}> unknown")
    suppress(ANN, Reason.COMPLAINT, who="postmark")

    assert lift("ANN@example.com", who="bob", why="She has a new mailbox.", reason=Reason.HARD_BOUNCE) == 1
    assert lift(ANN, who="bob") == 1
    assert lift(ANN, who="bob") == 0

    assert ace.send(welcome())
    lines = SuppressionChange.objects.order_by("pk").values_list("action", "reason", "who", "why")
    assert list(lines) == [
        ("added", "hard_bounce", "postmark", "550 5.1.1 <(address)> unknown"),
        ("added", "complaint", "postmark", ""),
        ("lifted", "hard_bounce", "bob", "She has a new mailbox."),
        ("lifted", "complaint", "bob", ""),
    ]
    assert all(ANN not in str(one) for one in SuppressionChange.objects.values())


def test_an_erased_address_stays_suppressed(channel):
    """
    By its digest, whichever of the site's keys that was made with.
    """
    suppress(ANN, Reason.MANUAL, who="bob")
    Suppression.objects.update(address=None)

    assert not ace.send(welcome())


def test_a_suppression_of_before_a_key_was_added_counts(channel, settings):
    """
    Also before ``ace_rehash`` ran.
    """
    settings.ACE_ADDRESS_KEYS = ["one"]
    suppress(ANN, Reason.MANUAL, who="bob")
    settings.ACE_ADDRESS_KEYS = ["one", "two"]

    assert not ace.send(welcome())
    assert lift(ANN, who="bob") == 1


@pytest.mark.parametrize("other", ["\u0430nn@example.com", "ann\u212a@example.com", "anna@example.com"])
def test_an_address_that_looks_like_another_suppresses_nobody_else(channel, other):
    """
    Nobody silences somebody else by a letter that looks like theirs.
    """
    suppress(other, Reason.COMPLAINT, who="provider")

    assert ace.send(welcome())
    assert ace.send(welcome(recipient=Recipient(None, "annk@example.com")))


def test_all_messages_of_a_batch_share_one_query(channel):
    """
    However many there are.
    """
    suppress("ann3@example.com", Reason.MANUAL, who="bob")
    messages = [welcome(recipient=Recipient(None, f"ann{number}@example.com")) for number in range(50)]

    with CaptureQueriesContext(
        connection,
    ) as queries:
        allowed = channels_for_many(messages)

    assert len(queries) == 1
    assert [number for number, types in enumerate(allowed) if ChannelType.EMAIL not in types] == [3]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"address": "a@example.com, b@example.com"}, InvalidMessageError, "expected one mailbox"),
        ({"address": ""}, InvalidMessageError, "expected one mailbox"),
        ({"reason": "whim"}, SuppressionError, "Expected one of hard_bounce"),
        ({"channel_type": "pigeon"}, SuppressionError, "Expected a channel type"),
        ({"category": "nws"}, UnknownCategoryError, "Expected the name of a category"),
        ({"expires_at": datetime(2040, 1, 1)}, SuppressionError, "aware"),
        ({"channel_type": "sms", "address": ""}, SuppressionError, "Expected an address"),
    ],
)
def test_what_cannot_be_suppressed_is_refused(arguments, error, text):
    """
    Nothing is written.
    """
    with pytest.raises(error, match=text):
        suppress(**{"address": ANN, "reason": "manual", "who": "bob", **arguments})

    assert not SuppressionChange.objects.exists()


def test_a_rollback_takes_it_back(channel):
    """
    It is a part of the caller's transaction.
    """
    with pytest.raises(RuntimeError), transaction.atomic():
        suppress(ANN, Reason.MANUAL, who="bob")
        raise RuntimeError

    assert ace.send(welcome())


def test_a_list_is_exported_and_imported_as_it_was(settings):
    """
    Addresses that were erased are not in it.
    """
    settings.ACE_CATEGORIES = {"news": {"label": "News"}}
    suppress(ANN, Reason.HARD_BOUNCE, who="bob")
    suppress(ANN, Reason.HARD_BOUNCE, who="bob", category="news")
    # Longer than the column, as some devices have them.
    suppress("x" * 300, Reason.MANUAL, who="bob", channel_type="push")
    suppress("+4930123", Reason.MANUAL, who="bob", channel_type="sms", expires_at=datetime(2040, 1, 1, tzinfo=UTC))
    suppress("erased@example.com", Reason.MANUAL, who="bob")
    Suppression.objects.filter(address="erased@example.com").update(address=None)
    fields = ("digest", "channel_type", "category", "reason", "expires_at")
    before = list(Suppression.objects.exclude(address=None).order_by("pk").values(*fields))
    file = io.StringIO(newline="")

    assert export_list(file) == 4
    Suppression.objects.all().delete()
    file.seek(0)
    assert import_list(file, who="carol") == 4

    assert list(Suppression.objects.order_by("pk").values(*fields)) == before
    assert SuppressionChange.objects.filter(who="carol").count() == 4


def test_a_list_with_wrong_rows_is_not_imported():
    """
    All of them are named, and nothing is half imported.
    """
    lines = ["address,reason,expires_at"]
    lines += [f"ann{number}@example.com,," for number in range(600)]
    lines += ["no address,,", "ann@example.com,whim,", "ann@example.com,,tomorrow", "too@example.com,few", "\x00,,"]

    with pytest.raises(ImportRefusedError, match="5 rows cannot be imported") as refused:
        import_list(io.StringIO("\n".join(lines)), who="bob")

    assert [line for line, _ in refused.value.rows] == [602, 603, 604, 605, 606]
    assert not Suppression.objects.exists() and not SuppressionChange.objects.exists()


@pytest.mark.parametrize("text", ["", "mail\nann@example.com", "address,colour\nann@example.com,red"])
def test_a_list_without_the_names_of_its_columns_is_refused(text):
    """
    A list that begins with an address would lose it.
    """
    with pytest.raises(ImportRefusedError) as refused:
        import_list(io.StringIO(text), who="bob")

    assert "Expected the columns address" in refused.value.rows[0][1]


def test_a_long_list_is_imported_with_few_queries(django_assert_max_num_queries):
    """
    A row that comes twice counts once.
    """
    text = "address\n" + "".join(f"ann{number}@example.com\n" for number in range(1000)) + "ANN0@example.com\n"

    with django_assert_max_num_queries(40):
        assert import_list(io.StringIO(text), who="bob") == 1000

    assert Suppression.objects.filter(reason=Reason.IMPORTED).count() == 1000
