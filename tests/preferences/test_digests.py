"""
Internal: what people take once a day or a week is held and delivered as one, and nothing of it is lost or doubled.
"""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import Q

from edx_ace import Recipient, ace
from edx_ace.channel import ChannelType
from edx_ace.errors import ChannelDownError, FatalChannelDeliveryError, RecoverableChannelDeliveryError
from edx_ace.outbox import (
    FromSource,
    State,
    cancel,
    counts,
    enqueue,
    guards,
    leases,
    operations,
    requeue,
    sources,
    status,
)
from edx_ace.outbox.clock import database_now, from_now
from edx_ace.outbox.guards import Guard
from edx_ace.outbox.models import Circuit, Delivery
from edx_ace.outbox.operations import Cancelled
from edx_ace.outbox.worker import sweep
from edx_ace.policy import channels_for_many
from edx_ace.preferences import Taking, choose, digests
from edx_ace.preferences.errors import ChoiceError
from edx_ace.report import Outcome, Skipped
from edx_ace.testing import frozen_clock
from tests.outbox.test_worker import end_leases, make_due, work
from tests.pipeline import Recorder, Scripted, welcome

pytestmark = pytest.mark.django_db

#: A Wednesday.
NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def daily(settings):
    """Person 7 takes news once a day."""
    settings.ACE_ENABLED_POLICIES = ["preference", "digest"]
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news"}, "tests.offer": {"category": "jobs"}}
    settings.ACE_CATEGORIES = {**settings.ACE_CATEGORIES, "jobs": {"label": "Jobs", "digest": True}}
    settings.TIME_ZONE = "UTC"
    choose("7", "news", "email", Taking.DAILY)
    with frozen_clock() as clock:
        settings.ACE_DIGEST_TIME = f"{clock.now + timedelta(hours=12):%H:%M}"
        yield clock


def states(*messages):
    return [str(status(message)) for message in messages]


def hold(*messages):
    """Let a worker put *messages* off until their digest, and that time come."""
    enqueue(messages)
    work()
    assert set(states(*messages)) == {"1 queued"}
    make_due()


def news(name, **fields):
    return welcome(context={"name": name}, **fields)


def texts(digest):
    return [entry["text"] for group in digest.context["groups"] for entry in group["entries"]]


@pytest.mark.parametrize(
    ("taking", "until"),
    [
        (Taking.DAILY, datetime(2026, 1, 15, 7, tzinfo=UTC)),
        (Taking.WEEKLY, datetime(2026, 1, 19, 7, tzinfo=UTC)),
    ],
)
def test_what_is_taken_together_waits_for_the_person_s_next_digest(channel, settings, taking, until):
    """
    At eight o'clock there; once a week it is on Monday.
    """
    settings.TIME_ZONE, settings.ACE_DIGEST_TIME = "Europe/Berlin", "08:00"
    choose("7", "news", "email", taking)

    with frozen_clock(NOON):
        report = ace.send(welcome())

    assert channel.delivered == []
    found = report[ChannelType.EMAIL]
    assert (found.outcome, found.code, found.until) == (Outcome.DEFERRED, "digest", until)


def test_what_is_held_is_delivered_as_one(channel):
    """
    Grouped by category, whole, and the originals say what they became part of.
    """
    choose("7", "jobs", "email", Taking.DAILY)
    first, second, third = news("Ann & Bob"), news("Cy"), welcome(name="offer")
    hold(first, second, third)
    work()

    [digest] = channel.delivered
    assert (digest.unique_name, digest.recipient.email_address) == ("ace_preferences.digest", "ann@example.com")
    assert [group["label"] for group in digest.context["groups"]] == ["News"]
    assert states(first, second) == ["1 folded"] * 2
    rows = Delivery.objects.filter(state=State.FOLDED)
    assert {(row.code, row.folded_into) for row in rows} == {("folded", digest.uuid)}
    assert "Ann & Bob" in texts(digest)[0]
    # One that cannot be rendered fails by itself.
    assert Delivery.objects.get(payload=third.uuid).code == "template_missing"


def test_the_digest_is_a_mail_in_the_person_s_language(settings, mailoutbox):
    """
    By the templates that a site may replace.
    """
    settings.ACE_ENABLED_CHANNELS = ["django_email"]
    settings.ACE_PEOPLE = "tests.preferences.test_digests.in_german"
    hold(news("<Ann>"), news("Bob"))
    work()

    [mail] = mailoutbox
    assert mail.subject == "2 Nachrichten für Sie"
    [html] = [part.content for part in mail.alternatives]
    assert 'lang="de"' in html
    assert "&lt;Ann&gt;" in html
    assert "Bob" in mail.body


def in_german(recipients):
    return [(None, "de")] * len(recipients)


def test_other_people_and_categories_are_not_held(channel):
    """
    Nor what is essential.
    """
    hold(news("Ann"))
    assert ace.send(welcome(recipient=Recipient(8, "bo@example.com")))


def test_essential_messages_are_not_held(channel, settings):
    """
    Whatever was chosen for their category.
    """
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"category": "news", "essential": True}}
    assert ace.send(welcome())


def test_only_mail_can_be_taken_together():
    """
    A digest is an email.
    """
    with pytest.raises(ChoiceError, match="Digests are emails"):
        choose("7", "news", "push", Taking.DAILY)


def test_explaining_starts_no_digest(channel):
    """
    It says until when the message would wait.
    """
    assert "digest" in str(ace.explain(welcome()))
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    ("taking", "expected"),
    [(Taking.IMMEDIATE, "1 sent"), (Taking.OFF, "1 skipped"), (Taking.WEEKLY, "1 queued")],
)
def test_a_choice_that_changes_meanwhile_counts_for_what_is_held(channel, taking, expected):
    """
    Nothing waits for a digest that nobody wants any more.
    """
    enqueue(message := welcome())
    work()
    choose("7", "news", "email", taking)
    work()

    assert states(message) == [expected]
    assert [one.unique_name for one in channel.delivered] == ["tests.welcome"] * (taking is Taking.IMMEDIATE)


def test_what_is_turned_off_before_the_digest_goes_is_not_in_it(use_channels):
    """
    Not even when it was folded already.
    """
    channel = Scripted(ChannelDownError("Down."))
    use_channels(mail=channel)
    choose("7", "jobs", "email", Taking.DAILY)
    hold(first := news("Ann"), second := news("Bob", options={"scope": "course:1"}))
    work()
    assert states(first, second) == ["1 folded", "1 folded"]

    choose("7", "news", "email", Taking.OFF, scope="course:1")
    Circuit.objects.all().delete()
    make_due()
    work()

    [digest] = channel.delivered
    assert len(texts(digest)) == 1
    assert "Ann" in texts(digest)[0]


def fold(*messages):
    """Let a worker fold *messages* into a digest that does not go, as the channel is down."""
    hold(*messages)
    work()
    assert set(states(*messages)) == {"1 folded"}


def open_again():
    Circuit.objects.all().delete()
    make_due()


def test_what_is_cancelled_before_the_digest_goes_is_not_in_it(use_channels):
    """
    Not even when it was folded already, and a worker has prepared the digest.
    """
    channel = Scripted(ChannelDownError("Down."))
    use_channels(mail=channel)
    fold(first := news("Ann"), second := news("Bob"))
    open_again()
    [digest] = leases.claim(Delivery.objects.all(), 1, timedelta(minutes=1))

    assert cancel(second) == Cancelled(stopped=1, in_flight=0)

    assert leases.permit([digest], timedelta(minutes=1)) == []
    assert cancel(second).stopped == 0
    work()
    [sent] = channel.delivered
    assert len(texts(sent)) == 1
    assert "Ann" in texts(sent)[0]
    assert states(first, second) == ["1 folded", "1 cancelled"]


def test_a_digest_of_which_everything_is_cancelled_is_not_sent(use_channels):
    """
    Like one that finds nothing.
    """
    channel = Scripted(ChannelDownError("Down."))
    use_channels(mail=channel)
    send = uuid4()
    fold(first := news("Ann", send_uuid=send))
    open_again()

    assert cancel(batch=send).stopped == 1

    work()
    assert channel.delivered == []
    assert states(first) == ["1 cancelled"]
    assert Delivery.objects.exclude(payload=first.uuid).get().code == "digest_empty"
    assert counts.check(send).differences == []


def test_what_is_in_a_digest_that_has_gone_cannot_be_cancelled(channel):
    """
    It has arrived with it.
    """
    hold(message := news("Ann"))
    work()

    assert cancel(message) == Cancelled(stopped=0, in_flight=0)
    assert states(message) == ["1 folded"]


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (RecoverableChannelDeliveryError("Later.", None), "1 cancelled"),
        (RecoverableChannelDeliveryError("Lost.", None, is_ambiguous=True), "1 unknown"),
        # Queued again once whatever was wrong is mended.
        (FatalChannelDeliveryError("No."), "1 cancelled"),
    ],
)
def test_what_is_cancelled_while_its_digest_is_handed_over_is_not_repeated(use_channels, answer, end):
    """
    It may arrive with it; where the channel refuses that, it has not, and the next try is without it.
    """
    cancelled = []

    class CancelsMeanwhile(Recorder):
        def deliver(self, message, rendered):
            if not cancelled:
                cancelled.append(cancel(second))
                raise answer
            return super().deliver(message, rendered)

    channel = CancelsMeanwhile()
    use_channels(mail=channel)
    hold(first := news("Ann"), second := news("Bob"))
    work()
    if failed := Delivery.objects.filter(state=State.FAILED):
        assert states(first, second) == ["1 folded", end]
        requeue(deliveries=[row.pk for row in failed])
    make_due()
    work()

    assert cancelled == [Cancelled(stopped=0, in_flight=1)]
    [sent] = channel.delivered
    assert len(texts(sent)) == 1
    assert "Ann" in texts(sent)[0]
    assert states(first, second) == ["1 folded", end]


@pytest.mark.django_db(transaction=True)
def test_cancelling_can_wait_for_the_digest_that_is_handed_over(channel):
    """
    Until it has landed, or its worker's lease is over.
    """
    hold(message := news("Ann"))
    work()
    digest = Delivery.objects.exclude(payload=message.uuid).get()
    Delivery.objects.filter(pk=digest.pk).update(state=State.HANDING, lease_until=from_now(timedelta(seconds=0.5)))

    assert cancel(message, wait=True) == Cancelled(stopped=0, in_flight=1)

    digest.refresh_from_db()
    assert leases.reclaim(Delivery.objects.all(), 1, State.HANDING, State.UNKNOWN) == [digest]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("chunk_size", "names"),
    [
        # What is locked with the digest comes after it.
        (500, ["in the digest", "after it"]),
        # Between them, in another chunk than the digest's part.
        (1, ["in the digest", "before it"]),
    ],
)
def test_cancelling_and_choosing_for_many_do_not_wait_for_each_other(use_channels, monkeypatch, chunk_size, names):
    """
    Both lock a digest and other messages, in one order.
    """
    use_channels(mail=Scripted(ChannelDownError("Down.")))
    other = Recipient(8, "bob@example.com")
    send_at = database_now(Delivery, "default") + timedelta(days=1)
    messages = {"in the digest": news("Ann")}
    enqueue(messages["in the digest"])
    work()
    enqueue(messages.setdefault("before it", news("Bob", recipient=other)), send_at=send_at)
    Delivery.objects.filter(payload=messages["in the digest"].uuid).update(due_at=database_now(Delivery, "default"))
    work()
    enqueue(messages.setdefault("after it", news("Cy", recipient=other)), send_at=send_at)
    keys = {name: Delivery.objects.get(payload=message.uuid).pk for name, message in messages.items()}
    digest = Delivery.objects.exclude(pk__in=keys.values()).get()
    assert keys["before it"] < digest.pk < keys["after it"]
    has_locked = threading.Event()
    take_out = operations._take_out

    def meet():
        if not has_locked.is_set():
            has_locked.set()
            time.sleep(0.5)

    def meeting(*args):
        if chunk_size > 1:
            meet()
        found = take_out(*args)
        meet()
        return found

    monkeypatch.setattr(operations, "_take_out", meeting)
    monkeypatch.setattr(operations, "CHUNK_SIZE", chunk_size)

    def choose_for_many():
        try:
            assert has_locked.wait(10)
            operations.reconsider(Q(recipient__in=["7", "8"]))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        choosing = pool.submit(choose_for_many)
        assert cancel(deliveries=[keys[name] for name in names]).stopped == 2
        choosing.result()


def test_what_may_have_arrived_in_a_digest_does_not_end_as_cancelled(use_channels):
    """
    The digest was handed over, and what came of it is not known.
    """
    channel = Scripted(RecoverableChannelDeliveryError("Lost.", None, is_ambiguous=True))
    use_channels(mail=channel)
    hold(message := news("Ann"))
    work()
    assert states(message) == ["1 folded"]

    assert cancel(message).stopped == 1

    assert states(message) == ["1 unknown"]
    make_due()
    work()
    assert channel.delivered == []


def test_a_digest_that_cannot_be_rendered_loses_nothing(channel, settings, tmp_path):
    """
    It fails, and goes with all that is in it once its template is mended and it is queued again.
    """
    hold(first := news("Ann"), second := news("Bob"))
    template = tmp_path / "ace_preferences/edx_ace/digest/email/body.html"
    template.parent.mkdir(parents=True)
    template.write_text("{% include 'missing.html' %}")
    whole = settings.TEMPLATES
    settings.TEMPLATES = [{**whole[0], "DIRS": [tmp_path]}]
    work()
    [failed] = Delivery.objects.filter(state=State.FAILED)
    assert states(first, second) == ["1 folded", "1 folded"]
    assert cancel(second).stopped == 1

    settings.TEMPLATES = whole
    assert requeue(deliveries=[failed.pk]) == 1
    work()

    [sent] = channel.delivered
    assert len(texts(sent)) == 1
    assert states(first, second) == ["1 folded", "1 cancelled"]


def test_who_turns_digests_off_gets_none(channel):
    """
    Nor what they would hold.
    """
    hold(message := welcome())
    choose("7", "digest", "email", Taking.OFF)
    work()

    assert states(message) == ["1 skipped"]
    assert channel.delivered == []


def test_a_category_that_has_no_digest_any_more_is_delivered_as_it_comes(channel, settings):
    """
    The site has changed its settings.
    """
    hold(message := welcome())
    settings.ACE_CATEGORIES = {"news": {"digest": False}}
    work()

    assert states(message) == ["1 sent"]


class Killed(BaseException):
    """What ends a worker at once."""


@pytest.mark.parametrize("place", ["_take", "_read", "_fold", "_digest"])
def test_a_worker_that_is_killed_while_it_folds_loses_and_doubles_nothing(channel, monkeypatch, place):
    """
    Another one finds what was claimed or folded for the digest.
    """
    hold(first := news("Ann"), second := news("Bob"))
    original = getattr(digests, place)

    def kill(*args):
        original(*args)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(digests, place, kill)
        with pytest.raises(Killed):
            work()
    end_leases()
    sweep()
    make_due()
    work()

    assert states(first, second) == ["1 folded", "1 folded"]
    [digest] = channel.delivered
    assert len(texts(digest)) == 2


def test_a_worker_that_is_killed_after_it_folded_sends_the_same_digest(use_channels):
    """
    What was folded stays in it.
    """

    class KilledOnce(Recorder):
        def deliver(self, message, rendered):
            if not self.delivered:
                self.delivered.append(message)
                raise Killed
            return super().deliver(message, rendered)

    channel = KilledOnce()
    use_channels(mail=channel)
    hold(news("Ann"))
    with pytest.raises(Killed):
        work()
    end_leases()
    sweep()
    make_due()
    work()

    first, second = channel.delivered
    assert first.uuid == second.uuid
    assert texts(first) == texts(second)


def test_two_workers_that_meet_make_one_digest(channel, monkeypatch):
    """
    While one has some of what is held, the other folds all of it.
    """
    hold(*[news(f"No. {number}") for number in range(6)])
    settle = digests.DigestPolicy.settle

    def another_comes_first(self, messages, allowed):
        results = settle(self, messages, allowed)
        monkeypatch.setattr(digests.DigestPolicy, "settle", settle)
        # It claims the digest and what the first has not claimed.
        work()
        return results

    monkeypatch.setattr(digests.DigestPolicy, "settle", another_comes_first)
    work()

    assert Counter(Delivery.objects.values_list("category", "state")) == {("news", "folded"): 6, ("digest", "sent"): 1}
    [digest] = channel.delivered
    assert len(texts(digest)) == 6


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_lose_and_double_nothing(channel, settings, daily):
    """
    Each has a few messages of each person.
    """
    settings.ACE_OUTBOX_BATCH = 4
    people = range(1, 7)
    for person in people:
        choose(str(person), "news", "email", Taking.DAILY)
    hold(
        *[
            news(f"No. {number}.", recipient=Recipient(person, f"p{person}@example.com"))
            for number in range(6)
            for person in people
        ]
    )
    work(threads=4)
    # What one worker was about to hold while another made the digest is in the next.
    daily.advance(3600)
    make_due()
    work(threads=4)

    assert Counter(Delivery.objects.filter(category="news").values_list("state", flat=True)) == {"folded": 36}
    got = Counter((digest.recipient.lms_user_id, text) for digest in channel.delivered for text in texts(digest))
    assert len(got) == 36
    assert set(got.values()) == {1}


def test_a_digest_that_finds_nothing_is_not_sent(channel):
    """
    It was all cancelled meanwhile.
    """
    hold(message := welcome())
    channels_for_many([message], [{ChannelType.EMAIL: "digest"}])
    cancel(message)
    work()

    assert Delivery.objects.get(category="digest").code == "digest_empty"
    assert channel.delivered == []


@pytest.fixture
def paused():
    """The send that a guard lets wait, and the function that lets it go."""
    send = uuid4()
    guard = Guard("paused", "It is paused.", lambda: Q(batch=send), waits=True)
    guards.register(guard)
    yield send, lambda: guards.unregister(guard)
    if guard in guards.guards():
        guards.unregister(guard)


def test_what_a_guard_lets_wait_is_in_no_digest_until_it_may_go(channel, daily, paused):
    """
    Such as of a campaign that is paused; others of the same person are.
    """
    send, let_go = paused
    hold(first := news("Ann", send_uuid=send), second := news("Bob"))
    work()
    assert states(first, second) == ["1 queued", "1 folded"]
    let_go()
    daily.advance(3600)
    make_due()
    work()

    assert states(first) == ["1 folded"]
    assert [len(texts(digest)) for digest in channel.delivered] == [1, 1]
    assert "Ann" in texts(channel.delivered[1])[0]


def test_no_digest_is_made_for_what_a_guard_lets_wait(channel, paused):
    """
    It would be empty, each hour for as long as that takes.
    """
    hold(news("Ann", send_uuid=paused[0]))
    work()

    assert not Delivery.objects.filter(category="digest").exists()


def test_what_a_digest_did_not_fold_is_in_one_an_hour_later(channel, daily):
    """
    The digest was cancelled before it could be loaded.
    """
    hold(message := welcome())
    settled = channels_for_many([message], [{ChannelType.EMAIL: "digest"}])
    assert ChannelType.EMAIL not in settled[0]
    cancel(deliveries=[Delivery.objects.get(category="digest").pk])
    work()
    assert states(message) == ["1 queued"]
    daily.advance(3600)
    make_due()
    work()

    assert states(message) == ["1 folded"]
    assert len(channel.delivered) == 1


@pytest.fixture
def shop():
    answers = {}
    source = sources.Source("tests.digests", lambda references: {one: answers[one] for one in references})
    sources.register(source)
    yield answers
    sources.unregister(source)


def test_what_a_source_has_no_message_for_any_more_is_skipped(channel, shop):
    """
    The digest goes without it.
    """
    shop["order"] = welcome()
    enqueue(FromSource("tests.digests", "order", gone := welcome()))
    hold(news("Ann"))
    shop["order"] = Skipped("order_deleted", "There is no such order any more.")
    work()

    assert states(gone) == ["1 skipped"]
    assert len(texts(channel.delivered[0])) == 1


def test_what_has_expired_is_not_in_the_digest(channel):
    """
    It ends as expired.
    """
    hold(news("Ann"), old := news("Bob"))
    Delivery.objects.filter(payload=old.uuid).update(expires_at=database_now(Delivery, "default") - timedelta(hours=2))
    work()
    sweep()

    assert states(old) == ["1 expired"]
    assert len(texts(channel.delivered[0])) == 1


def test_what_is_over_a_cap_goes_into_a_digest_where_the_category_allows_it(channel, settings):
    """
    Also for people who take it as it comes.
    """
    settings.ACE_ENABLED_POLICIES = ["preference", "digest", "frequency_cap"]
    settings.ACE_FREQUENCY_CAPS = {"all": "1/day"}
    choose("7", "news", "email", Taking.IMMEDIATE)
    messages = [news("Ann"), news("Bob"), news("Cy")]
    enqueue(messages)
    work()
    assert states(*messages) == ["1 sent", "1 queued", "1 queued"]
    assert set(Delivery.objects.filter(state=State.QUEUED).values_list("code", flat=True)) == {"digest"}

    settings.ACE_FREQUENCY_CAPS = {"all": "2/day"}
    make_due()
    work()

    assert states(*messages) == ["1 sent", "1 folded", "1 folded"]
    assert len(channel.delivered) == 2


def test_what_is_held_waits_for_no_quiet_hours_but_its_digest_does(channel, settings, daily):
    """
    Or a digest that is due at night would never be made.
    """
    settings.ACE_ENABLED_POLICIES = ["preference", "digest", "quiet_hours"]
    hour = timedelta(hours=1)
    settings.ACE_QUIET_HOURS = (f"{daily.now - hour:%H:%M}", f"{daily.now + 2 * hour:%H:%M}")
    hold(message := welcome())
    work()

    assert states(message) == ["1 folded"]
    assert Delivery.objects.get(category="digest").code == "quiet_hours"
    daily.advance(3 * 3600)
    make_due()
    work()
    assert len(channel.delivered) == 1


def test_a_hundred_people_s_digests_need_few_queries(channel, django_assert_max_num_queries):
    """
    However many they are, and whatever they hold.
    """
    for number in range(1, 31):
        choose(str(number), "news", "email", Taking.DAILY)
    hold(*[news(n, recipient=Recipient(n % 30 + 1, f"p{n % 30 + 1}@example.com")) for n in range(60)])
    rows = Delivery.objects.filter(category="news")
    messages = [welcome(recipient=Recipient(n, f"p{n}@example.com")) for n in range(1, 31)]
    channels_for_many(messages, [{ChannelType.EMAIL: "digest"}] * 30)
    references = list(Delivery.objects.filter(category="digest").values_list("payload", flat=True))
    assert (len(references), rows.count()) == (30, 60)

    with django_assert_max_num_queries(25):
        found = digests.load(references)

    assert {len(texts(one)) for one in found.values()} == {2}


def test_where_the_policy_is_not_enabled_everything_goes_as_it_comes(channel, settings):
    """
    Nothing would ever deliver what is held.
    """
    settings.ACE_ENABLED_POLICIES = ["preference"]

    assert ace.send(welcome())


def test_what_may_have_arrived_before_does_not_end_as_folded(channel):
    """
    That would say that it did not go by itself; the digest holds it all the same.
    """
    hold(message := news("Ann"))
    Delivery.objects.update(may_have_arrived=True)
    work()

    assert states(message) == ["1 unknown"]
    assert len(texts(channel.delivered[0])) == 1


def test_essential_messages_need_no_look_at_choices(settings, django_assert_num_queries):
    """
    Nothing that is looked up would matter.
    """
    settings.ACE_ENABLED_POLICIES = ["preference", "quiet_hours", "frequency_cap", "digest"]
    settings.ACE_FREQUENCY_CAPS = {"all": "1/day"}
    settings.ACE_MESSAGE_TYPES = {"tests.welcome": {"essential": True}}

    with django_assert_num_queries(0):
        allowed = channels_for_many([welcome(), welcome()])

    assert all(ChannelType.EMAIL in one for one in allowed)
