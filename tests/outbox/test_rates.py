"""
Internal: how many messages a channel is given in a time, whoever gives them.
"""

import logging
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from shutil import which
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db.models import F

from edx_ace import ChannelType, Recipient
from edx_ace.errors import ChannelDownError, FatalChannelDeliveryError
from edx_ace.outbox import Priority, State, enqueue, rates, usage
from edx_ace.outbox.claiming import claim
from edx_ace.outbox.models import Circuit, Delivery
from edx_ace.outbox.processing import process
from edx_ace.outbox.rates import Rate, parse
from tests.pipeline import Recorder, Scripted, welcome

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["database", "redis"])
def store(request, settings):
    """Where it is kept: each in turn."""
    if request.param == "redis":
        settings.ACE_RATE_LIMITS_REDIS = request.getfixturevalue("redis_url")
    return request.param


@pytest.fixture
def name():
    """A channel that no other test knows: Redis keeps what was taken."""
    return f"mail-{uuid4()}"


@pytest.fixture
def redis_server(tmp_path):
    """Return a function that starts a Redis server of the test's own, and its URL."""
    if which("redis-server") is None:
        pytest.skip("redis-server is not installed: a Redis that a test may stop is needed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    servers = []

    def start():
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
        servers.append(subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL))
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                time.sleep(0.02)
            else:
                break
        return servers[-1]

    yield start, f"redis://127.0.0.1:{port}/0"
    for server in servers:
        server.kill()
        server.wait()


def work():
    out = StringIO()
    call_command("ace_worker", once=True, stdout=out)
    return out.getvalue().strip()


def untouched():
    """Return how many deliveries are as they were enqueued."""
    return Delivery.objects.filter(state=State.QUEUED, due_at=F("created_at"), claims=0, attempts=0, code="").count()


def take_all(name, is_essential=False):
    taken = 0
    while more := rates.take(name, 1000, is_essential=is_essential):
        taken += more
    return taken


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14/s", (Rate(14, 1),)),
        ("14/s, 50000/day", (Rate(14, 1), Rate(50000, 86400))),
        (" 600 / min,9000/h ", (Rate(600, 60), Rate(9000, 3600))),
    ],
)
def test_limits_are_read(text, expected):
    """
    A number and a length of time each.
    """
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "14", "14/second", "0/s", "-1/s", "1.5/s", "14/s;2/h", "14/s,"])
def test_what_is_no_limit_says_what_was_expected(text):
    """
    With an example.
    """
    with pytest.raises(ValueError, match="Expected a number above 0, a slash and one of s, min, h, day"):
        parse(text)


def test_two_limits_for_one_length_of_time_are_an_error():
    """
    One of them would say nothing.
    """
    with pytest.raises(ValueError, match="one limit for each length of time"):
        parse("14/s, 10/s")


def test_no_more_is_taken_than_the_limit_allows(settings, store, name):
    """
    A tenth at a time, and what is kept for essential messages by these alone.
    """
    settings.ACE_RATE_LIMITS = {name: "50/day"}

    assert rates.take(name, 1000, is_essential=False) == 5
    assert rates.take(name, 2, is_essential=False) == 2
    assert take_all(name) == 45 - 7
    assert take_all(name, is_essential=True) == 5
    assert take_all(name, is_essential=True) == 0
    assert 86400 < rates.seconds_until_free(name) <= 86400 * 21 / 20


def test_what_is_given_back_can_be_taken_again(settings, store, name):
    """
    And no more than that; what counts no longer is not given back.
    """
    settings.ACE_RATE_LIMITS = {name: ["50/day", " 1000/day"][0]}
    take_all(name)

    rates.give_back(name, 7, age=200_000)
    assert take_all(name) == 0
    rates.give_back(name, 7)

    assert rates.seconds_until_free(name) == 0
    assert take_all(name) == 7


def test_the_shortest_of_several_limits_holds(settings, store, name):
    """
    What one refuses is not taken from the others.
    """
    settings.ACE_RATE_LIMITS = {name: "1000/day, 20/h"}

    assert take_all(name) == 18

    settings.ACE_RATE_LIMITS = {name: "1000/day"}
    assert take_all(name) == 900 - 18


def test_a_window_slides():
    """
    What was taken counts for its length, and for a twentieth of that at most in addition.
    """
    rate = Rate(100, 1)
    moment = 1_700_000_000.0
    used = {1: {rate.part(moment): 100}}

    assert sum(rate.window(used, moment + 0.99).values()) == 100
    assert sum(rate.window(used, moment + 1.05).values()) == 0
    assert moment + 1 <= moment + rate.wait(used, moment) <= moment + 1.051


@pytest.mark.django_db(transaction=True)
def test_many_share_a_limit(settings, store, name, at_once):
    """
    Together they take what it allows, each a part.
    """
    settings.ACE_RATE_LIMITS = {name: "200/day"}

    shares = at_once(lambda: take_all(name, is_essential=True), threads=8)

    assert sum(shares) == 200


def test_what_exceeds_a_limit_is_not_touched(settings, channel):
    """
    It waits in its place, spends nothing and has not failed.
    """
    settings.ACE_RATE_LIMITS = {"mail": "20/day"}
    enqueue(welcome() for _ in range(30))

    assert work() == "18 sent"
    assert work() == "nothing was due"

    assert untouched() == 12


def test_what_exceeds_a_limit_goes_when_its_time_has_come(settings, channel):
    """
    A worker that is to end when nothing is due waits for that, if it is not long.
    """
    settings.ACE_RATE_LIMITS = {"mail": "10/s"}
    enqueue(welcome() for _ in range(25))
    started = time.monotonic()

    assert work() == "25 sent"

    assert time.monotonic() - started > 2


def test_an_essential_message_overtakes_what_waits_for_a_limit(settings, channel):
    """
    A part of each limit is kept for it.
    """
    settings.ACE_RATE_LIMITS = {"mail": "10/day"}
    enqueue((welcome() for _ in range(30)), priority=Priority.BULK)
    assert work() == "9 sent"
    reset = welcome(options={"transactional": True})
    enqueue(reset)

    assert work() == "1 sent"

    assert channel.delivered[-1].uuid == reset.uuid


def test_a_claim_takes_a_tenth_of_a_limit_whatever_waits(settings, channel):
    """
    The most important of it; messages of several priorities do not add up to more.
    """
    settings.ACE_RATE_LIMITS = {"mail": "100/day"}
    for priority, number in ((Priority.BULK, 30), (Priority.NORMAL, 4), (Priority.ESSENTIAL, 3)):
        enqueue((welcome() for _ in range(number)), priority=priority)

    claimed = [row.priority for row in claim(100)]

    assert sorted(claimed, reverse=True) == [Priority.ESSENTIAL] * 3 + [Priority.NORMAL] * 4 + [Priority.BULK] * 3
    assert take_all("mail", is_essential=True) == 90


def test_what_is_kept_for_essential_messages_goes_to_them_alone(settings, channel):
    """
    What is claimed with them does not share in it.
    """
    settings.ACE_RATE_LIMITS = {"mail": "100/day"}
    for priority in (Priority.BULK, Priority.ESSENTIAL):
        enqueue((welcome() for _ in range(5)), priority=priority)
    take_all("mail")

    assert {row.priority for row in claim(100)} == {Priority.ESSENTIAL}
    assert take_all("mail", is_essential=True) == 5


def test_other_channels_are_not_limited(settings, use_channels):
    """
    Each has limits of its own, or none.
    """
    settings.ACE_RATE_LIMITS = {"mail": "1/day"}
    use_channels(mail=Recorder(), push=Recorder(ChannelType.PUSH))
    enqueue(welcome(recipient=Recipient(n, f"p{n}@example.com")) for n in range(1, 21))

    assert work() == "21 sent"

    assert untouched() == 19


def test_only_what_is_handed_over_counts(settings, use_channels):
    """
    What expires, fails before or is given back is not taken from the limit; a refusal by the provider is.
    """
    settings.ACE_RATE_LIMITS = {"mail": "10/day"}
    settings.ACE_RATE_LIMITS_RESERVE = 0
    use_channels(mail=Scripted(FatalChannelDeliveryError("no such user", code="smtp_550")))
    enqueue(welcome(expiration_time=datetime.now(tz=UTC) - HOUR) for _ in range(12))
    enqueue(welcome(name="nowhere") for _ in range(12))
    enqueue(welcome() for _ in range(13))

    assert work() == "13 failed, 12 expired, 9 sent"


def test_what_a_worker_gives_back_when_it_ends_does_not_count(settings, channel):
    """
    Another hands it over.
    """
    settings.ACE_RATE_LIMITS = {"mail": "20/day"}
    enqueue(welcome() for _ in range(30))

    for _ in range(20):
        process(claim(100), should_stop=lambda: True)

    assert work() == "18 sent"


def test_a_limit_holds_for_the_message_that_tries_a_channel(settings, use_channels):
    """
    It is one that is handed over, too.
    """
    settings.ACE_RATE_LIMITS = {"mail": "3/day"}
    settings.ACE_RATE_LIMITS_RESERVE = 0
    settings.ACE_OUTBOX_WINDOW = 1
    channel = Scripted(*[ChannelDownError("login", code="smtp_535")] * 3)
    use_channels(mail=channel)
    enqueue(welcome() for _ in range(5))

    work()
    assert len(channel.script) == 0
    Circuit.objects.update(probe_at=F("opened_at") - HOUR)
    work()

    assert channel.delivered == []


def test_a_message_that_expires_while_a_limit_holds_ends_then(settings, channel):
    """
    And not when its turn comes; what may have arrived says so.
    """
    settings.ACE_RATE_LIMITS = {"mail": "1/day"}
    enqueue(welcome(expiration_time=datetime.now(tz=UTC) + HOUR) for _ in range(5))
    assert work() == "1 sent"
    waiting = Delivery.objects.filter(state=State.QUEUED)
    waiting.update(expires_at=F("created_at") - HOUR)
    waiting.filter(pk=waiting.first().pk).update(may_have_arrived=True)

    assert work() == "3 expired, 1 unknown"

    assert len(channel.delivered) == 1
    assert set(Delivery.objects.exclude(state=State.SENT).values_list("code", flat=True)) == {"expired"}


def test_without_limits_nothing_is_asked(channel, monkeypatch):
    """
    Nor kept.
    """

    def forbidden(*args):
        raise AssertionError

    monkeypatch.setattr(usage, "change", forbidden)
    enqueue(welcome() for _ in range(3))

    assert work() == "3 sent"


def test_a_redis_that_does_not_answer_leaves_a_tenth_of_the_limit(settings, redis_server, name, caplog, monkeypatch):
    """
    For all workers together; once it answers, the limit holds as it is set.
    """
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(usage, "_PAUSE_SECONDS", 0)
    start, settings.ACE_RATE_LIMITS_REDIS = redis_server
    settings.ACE_RATE_LIMITS = {name: "200/day"}
    settings.ACE_RATE_LIMITS_RESERVE = 0
    server = start()
    assert rates.take(name, 15, is_essential=False) == 15
    server.kill()
    server.wait()

    assert take_all(name) == 20
    assert take_all(name, is_essential=True) == 0
    assert caplog.messages == ["Redis does not answer (ConnectionError); a tenth of each limit holds meanwhile."]

    start()
    assert take_all(name) == 200
    assert caplog.messages[1:] == ["Redis answers again; the limits hold as they are set."]


def test_a_redis_that_did_not_answer_is_left_alone_for_a_moment(settings, name):
    """
    Nobody waits for it each time.
    """
    settings.ACE_RATE_LIMITS_REDIS = "redis://127.0.0.1:1/0"
    settings.ACE_RATE_LIMITS = {name: "200/day"}
    rates.take(name, 1, is_essential=False)
    store = usage.redis_at(settings.ACE_RATE_LIMITS_REDIS)
    store.client = None

    assert rates.take(name, 1, is_essential=False) == 1
