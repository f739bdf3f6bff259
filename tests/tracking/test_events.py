"""
Internal: what providers say about messages, in any order and however often.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import transaction

from edx_ace import Recipient, ace
from edx_ace.outbox import State, counts, enqueue
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.worker import sweep
from edx_ace.preferences import Taking, taking
from edx_ace.tracking import Kind, Reason, Recorded, record_event
from edx_ace.tracking.errors import BadEventError
from edx_ace.tracking.models import ProviderEvent, Suppression
from tests.outbox.test_worker import work
from tests.pipeline import welcome

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"


def say(kind, event_id="1", **fields):
    return record_event("postmark", kind, **{"address": ANN, "provider_id": "id-1", "event_id": event_id, **fields})


def state():
    return Delivery.objects.get().state


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["delivered"], State.DELIVERED),
        (["deferred"], State.SENT),
        (["deferred", "delivered"], State.DELIVERED),
        (["hard_bounce"], State.BOUNCED),
        (["soft_bounce"], State.BOUNCED),
        (["rejected"], State.BOUNCED),
        (["delivered", "hard_bounce"], State.BOUNCED),
        (["delivered", "complained"], State.COMPLAINED),
        # Late, and less well informed.
        (["hard_bounce", "delivered"], State.BOUNCED),
        (["complained", "delivered"], State.COMPLAINED),
        (["delivered", "deferred"], State.DELIVERED),
        (["unsubscribed"], State.SENT),
    ],
)
def test_a_delivery_moves_along_its_arrows(sent, kinds, expected):
    """
    A status that is better informed never goes back; every event is kept.
    """
    batch = sent().batch

    assert [say(kind, str(number)) for number, kind in enumerate(kinds)] == [Recorded.APPLIED] * len(kinds)

    assert state() == expected
    assert list(ProviderEvent.objects.order_by("pk").values_list("kind", flat=True)) == kinds
    if batch:
        assert counts.check(batch).differences == []


def test_counts_are_those_of_the_rows(channel):
    """
    They are appended in the same transaction.
    """
    messages = [welcome(recipient=Recipient(number, f"ann{number}@example.com")) for number in range(1, 4)]
    for message in messages:
        message.send_uuid = messages[0].uuid
    enqueue(messages)
    work()
    for row in Delivery.objects.exclude(address="ann3@example.com"):
        record_event("postmark", "delivered", address=row.address, provider_id=row.provider_id)

    checked = counts.check()
    assert checked.differences == [] and checked.batches == 1
    assert counts.of_batch(messages[0].uuid, "default") == {State.DELIVERED: 2, State.SENT: 1}


def test_an_event_counts_once(sent):
    """
    Whoever repeats it after a lost answer changes nothing.
    """
    sent()
    at = datetime(2026, 1, 1, tzinfo=UTC)

    assert say("delivered") is Recorded.APPLIED
    assert say("delivered") is Recorded.KNOWN
    # Without an id it is the moment that tells one from another.
    assert say("complained", "", at=at) is Recorded.APPLIED
    assert say("complained", "", at=at) is Recorded.KNOWN
    assert say("complained", "", at=at + timedelta(seconds=1)) is Recorded.APPLIED
    assert ProviderEvent.objects.count() == 3


@pytest.mark.parametrize(
    "other",
    [
        {"provider_id": "id-2"},
        {"provider_id": "ID-1"},
        {"address": "bob@example.com"},
        {"address": "\u0430nn@example.com"},
        {"channel_type": "sms"},
    ],
)
def test_an_event_touches_only_what_it_is_about(sent, other):
    """
    Both the provider's id and the recipient have to be those of the delivery.
    """
    sent()

    assert say("hard_bounce", **other) is Recorded.WAITING

    assert state() == State.SENT
    assert ProviderEvent.objects.get().delivery is None


def test_the_recipient_may_be_written_in_another_way(sent):
    """
    Providers write it as they like.
    """
    sent()

    assert say("delivered", address="ANN@Example.com") is Recorded.APPLIED


def test_an_event_of_before_the_commit_waits_for_it(channel):
    """
    The sweep applies it when the delivery is there; the address is kept no longer than that.
    """
    assert say("delivered") is Recorded.WAITING
    assert ProviderEvent.objects.get().address == ANN
    enqueue(welcome())
    work()
    assert state() == State.SENT

    sweep()

    event = ProviderEvent.objects.get()
    assert state() == State.DELIVERED
    assert (event.delivery_id, event.is_waiting, event.address) == (Delivery.objects.get().pk, False, None)


def test_an_event_about_what_is_being_handed_over_waits(sent):
    """
    No arrow leads from there.
    """
    row = sent()
    Delivery.objects.update(state=State.HANDING)
    assert say("hard_bounce", provider_id="", message=row.payload_id) is Recorded.WAITING
    sweep()
    assert state() == State.HANDING

    Delivery.objects.update(state=State.SENT)
    sweep()

    assert state() == State.BOUNCED
    assert not ProviderEvent.objects.filter(is_waiting=True).exists()


def test_an_event_that_waited_too_long_is_of_no_delivery():
    """
    Other programs may send over the same account.
    """
    say("delivered")
    ProviderEvent.objects.update(received_at=datetime.now(UTC) - timedelta(hours=2))

    sweep()

    event = ProviderEvent.objects.get()
    assert (event.is_waiting, event.address) == (False, None)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("hard_bounce", Reason.HARD_BOUNCE), ("complained", Reason.COMPLAINT), ("unsubscribed", Reason.UNSUBSCRIBED)],
)
def test_some_events_suppress_the_address_at_once(sent, channel, kind, reason):
    """
    In the same transaction, and also if the message went by another program.
    """
    say(kind, provider_id="of-another-program", detail=f"550 5.1.1 <{ANN}> unknown")

    suppression = Suppression.objects.get()
    assert (suppression.reason, suppression.address, suppression.category) == (reason, ANN, "")
    assert not ace.send(welcome())


def test_unsubscribing_at_the_provider_is_for_the_category(sent, settings):
    """
    Of the message that had the link.
    """
    settings.ACE_CATEGORIES = {"news": {"label": "News"}}
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}}
    sent()

    say("unsubscribed")

    assert Suppression.objects.get().category == "news"


def test_unsubscribing_at_the_provider_is_a_choice_where_people_choose(sent, settings):
    """
    So that they find it in the preference centre, and can turn it on again.
    """
    settings.ACE_CATEGORIES = {"news": {"label": "News"}, "bills": {"label": "Bills", "can_be_turned_off": False}}
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}, "tests.greeting": {"category": "bills"}}
    settings.ACE_ENABLED_POLICIES = ["preference", "suppression"]
    sent(recipient=Recipient(7, ANN))
    sent(recipient=Recipient(7, ANN), name="greeting")

    say("unsubscribed", "1")
    assert taking("7", "news", "email") is Taking.OFF
    assert not Suppression.objects.exists()

    # Nobody can choose that.
    say("unsubscribed", "2", provider_id="id-2")
    assert Suppression.objects.get().category == "bills"


def test_soft_bounces_suppress_at_a_threshold(settings):
    """
    Of different messages; for a time.
    """
    settings.ACE_SOFT_BOUNCE_LIMIT = 3
    say("soft_bounce", "1", provider_id="one")
    say("soft_bounce", "2", provider_id="two")
    say("soft_bounce", "3", provider_id="two")
    assert not Suppression.objects.exists()

    say("soft_bounce", "4", provider_id="three")

    suppression = Suppression.objects.get()
    assert suppression.reason == Reason.SOFT_BOUNCES
    assert timedelta(days=89) < suppression.expires_at - datetime.now(UTC) < timedelta(days=91)


@pytest.mark.parametrize(
    "between",
    [
        # A delivery in between, bounces of long ago, and those of somebody else.
        {"kind": "delivered"},
        {"days": 40},
        {"address": "bob@example.com"},
    ],
)
def test_what_does_not_reach_the_threshold(settings, between):
    """
    A mailbox that takes messages again is not suppressed.
    """
    settings.ACE_SOFT_BOUNCE_LIMIT = 2
    now = datetime.now(UTC)
    early = now - timedelta(days=between.get("days", 2))
    say("soft_bounce", "1", provider_id="one", at=early, address=between.get("address", ANN))
    if "kind" in between:
        say("delivered", "2", provider_id="two", at=now - timedelta(days=1))

    say("soft_bounce", "3", provider_id="three", at=now)

    assert not Suppression.objects.exists()


def test_a_bounce_that_nobody_vouches_for_counts_only_for_a_message_to_that_address(sent):
    """
    Everybody can write to a bounce mailbox.
    """
    row = sent()

    forged = {"provider_id": "", "message": row.payload_id, "address": "bob@example.com"}
    assert say("hard_bounce", **forged) is Recorded.UNMATCHED
    assert not ProviderEvent.objects.exists() and not Suppression.objects.exists()

    assert say("hard_bounce", provider_id="", message=row.payload_id) is Recorded.APPLIED
    assert state() == State.BOUNCED
    assert Suppression.objects.get().address == ANN


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "no address"},
        {"address": None},
        {"address": ""},
        {"address": f"{ANN}\r\nBcc: bob@example.com"},
        {"provider_id": ""},
        {"provider_id": None},
        {"provider_id": "x" * 256},
        {"provider_id": "a\x00b"},
        {"provider_id": {"id": 1}},
        {"event_id": "\ud800"},
        {"channel_type": "pigeon"},
        {"at": datetime(2026, 1, 1)},
        {"at": "yesterday"},
        {"kind": "exploded"},
    ],
)
def test_what_is_no_event_is_refused(fields):
    """
    Nothing is written, and the error names no address.
    """
    with pytest.raises(BadEventError) as refused:
        say(**{"kind": Kind.HARD_BOUNCE, **fields})

    assert ANN not in str(refused.value)
    assert not ProviderEvent.objects.exists() and not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("said", "earliest"),
    [
        (datetime(2999, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        # As far as Python's calendar goes, and a little farther in UTC: no database keeps that.
        (datetime.max.replace(tzinfo=timezone(-timedelta(hours=5))), datetime(2026, 1, 1, tzinfo=UTC)),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=5))), datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_event_lies_in_the_past(said, earliest):
    """
    But not farther back than clocks count, whatever a provider's says.
    """
    say("delivered", at=said)

    assert earliest <= ProviderEvent.objects.get().at <= datetime.now(UTC)


def test_a_rollback_takes_everything_back(sent):
    """
    The status, the counts and the suppression are one transaction.
    """
    sent()

    with pytest.raises(RuntimeError), transaction.atomic():
        say("hard_bounce")
        raise RuntimeError

    assert state() == State.SENT
    assert not Suppression.objects.exists()
