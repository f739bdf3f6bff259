"""
Internal: nothing reaches people in their quiet hours, on the days on which clocks are changed, too.
"""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from edx_ace import Recipient, ace
from edx_ace.channel import ChannelType
from edx_ace.outbox import State, enqueue, status
from edx_ace.outbox.models import Delivery
from edx_ace.policy import channels_for_many
from edx_ace.preferences import quiet_hours_of, reset_quiet_hours, set_quiet_hours
from edx_ace.preferences.errors import ChoiceError
from edx_ace.preferences.moments import end_of_quiet
from edx_ace.report import Outcome
from edx_ace.testing import frozen_clock
from tests.outbox.test_worker import work
from tests.pipeline import welcome

pytestmark = pytest.mark.django_db

NIGHT = (time(22), time(7))


@pytest.fixture(autouse=True)
def policies(settings):
    settings.ACE_ENABLED_POLICIES = ["preference", "quiet_hours"]
    settings.TIME_ZONE = "Europe/Berlin"


def places(recipients):
    """The host's hook: some people are elsewhere."""
    return [("Asia/Tokyo", "ja") if one.lms_user_id == 8 else ("Nowhere/Atlantis", None) for one in recipients]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "hours", "until"),
    [
        # In Berlin it is an hour later in winter, and two in summer.
        ("2026-01-10 20:59", NIGHT, None),
        ("2026-01-10 21:00", NIGHT, "2026-01-11 06:00"),
        ("2026-01-11 05:59", NIGHT, "2026-01-11 06:00"),
        ("2026-01-11 06:00", NIGHT, None),
        ("2026-01-10 12:30", (time(13), time(15)), "2026-01-10 14:00"),
        ("2026-01-10 11:30", (time(13), time(15)), None),
        # The night in which clocks go from 2 to 3: half past two is over when they do.
        ("2026-03-28 23:00", NIGHT, "2026-03-29 05:00"),
        ("2026-03-29 00:30", (time(22), time(2, 30)), "2026-03-29 01:00"),
        ("2026-03-29 01:00", (time(22), time(2, 30)), None),
        ("2026-03-29 01:00", (time(2, 30), time(7)), "2026-03-29 05:00"),
        # The night in which clocks go from 3 back to 2: half past two comes twice, and both are quiet.
        ("2026-10-25 00:45", (time(22), time(2, 30)), "2026-10-25 01:30"),
        ("2026-10-25 01:29", (time(22), time(2, 30)), "2026-10-25 01:30"),
        ("2026-10-25 01:30", (time(22), time(2, 30)), None),
        ("2026-10-25 00:30", (time(2, 30), time(7)), "2026-10-25 06:00"),
        ("2026-10-25 01:10", (time(2, 30), time(7)), "2026-10-25 06:00"),
    ],
)
def test_quiet_hours_end_when_the_person_s_clock_says_so(now, hours, until):
    """
    They may pass midnight.
    """
    end = end_of_quiet(at(now), hours, ZoneInfo("Europe/Berlin"))

    assert end == (at(until) if until else None)


@pytest.mark.parametrize("zone", ["Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca"])
def test_every_moment_of_a_year_is_quiet_by_its_clock_or_not(zone):
    """
    Wherever clocks are changed by half an hour, at midnight, or a day is left out.
    """
    zone = ZoneInfo(zone)
    for day in range(1, 366):
        for hour in (0, 3, 9, 21):
            now = datetime.fromtimestamp(1_293_840_000 + day * 86400 + hour * 3600, tz=UTC)
            until = end_of_quiet(now, NIGHT, zone)
            wall = now.astimezone(zone).time()
            assert (until is not None) == (wall >= NIGHT[0] or wall < NIGHT[1])
            assert until is None or until.astimezone(zone).time() == NIGHT[1]


def test_what_comes_at_night_waits_for_the_morning(channel):
    """
    The report says until when, and the sentence why.
    """
    set_quiet_hours("7", *NIGHT)

    with frozen_clock(at("2026-01-10 23:00")):
        report = ace.send(welcome())

    assert channel.delivered == []
    found = report[ChannelType.EMAIL]
    assert (found.outcome, found.code, found.until) == (Outcome.DEFERRED, "quiet_hours", at("2026-01-11 06:00"))
    with frozen_clock(at("2026-01-11 06:00")):
        assert ace.send(welcome())


def test_hours_are_those_of_the_person_s_time_zone(channel, settings):
    """
    The host says where people are; an unknown time zone is as good as none.
    """
    settings.ACE_PEOPLE = "tests.preferences.test_quiet_hours.places"
    settings.ACE_QUIET_HOURS = ("22:00", "07:00")

    with frozen_clock(at("2026-01-10 14:00")):
        in_tokyo, at_home = ace.send_many([welcome(recipient=Recipient(8, "bo@example.com")), welcome()])

    assert in_tokyo[ChannelType.EMAIL].until == at("2026-01-10 22:00")
    assert at_home


@pytest.mark.parametrize("about", [{"essential": True, "category": "news"}, {"category": "security"}])
def test_essential_messages_wake_people(channel, settings, about):
    """
    What cannot be turned off waits like others, unless it is essential.
    """
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": about}
    set_quiet_hours("7", *NIGHT)

    with frozen_clock(at("2026-01-10 23:00")):
        assert bool(ace.send(welcome())) == about.get("essential", False)


def test_people_may_be_left_alone_at_other_times_than_the_site_says_or_never(settings):
    """
    Their own hours win.
    """
    settings.ACE_QUIET_HOURS = ("22:00", "07:00")

    assert quiet_hours_of("7") == NIGHT
    set_quiet_hours("7", time(13), time(15))
    assert quiet_hours_of(Recipient(7)) == (time(13), time(15))
    set_quiet_hours("7", None, None)
    assert quiet_hours_of("7") is None
    with frozen_clock(at("2026-01-10 23:00")):
        assert ChannelType.EMAIL in channels_for_many([welcome()])[0]


@pytest.mark.parametrize(
    "hours", [(time(7), time(7)), (time(7), None), ("22:00", "07:00"), (time(7, tzinfo=UTC), time(8))]
)
def test_what_are_no_hours_is_refused(hours):
    """
    Nothing is written.
    """
    with pytest.raises(ChoiceError, match="Quiet hours go from one time"):
        set_quiet_hours("7", *hours)

    assert quiet_hours_of("7") is None


def test_who_changes_their_hours_gets_at_once_what_waited(channel):
    """
    The policies are asked anew.
    """
    set_quiet_hours("7", *NIGHT)
    with frozen_clock(at("2026-01-10 23:00")):
        enqueue(message := welcome())
        work()
        # The table's moments are those of the database's clock, which is later.
        Delivery.objects.update(due_at=at("2999-01-01 00:00"))
        assert (status(message).states, Delivery.objects.get().code) == ({State.QUEUED: 1}, "quiet_hours")
        set_quiet_hours("7", time(13), time(15))
        work()

    assert status(message).states == {State.SENT: 1}


def test_who_goes_by_the_site_again_gets_what_waited_when_it_says(channel, settings):
    """
    Whatever it says by then.
    """
    set_quiet_hours("7", *NIGHT)
    with frozen_clock(at("2026-01-10 23:00")):
        enqueue(message := welcome())
        work()
        Delivery.objects.update(due_at=at("2999-01-01 00:00"))
        reset_quiet_hours("7")
        work()

    assert status(message).states == {State.SENT: 1}
    settings.ACE_QUIET_HOURS = ("23:00", "06:00")
    assert quiet_hours_of("7") == (time(23), time(6))


def test_choices_and_quiet_hours_are_one_query(django_assert_num_queries):
    """
    Whoever the messages go to.
    """
    messages = [welcome(recipient=Recipient(number, f"p{number}@example.com")) for number in range(1, 51)]
    set_quiet_hours("7", *NIGHT)

    with frozen_clock(at("2026-01-10 23:00")), django_assert_num_queries(1):
        allowed = channels_for_many(messages)

    assert [one.recipient.lms_user_id for one, kinds in zip(messages, allowed, strict=True) if not kinds] == [7]
