"""
Internal: tests of when campaigns start.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pytest_django import Settings

from edx_ace.campaigns import timing
from edx_ace.campaigns.errors import RefusedError
from edx_ace.campaigns.host import Host
from edx_ace.campaigns.models import Campaign

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


class CourseHost(Host):
    """Has one date."""

    starts_at = datetime(2027, 4, 1, 8, tzinfo=UTC)

    def dates(self, scope):
        return {"start": ("Start", self.starts_at)} if self.starts_at else {}


@pytest.fixture(autouse=True)
def host(settings: Settings) -> None:
    settings.ACE_CAMPAIGN_HOST = f"{__name__}.CourseHost"


def campaign(**fields) -> Campaign:
    return Campaign(**{"timing": "at", "wall_time": "2027-03-28T10:00", "zone": "Europe/Berlin", **fields})


def refused(**fields) -> tuple[str, str, str]:
    with pytest.raises(RefusedError) as caught:
        timing.due_at(campaign(**fields), NOW)
    [problem] = caught.value.problems
    return problem.code, problem.where, problem.reason


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"timing": "now"}, NOW),
        ({}, datetime(2027, 3, 28, 8, tzinfo=UTC)),
        # An hour that comes twice: the first.
        ({"wall_time": "2027-10-31T02:30"}, datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),
        # Where clocks leave a quarter of an hour out each day between, a zone of half hours.
        ({"zone": "Asia/Kathmandu"}, datetime(2027, 3, 28, 4, 15, tzinfo=UTC)),
        # The first zone in the world comes to it at that time.
        ({"timing": "local", "zone": ""}, datetime(2027, 3, 27, 20, tzinfo=UTC)),
        # It has passed there, and not everywhere.
        ({"timing": "local", "wall_time": "2027-03-01T10:00"}, NOW),
        ({"timing": "relative", "anchor": "start", "offset_minutes": -90}, datetime(2027, 4, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_when_a_campaign_starts(fields, expected):
    """
    By what it goes by.
    """
    assert timing.due_at(campaign(**fields), NOW) == expected


@pytest.mark.parametrize(
    ("fields", "code", "where"),
    [
        ({"wall_time": "2027-02-28T10:00"}, "past", "wall_time"),
        ({"timing": "local", "wall_time": "2027-02-28T10:00"}, "past", "wall_time"),
        ({"timing": "relative", "anchor": "start", "offset_minutes": -60 * 24 * 60}, "past", "anchor"),
        ({"timing": "relative", "anchor": "end"}, "date_gone", "anchor"),
        ({"timing": "relative"}, "date_gone", "anchor"),
        ({"wall_time": ""}, "bad_time", "wall_time"),
        ({"wall_time": "2027-02-30T10:00"}, "bad_time", "wall_time"),
        ({"wall_time": "2027-3-28T10:00"}, "bad_time", "wall_time"),
        ({"wall_time": "0001-01-01T00:00"}, "bad_time", "wall_time"),
        ({"wall_time": "9999-12-31T23:59"}, "bad_time", "wall_time"),
        ({"zone": ""}, "bad_zone", "zone"),
        ({"zone": "../../etc/passwd"}, "bad_zone", "zone"),
        ({"zone": "Europe/Berlim"}, "bad_zone", "zone"),
    ],
)
def test_a_time_that_cannot_be_is_refused(fields, code, where):
    """
    By the field that is at fault.
    """
    assert refused(**fields)[:2] == (code, where)


def test_a_time_that_clocks_leave_out_is_refused():
    """
    With the gap and the nearest times on its sides.
    """
    code, where, reason = refused(wall_time="2027-03-28T02:30")

    assert (code, where) == ("no_such_time", "wall_time")
    assert reason == (
        "2027-03-28 02:30 does not exist in Europe/Berlin: clocks go from 2027-03-28 02:00 to 2027-03-28 03:00. Choose "
        "2027-03-28 01:59 or earlier, or 2027-03-28 03:00 or later."
    )


def test_a_day_that_clocks_leave_out_is_refused():
    """
    As Samoa had none.
    """
    _code, _where, reason = refused(wall_time="2011-12-30T12:00", zone="Pacific/Apia")

    assert "from 2011-12-30 00:00 to 2011-12-31 00:00. Choose 2011-12-29 23:59" in reason


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Asia/Tokyo", datetime(2027, 3, 27, 17, 30, tzinfo=UTC)),
        # The first moment after the gap.
        ("Europe/Berlin", datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),
        ("America/New_York", datetime(2027, 3, 28, 6, 30, tzinfo=UTC)),
        # The site's own.
        (None, datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),
        ("Nowhere/At_all", datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),
    ],
)
def test_when_a_recipient_gets_it(settings: Settings, zone, expected):
    """
    At their own time.
    """
    settings.TIME_ZONE = "Europe/London"

    assert timing.local_moment(campaign(timing="local", wall_time="2027-03-28T02:30"), zone) == expected


def test_a_date_that_moves_takes_the_campaign_along(monkeypatch: pytest.MonkeyPatch):
    """
    And one that is gone is told.
    """
    relative = campaign(timing="relative", anchor="start", offset_minutes=60)
    monkeypatch.setattr(CourseHost, "starts_at", datetime(2027, 5, 1, 8, tzinfo=UTC))
    assert timing.due_at(relative, NOW) == datetime(2027, 5, 1, 9, tzinfo=UTC)

    monkeypatch.setattr(CourseHost, "starts_at", None)
    assert [problem.code for problem in timing.problems(relative, NOW)] == ["date_gone"]


def test_of_a_draft_the_time_may_have_passed():
    """
    It is refused when it is scheduled.
    """
    assert timing.problems(campaign(wall_time="2027-02-28T10:00"), NOW) == []
    assert [one.code for one in timing.problems(campaign(wall_time="2027-03-28T02:30"), NOW)] == ["no_such_time"]


@pytest.mark.parametrize("minutes", [-(2**31), 2**31 - 1])
def test_an_offset_that_leads_out_of_the_calendar_is_refused(minutes, monkeypatch):
    """
    Before its first year, or after its last.
    """
    monkeypatch.setattr(CourseHost, "starts_at", datetime(6000 if minutes > 0 else 2027, 1, 1, tzinfo=UTC))

    assert refused(timing="relative", anchor="start", offset_minutes=minutes)[:2] == ("bad_time", "offset_minutes")
