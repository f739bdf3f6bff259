"""
Internal: what `edx_ace.testing.frozen_clock` and the fixture ``ace_clock`` promise.
"""

import time
from datetime import UTC, datetime, timedelta

import pytest

from edx_ace import ace
from edx_ace.errors import RecoverableChannelDeliveryError
from edx_ace.report import Outcome
from edx_ace.testing import frozen_clock
from edx_ace.utils import date
from tests.pipeline import Scripted, welcome

NOON = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("at", [NOON, NOON.replace(tzinfo=None)])
def test_the_clock_stands_until_it_is_advanced(at):
    """
    The current time is the given one, a naive one being UTC, and moves by what advance is given.
    """
    with frozen_clock(at) as clock:
        assert date.get_current_time() == clock.now == NOON

        clock.advance(90)

        assert date.get_current_time() == clock.now == NOON + timedelta(seconds=90)


def test_afterwards_time_goes_on():
    """
    Outside the block the current time is the real one.
    """
    with frozen_clock(NOON):
        pass

    assert abs(date.get_current_time() - datetime.now(tz=UTC)) < timedelta(minutes=1)


def test_dates_are_read_as_ever(ace_clock):
    """
    Parsing a date is not affected by the clock.
    """
    assert date.deserialize("2017-08-01T00:00:00+00:00") == datetime(2017, 8, 1, tzinfo=UTC)


@pytest.mark.parametrize("send", [ace.send, lambda message: next(ace.send_many([message]))])
def test_a_retry_moves_the_clock_and_takes_no_time(ace_clock, use_channels, send):
    """
    A channel that asks for a minute's wait is asked again after a minute of the clock, at once.
    """
    begun, wall = ace_clock.now, time.monotonic()
    use_channels(mailer=Scripted(RecoverableChannelDeliveryError("Try later.", begun + timedelta(seconds=60))))

    (delivery,) = (one for one in send(welcome()).deliveries if one.channel)

    assert (delivery.outcome, delivery.attempts) == (Outcome.SENT, 2)
    assert ace_clock.now == begun + timedelta(seconds=60)
    assert time.monotonic() - wall < 10


def test_a_message_expires_by_the_clock(ace_clock, ace_outbox):
    """
    What expired while the clock was advanced is not sent.
    """
    message = welcome(expiration_time=ace_clock.now + timedelta(hours=1))
    ace_clock.advance(3601)

    assert not ace.send(message)
    ace_outbox.assert_nothing_sent()
