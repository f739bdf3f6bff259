"""
Internal: nobody gets more messages in a day or a week than the site allows.
"""

import threading
from datetime import UTC, date, datetime

import pytest
from django.db import connection

from edx_ace import Recipient, ace
from edx_ace.channel import ChannelType
from edx_ace.errors import FatalChannelDeliveryError, RecoverableChannelDeliveryError
from edx_ace.outbox import State, cancel, enqueue, requeue, status
from edx_ace.outbox.models import Delivery
from edx_ace.policy import channels_for_many
from edx_ace.preferences import caps
from edx_ace.preferences.models import Slot
from edx_ace.report import Outcome
from edx_ace.testing import frozen_clock
from tests.outbox.test_worker import make_due, work
from tests.pipeline import Recorder, Scripted, welcome

pytestmark = pytest.mark.django_db

BUSY = RecoverableChannelDeliveryError("Busy.")

#: A Wednesday.
NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def capped(settings):
    settings.ACE_ENABLED_POLICIES = ["preference", "frequency_cap"]
    settings.ACE_FREQUENCY_CAPS = {"email": "2/day, 3/week"}
    settings.TIME_ZONE = "Europe/Berlin"
    with frozen_clock(NOON) as clock:
        yield clock


def until(report):
    found = report[ChannelType.EMAIL]
    assert (found.outcome, found.code) == (Outcome.DEFERRED, "frequency_cap")
    return found.until


def test_what_exceeds_a_day_waits_for_the_next_and_what_exceeds_a_week_for_monday(channel, capped):
    """
    Days and weeks begin at the person's midnight.
    """
    assert ace.send(welcome())
    assert ace.send(welcome())
    assert until(ace.send(welcome())) == datetime(2026, 1, 14, 23, tzinfo=UTC)

    capped.advance(86400)
    assert ace.send(welcome())
    assert until(ace.send(welcome())) == datetime(2026, 1, 18, 23, tzinfo=UTC)

    capped.advance(4 * 86400)
    assert ace.send(welcome())
    assert len(channel.delivered) == 4


def test_each_person_has_caps_of_their_own(channel):
    """
    And several messages in one batch count as well.
    """
    messages = [welcome(recipient=Recipient(number, f"p{number}@example.com")) for number in (1, 2, 1, 1, 2)]

    sent = {report.uuid: bool(report) for report in ace.send_many(messages)}

    assert [sent[message.uuid] for message in messages] == [True, True, True, False, True]


def test_a_cap_may_be_on_all_channels_together(use_channels, settings):
    """
    Each message over each channel counts.
    """
    settings.ACE_FREQUENCY_CAPS = {"all": "3/day", "push": "1/day"}
    email, push = Recorder(), Recorder(ChannelType.PUSH)
    use_channels(mail=email, push=push)

    ace.send(welcome())
    ace.send(welcome())
    ace.send(welcome())

    assert (len(email.delivered), len(push.delivered)) == (2, 1)


@pytest.mark.parametrize("about", [{"essential": True, "category": "news"}, {"essential": True}])
def test_essential_messages_neither_wait_nor_count(channel, settings, about):
    """
    Whatever else the person got.
    """
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": about}

    for _ in range(4):
        assert ace.send(welcome())

    assert not Slot.objects.exists()


def test_explaining_takes_no_slot(channel):
    """
    And tells what would be over a cap.
    """
    ace.explain(welcome())
    assert not Slot.objects.exists()
    ace.send(welcome())
    ace.send(welcome())

    assert "frequency_cap" in str(ace.explain(welcome()))


def test_a_retry_takes_no_second_slot(use_channels):
    """
    Nor does a message that is prepared again for any other reason.
    """
    channel = Scripted(BUSY, BUSY, None)
    use_channels(mail=channel)
    enqueue(message := welcome())
    for _ in range(3):
        make_due()
        work()

    assert status(message).states == {State.SENT: 1}
    assert Slot.objects.count() == 1


def test_what_is_tried_again_tomorrow_counts_tomorrow(use_channels, capped):
    """
    And not for today any more.
    """
    use_channels(mail=Scripted(BUSY))
    enqueue(message := welcome())
    work()
    capped.advance(86400)
    make_due()
    work()

    assert status(message).states == {State.SENT: 1}
    assert ace.send(welcome())
    assert until(ace.send(welcome())) == datetime(2026, 1, 15, 23, tzinfo=UTC)


def test_what_was_not_sent_gives_its_slot_back(use_channels):
    """
    It failed, was cancelled, or a plain send could not get it out.
    """
    channel = Scripted(FatalChannelDeliveryError("No."), FatalChannelDeliveryError("No."))
    use_channels(mail=channel)
    assert not ace.send(welcome())
    enqueue(failed := welcome())
    work()
    assert status(failed).states == {State.FAILED: 1}

    assert ace.send(welcome())
    assert ace.send(welcome())
    assert not ace.send(welcome())
    requeue(failed)
    work()
    assert status(failed).states == {State.QUEUED: 1}
    assert Delivery.objects.get().code == "frequency_cap"
    cancel(failed)


def test_another_policy_s_delay_takes_no_slot(channel, settings):
    """
    Whatever the order of the policies.
    """
    settings.ACE_ENABLED_POLICIES = ["frequency_cap", "quiet_hours"]
    settings.ACE_QUIET_HOURS = ("12:00", "14:00")

    assert not ace.send(welcome())
    assert not Slot.objects.exists()


def test_the_higher_priority_keeps_the_slot(channel):
    """
    In the outbox it is prepared first.
    """
    enqueue(bulk := [welcome(), welcome()], priority=0)
    enqueue(normal := [welcome(), welcome()])
    work()

    assert [status(one).states for one in (*normal, *bulk)] == [{State.SENT: 1}] * 2 + [{State.QUEUED: 1}] * 2


def test_caps_choices_and_quiet_hours_are_two_queries_for_many(channel, settings, django_assert_num_queries):
    """
    One that looks up and one that counts; the rest is the transaction.
    """
    settings.ACE_ENABLED_POLICIES = ["preference", "quiet_hours", "frequency_cap", "digest"]
    messages = [welcome(recipient=Recipient(number, f"p{number}@example.com")) for number in range(1, 51)]

    with django_assert_num_queries(2 + 2):
        channels_for_many(messages)

    assert Slot.objects.count() == 50


@pytest.mark.django_db(transaction=True)
def test_two_who_count_at_the_same_time_do_not_exceed_a_cap(use_channels, settings):
    """
    Real connections, for the same people, all at once.
    """
    settings.ACE_FREQUENCY_CAPS = {"all": "3/day"}
    channel = Recorder()
    use_channels(mail=channel)
    start = threading.Barrier(4)
    errors = []

    def send():
        try:
            start.wait()
            for _ in range(3):
                list(ace.send_many([welcome(recipient=Recipient(n, f"p{n}@example.com")) for n in range(1, 6)]))
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    got = [message.recipient.lms_user_id for message in channel.delivered]
    assert {person: got.count(person) for person in range(1, 6)} == dict.fromkeys(range(1, 6), 3)


@pytest.mark.django_db(transaction=True)
def test_many_who_count_at_the_same_time_wait_for_each_other(channel, settings, at_once, monkeypatch):
    """
    Where the cap has room for all of them nobody is turned away, however often others have taken the next number.
    """
    settings.ACE_FREQUENCY_CAPS = {"all": "12/day"}
    take, start = caps.FrequencyCapPolicy._take, threading.Barrier(12)
    local = threading.local()

    def together(self, *args):
        counted = take(self, *args)
        if not hasattr(local, "has_begun"):
            local.has_begun = True
            start.wait()
        return counted

    monkeypatch.setattr(caps.FrequencyCapPolicy, "_take", together)

    reports = at_once(lambda: ace.send(welcome()), 12)

    assert [report[ChannelType.EMAIL].reason for report in reports if not report] == []
    assert sorted(Slot.objects.values_list("number", flat=True)) == list(range(1, 13))


@pytest.mark.parametrize(
    "text", ["", "3", "0/day", "3/month", "3/day, 4/day", "-1/day", "3/day;1/week", "9999999999/day"]
)
def test_what_is_no_cap_is_refused(text):
    """
    The error says what is expected.
    """
    with pytest.raises(ValueError, match="Expected"):
        caps.parse(text)


def test_slots_are_not_kept_for_ever(channel, capped):
    """
    Those of this week and the last ones are.
    """
    ace.send(welcome())
    Slot.objects.create(person="8", week=date(2025, 12, 1), number=1, day=date(2025, 12, 1), message=welcome().uuid)

    assert caps.purge() == 1
    assert Slot.objects.get().person == "7"
