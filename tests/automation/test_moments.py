"""
Internal: when messages go.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from edx_ace.automation import moments
from edx_ace.automation.errors import AutomationError
from edx_ace.automation.moments import Rule

BERLIN = "Europe/Berlin"


def utc(text):
    """Return the moment in UTC that *text* says."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def first(rule, number, after="2026-01-01T00:00"):
    """Return the first occurrences of *rule* after a moment."""
    found = []
    moment = utc(after)
    while len(found) < number and (moment := rule.next_after(moment)) is not None:
        found.append(moment)
    return found


def test_now_may_wait_a_while():
    """
    In which what led to the message may be taken back.
    """
    before = datetime.now(UTC)

    assert before <= moments.now() <= datetime.now(UTC)
    assert moments.now(timedelta(hours=1)) >= before + timedelta(hours=1)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        # The clocks are put forward on 29 March 2027 in Berlin: the same hour is another in UTC.
        (moments.after(date(2027, 3, 27), zone=BERLIN), "2027-03-27T08:00"),
        (moments.after(date(2027, 3, 27), zone=BERLIN, days=1), "2027-03-28T07:00"),
        (moments.before(date(2027, 3, 29), zone=BERLIN, weeks=1), "2027-03-22T08:00"),
        # 02:30 does not exist then: the first moment after.
        (moments.after(date(2027, 3, 21), "02:30", BERLIN, weeks=1), "2027-03-28T01:00"),
        # And is there twice in autumn: the first.
        (moments.after(date(2027, 10, 24), "02:30", BERLIN, weeks=1), "2027-10-31T00:30"),
        # A month before the last of a month.
        (moments.before(date(2027, 3, 31), zone=BERLIN, months=1), "2027-02-28T08:00"),
        # Of a moment the date there counts, which may be another than in UTC.
        (moments.after(utc("2027-01-01T23:30"), zone=BERLIN, days=1), "2027-01-03T08:00"),
        (moments.before(utc("2027-01-01T04:00"), zone="America/New_York", days=1), "2026-12-30T14:00"),
    ],
)
def test_a_time_of_the_day_is_that_of_the_zone(found, expected):
    """
    On the days on which clocks are changed, too.
    """
    assert found == utc(expected)


def test_the_zone_of_the_site_is_the_default(settings):
    """
    As everywhere in Django.
    """
    settings.TIME_ZONE = "Asia/Tokyo"

    assert moments.after(date(2027, 1, 2), "09:00") == utc("2027-01-02T00:00")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((date(2027, 1, 1), "nine"), "Expected a time of the day such as '09:00', given 'nine'."),
        ((date(2027, 1, 1), "09:00", "Europe/Berln"), "Did you mean 'Europe/Berlin'?"),
        (("2027-01-01",), "Expected a date or a datetime, given '2027-01-01'."),
    ],
)
def test_what_is_no_time_is_refused(arguments, text):
    """
    With what was expected.
    """
    with pytest.raises(AutomationError) as caught:
        moments.after(*arguments)

    assert text in str(caught.value)


def test_a_weekly_rule_keeps_its_hour_when_clocks_change():
    """
    Every Sunday at half past two, each once: when there is no such hour at the first moment after it, and when there
    are two at the first.
    """
    spring = first(Rule("FREQ=WEEKLY", datetime(2027, 3, 14, 2, 30), BERLIN), 4, "2027-03-01T00:00")
    autumn = first(Rule("FREQ=WEEKLY", datetime(2027, 10, 17, 2, 30), BERLIN), 4, "2027-10-01T00:00")

    assert spring == [utc(f"2027-{one}") for one in ("03-14T01:30", "03-21T01:30", "03-28T01:00", "04-04T00:30")]
    assert autumn == [utc(f"2027-{one}") for one in ("10-17T00:30", "10-24T00:30", "10-31T00:30", "11-07T01:30")]


def test_occurrences_that_fall_together_are_one():
    """
    Two of an hour that clocks leave out.
    """
    rule = Rule("FREQ=DAILY;BYHOUR=2;BYMINUTE=15,45", datetime(2027, 3, 27, 2, 15), BERLIN)

    assert first(rule, 4, "2027-03-27T12:00") == [
        utc(one) for one in ("2027-03-28T01:00", "2027-03-29T00:15", "2027-03-29T00:45", "2027-03-30T00:15")
    ]


@pytest.mark.parametrize("until", ["20270301T080000Z", "20270301T090000"])
def test_a_rule_ends_when_it_says(until):
    """
    By UTC, as RFC 5545 has it, or by the clock of its zone.
    """
    rule = Rule(f"FREQ=MONTHLY;UNTIL={until}", datetime(2027, 1, 1, 9), BERLIN)

    assert first(rule, 9) == [utc(f"2027-0{month}-01T08:00") for month in (1, 2, 3)]
    assert rule.next_after(utc("2027-03-01T08:00")) is None


def test_a_rule_knows_its_occurrences():
    """
    To the microsecond.
    """
    rule = Rule("FREQ=MONTHLY;INTERVAL=3;COUNT=2", datetime(2027, 1, 31, 9), BERLIN)

    assert utc("2027-01-31T08:00") in rule
    assert utc("2027-01-31T08:01") not in rule


def test_a_start_with_a_zone_is_read_on_the_clocks_of_the_rule():
    """
    A moment of the database is in UTC.
    """
    assert first(Rule("FREQ=DAILY", utc("2027-07-01T07:00"), BERLIN), 1) == [utc("2027-07-01T07:00")]


@pytest.mark.parametrize(
    "text",
    ["", "FREQ=OFTEN", "every day", "RRULE:FREQ=DAILY\nEXDATE:20270101T090000", "FREQ=DAILY;UNTIL=20271399T000000Z"],
)
def test_what_is_no_rule_is_refused(text):
    """
    When it is made, not when it is asked.
    """
    with pytest.raises(AutomationError, match="Expected"):
        Rule(text, datetime(2027, 1, 1, 9))
