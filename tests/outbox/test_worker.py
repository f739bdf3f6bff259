"""
Internal: what a worker does with what is due, from the claim to the record, with channels that answer as a test says.
"""

import json
import logging
import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.models import F, Q, QuerySet
from django.test.utils import CaptureQueriesContext

from edx_ace import ChannelType, PolicyResult, Recipient
from edx_ace.errors import (
    ChannelDownError,
    FatalChannelDeliveryError,
    InvalidMessageError,
    RecoverableChannelDeliveryError,
)
from edx_ace.outbox import Priority, State, cancel, enqueue, guards, leases, status
from edx_ace.outbox.claiming import SUSPICIOUS_CLAIMS, claim
from edx_ace.outbox.clock import database_now
from edx_ace.outbox.models import Attempt, Delivery, Payload
from edx_ace.outbox.worker import MAX_CLAIMS, sweep
from edx_ace.signals import message_sent
from tests.pipeline import Recorder, Says, Scripted, welcome

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def script(use_channels):
    """Return a function that makes the email channel answer with its arguments, in turn."""

    def use(*answers):
        channel = Scripted(*answers)
        use_channels(mail=channel)
        return channel

    return use


@pytest.fixture
def guard():
    """Return a function that registers a guard for the time of the test."""
    registered = []

    def register(code, forbids, **more):
        registered.append(guards.Guard(code, "A test forbids it.", forbids, **more))
        guards.register(registered[-1])

    yield register
    for one in registered:
        guards.unregister(one)


def work(**arguments):
    """Run a worker until nothing is due; return what it prints."""
    out = StringIO()
    call_command("ace_worker", once=True, stdout=out, **arguments)
    return out.getvalue().strip()


def make_due():
    """Let the time pass that queued deliveries wait."""
    Delivery.objects.filter(state=State.QUEUED).update(due_at=database_now(Delivery, "default") - HOUR)


def end_leases():
    Delivery.objects.update(lease_until=database_now(Delivery, "default") - HOUR)


def one():
    return Delivery.objects.get()


def test_what_is_due_is_sent_and_recorded(channel):
    """
    With the provider's id and an attempt; nothing else is left to do.
    """
    message = welcome()
    enqueue(message)

    assert work() == "1 sent"

    row = one()
    assert [sent.uuid for sent in channel.delivered] == [message.uuid]
    assert (row.state, row.provider_id, row.attempts, row.lease_until) == ("sent", "id-1", 1, None)
    assert row.finished_at is not None
    assert list(Attempt.objects.values_list("delivery", "outcome", "code")) == [(row.pk, "sent", "")]
    assert work() == "nothing was due"


def test_what_is_not_due_waits(channel):
    """
    Its time is later.
    """
    enqueue(welcome(), send_at=datetime.now(tz=UTC) + HOUR)

    assert work() == "nothing was due"
    assert channel.delivered == []


def test_many_are_sent_in_windows(channel):
    """
    Each once, whatever the size of a batch and of a window.
    """
    batch = uuid4()
    enqueue(welcome(send_uuid=batch, recipient=Recipient(n, f"p{n}@example.com")) for n in range(1, 251))

    assert work() == "250 sent"

    assert len({message.uuid for message in channel.delivered}) == 250
    assert status(batch=batch).states == {State.SENT: 250}


@pytest.mark.django_db(transaction=True)
def test_threads_share_what_is_due(channel):
    """
    Nothing is sent twice, and nothing is left.
    """
    enqueue(welcome() for _ in range(300))

    assert work(threads=3) == "300 sent"

    assert len(channel.delivered) == len({message.uuid for message in channel.delivered}) == 300


def test_the_most_important_goes_first(channel):
    """
    A password reset overtakes the newsletters.
    """
    enqueue([welcome(name="welcome") for _ in range(3)], priority=Priority.BULK)
    reset = welcome(options={"transactional": True})
    enqueue(reset)

    work()

    assert channel.delivered[0].uuid == reset.uuid


def test_the_context_is_as_it_is_when_it_is_sent(channel):
    """
    Instances are loaded again; the signal tells the site that the message has gone.
    """
    user = User.objects.create(username="ann")
    enqueue(welcome(context={"name": "Ann", "user": user}))
    User.objects.update(first_name="Anna")
    told = []

    def receive(message, **_):
        told.append(message["name"])

    message_sent.connect(receive)
    try:
        work()
    finally:
        message_sent.disconnect(receive)

    assert channel.delivered[0].context["user"].first_name == "Anna"
    assert told == ["welcome"]


@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        (FatalChannelDeliveryError("no such user", code="smtp_550"), "failed", "smtp_550"),
        (InvalidMessageError("bad", code="bad_text"), "failed", "bad_text"),
        (KeyError("bug in a channel"), "failed", "unexpected_error"),
        (RecoverableChannelDeliveryError("busy", code="smtp_450"), "queued", "smtp_450"),
        (RecoverableChannelDeliveryError("lost", code="lost", is_ambiguous=True), "queued", "lost"),
        (FatalChannelDeliveryError("unreadable", code="odd", is_ambiguous=True), "queued", "odd"),
        (ChannelDownError("login", code="smtp_535"), "queued", "smtp_535"),
        (RecoverableChannelDeliveryError("slow down", code="http_429"), "queued", "http_429"),
    ],
)
def test_an_error_ends_a_delivery_or_lets_it_wait(script, answer, state, code):
    """
    By its kind; the others of the same window are not affected.
    """
    script(answer)
    enqueue([welcome(), welcome()])

    work()

    bad, good = Delivery.objects.order_by("pk")
    assert (bad.state, bad.code, good.state) == (state, code, "sent")
    assert Attempt.objects.get(delivery=bad).code == code


@pytest.mark.parametrize(
    ("code", "is_ambiguous", "attempts"),
    [
        ("smtp_450", False, 1),
        ("http_429", False, 0),
        ("connection", False, 0),
        # The request was on its way: that it comes back without an answer says something about it.
        ("connection", True, 1),
        ("timeout", False, 1),
    ],
)
def test_throttling_and_a_channel_that_is_down_spend_no_attempt(script, code, is_ambiguous, attempts):
    """
    They say nothing about the message.
    """
    script(RecoverableChannelDeliveryError("later", code=code, is_ambiguous=is_ambiguous))
    enqueue(welcome())

    work()

    assert (one().attempts, one().may_have_arrived) == (attempts, is_ambiguous)


def test_the_refusals_of_a_window_are_recorded_together(script):
    """
    In one statement for each state; each with its own code, reason, number of attempts and time.
    """
    now = datetime.now(tz=UTC)
    later = [RecoverableChannelDeliveryError(f"later {n}", now + n * HOUR / 4, code=f"smtp_45{n}") for n in (1, 2)]
    gone = [FatalChannelDeliveryError(f"gone {n}", code=f"smtp_55{n}") for n in (1, 2)]
    script(*later, RecoverableChannelDeliveryError("slow down", now + HOUR, code="http_429"), *gone)
    enqueue([welcome() for _ in range(6)])

    with CaptureQueriesContext(connection) as queries:
        work()

    written = [query["sql"] for query in queries if "UPDATE" in query["sql"] and "smtp_" in query["sql"]]
    assert len(written) == 2
    rows = Delivery.objects.order_by("pk")
    assert list(rows.values_list("state", "code", "attempts")) == [
        ("queued", "smtp_451", 1),
        ("queued", "smtp_452", 1),
        ("queued", "http_429", 0),
        ("failed", "smtp_551", 1),
        ("failed", "smtp_552", 1),
        ("sent", "", 1),
    ]
    assert [row.reason.rpartition(" ")[2] for row in rows] == ["1", "2", "down", "1", "2", ""]
    waits = [row.due_at - now for row in rows[:3]]
    assert waits == [pytest.approx(wait, abs=timedelta(minutes=2)) for wait in (HOUR / 4, HOUR / 2, HOUR)]
    assert Attempt.objects.count() == 6


def test_a_delivery_is_tried_again_after_a_while(script, settings):
    """
    Not before its time, which is random up to a limit that doubles.
    """
    settings.ACE_OUTBOX_RETRY_SECONDS = 1000
    channel = script(RecoverableChannelDeliveryError("busy", code="smtp_450"))
    enqueue(welcome())

    assert work() == "1 queued"
    wait = one().due_at - database_now(Delivery, "default")
    assert timedelta(0) < wait <= timedelta(seconds=1000)
    assert work() == "nothing was due"
    make_due()
    assert work() == "1 sent"

    assert len(channel.delivered) == 1
    assert one().code == ""


def test_a_moment_that_the_channel_names_is_kept_within_limits(script):
    """
    A provider cannot put a message off for a day.
    """
    script(RecoverableChannelDeliveryError("later", datetime.now(tz=UTC) + timedelta(days=1), code="http_429"))
    enqueue(welcome())

    work()

    wait = one().due_at - database_now(Delivery, "default")
    assert timedelta(minutes=59) < wait <= HOUR


@pytest.mark.parametrize(("is_ambiguous", "state", "times"), [(False, "failed", 10), (True, "unknown", 3)])
def test_attempts_have_a_limit(script, is_ambiguous, state, times):
    """
    What may have been accepted ends as unknown, and sooner.
    """
    script(*[RecoverableChannelDeliveryError("later", is_ambiguous=is_ambiguous)] * 20)
    enqueue(welcome())

    for _ in range(12):
        work()
        make_due()

    assert (one().state, one().attempts) == (state, times)
    assert Attempt.objects.count() == times


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        # What was clearly refused counts towards the limit of all attempts alone.
        (["busy", "busy", "lost", "lost", "accepted"], "sent"),
        (["lost", "busy", "lost", "busy", "lost", "accepted"], "unknown"),
        # A worker that ends leaves as little known as a lost connection.
        (["dead worker", "busy", "lost", "dead worker", "lost", "accepted"], "unknown"),
        (["dead worker", "busy", "busy", "lost", "accepted"], "sent"),
    ],
)
def test_only_what_nobody_knows_the_end_of_counts_towards_its_limit(script, answers, state):
    """
    A message that was refused for now twice is repeated when its next connection is lost.
    """
    busy = RecoverableChannelDeliveryError("busy", code="smtp_450")
    lost = RecoverableChannelDeliveryError("lost", code="lost", is_ambiguous=True)
    script(*[{"busy": busy, "lost": lost, "accepted": None}[answer] for answer in answers if answer != "dead worker"])
    enqueue(welcome())

    for answer in answers:
        if answer == "dead worker":
            leases.permit(claim(10), HOUR)
            end_leases()
            sweep()
        else:
            work()
        make_due()

    assert one().state == state


def test_what_asked_to_be_held_is_not_repeated_when_ambiguous(script):
    """
    It ends as unknown at once.
    """
    script(RecoverableChannelDeliveryError("lost", is_ambiguous=True))
    enqueue(welcome(), on_ambiguous="hold")

    assert work() == "1 unknown"


def test_nothing_is_sent_after_its_time(channel):
    """
    It ends as expired, and says so.
    """
    enqueue(welcome(expiration_time=datetime.now(tz=UTC) - HOUR))

    assert work() == "1 expired"
    assert channel.delivered == []


def test_a_message_that_expires_while_it_is_prepared_gets_no_permit(use_channels, use_policies):
    """
    The moment of the permit counts.
    """
    channel = Recorder()
    use_channels(mail=channel)

    def expire(message):
        Delivery.objects.update(expires_at=F("created_at") - HOUR)
        return PolicyResult()

    use_policies(Says(expire))
    enqueue(welcome())

    assert work() == "1 expired"
    assert channel.delivered == []


def test_a_message_that_would_expire_before_its_next_attempt_ends_when_it_expires(script, settings):
    """
    And not an hour later.
    """
    settings.ACE_OUTBOX_RETRY_SECONDS = 3600
    script(*[RecoverableChannelDeliveryError("later", datetime.now(tz=UTC) + HOUR, code="smtp_450")] * 2)
    expiry = datetime.now(tz=UTC).replace(microsecond=0) + timedelta(minutes=5)
    enqueue(welcome(expiration_time=expiry))

    work()

    assert one().due_at == expiry


def test_policies_are_asked_when_it_is_sent(channel, use_policies):
    """
    What they deny is skipped, what they defer waits, and what they fail on is tried again.
    """
    until = datetime.now(tz=UTC).replace(microsecond=0) + HOUR
    results = {
        "deny": lambda: PolicyResult(deny={ChannelType.EMAIL}, code="opted_out", reason="No."),
        "defer": lambda: PolicyResult(defer={ChannelType.EMAIL: until}, code="night"),
        "fail": lambda: 1 / 0,
        "allow": PolicyResult,
    }
    use_policies(Says(lambda message: results[message.context["name"]]()))
    enqueue(welcome(context={"name": name}) for name in results)

    work()

    deny, defer, fail, allow = Delivery.objects.order_by("pk")
    assert (deny.state, deny.code) == ("skipped", "opted_out")
    assert (defer.state, defer.code, defer.due_at, defer.attempts) == ("queued", "night", until, 0)
    assert (fail.state, fail.code, fail.attempts) == ("queued", "policy_error", 1)
    assert allow.state == "sent"


def test_what_policies_say_of_many_alike_is_written_at_once(channel, use_policies):
    """
    In one statement for each reason and moment, however many messages they keep back.
    """
    until = datetime.now(tz=UTC).replace(microsecond=0) + HOUR
    results = [
        PolicyResult(deny={ChannelType.EMAIL}, code="opted_out", reason="No."),
        PolicyResult(defer={ChannelType.EMAIL: until}, code="night", reason="Late."),
        PolicyResult(defer={ChannelType.EMAIL: until + HOUR}, code="night", reason="Late."),
    ]
    use_policies(Says(lambda message: results[message.context["result"]]))
    enqueue(welcome(context={"result": n % 3}) for n in range(12))

    with CaptureQueriesContext(connection) as queries:
        assert work() == "8 queued, 4 skipped"

    assert sum("opted_out" in query["sql"] or "night" in query["sql"] for query in queries) == 3
    assert set(Delivery.objects.values_list("state", "code", "reason")) == {
        ("skipped", "opted_out", "No."),
        ("queued", "night", "Late."),
    }
    for n, row in enumerate(Delivery.objects.order_by("pk")):
        assert row.state == "skipped" or row.due_at == until + (n % 3 - 1) * HOUR


def test_a_guard_is_asked_with_the_permit(channel, guard):
    """
    Whoever it matches is skipped for the guard's reason; the others of the window go out.
    """
    guard("never", lambda: Q(pk__lt=0))
    guard("opted_out", lambda: Q(recipient="8"))
    enqueue(welcome(recipient=Recipient(n, f"p{n}@example.com")) for n in (7, 8, 9))

    work()

    assert list(Delivery.objects.order_by("pk").values_list("recipient", "state", "code")) == [
        ("7", "sent", ""),
        ("8", "skipped", "opted_out"),
        ("9", "sent", ""),
    ]


def test_what_a_guard_lets_wait_goes_once_it_may(channel, guard):
    """
    It is back in the queue, due in a minute, says why, and has spent no attempt.
    """
    paused = ["8"]
    guard("paused", lambda: Q(recipient__in=paused), waits=True)
    enqueue(welcome(recipient=Recipient(n, f"p{n}@example.com")) for n in (7, 8))

    work()

    waiting = Delivery.objects.get(recipient="8")
    assert (waiting.state, waiting.code, waiting.reason) == ("queued", "paused", "A test forbids it.")
    assert (waiting.attempts, waiting.claims) == (0, 0)
    assert MINUTE / 2 < waiting.due_at - database_now(Delivery, "default") <= MINUTE

    paused.clear()
    make_due()
    assert work() == "1 sent"
    assert [message.recipient.lms_user_id for message in channel.delivered] == [7, 8]


def test_a_guard_that_looks_into_another_table_lets_people_without_an_account_pass(channel, guard):
    """
    Who has no id is in no table.
    """
    User.objects.create(username="8")
    guard("opted_out", lambda: Q(recipient__in=User.objects.values("username")))
    enqueue(welcome(recipient=Recipient(n, f"p{n}@example.com")) for n in (0, 8))

    work()

    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["sent", "skipped"]


def test_a_guard_that_changes_its_mind_lets_the_message_wait(channel, guard):
    """
    What was forbidden at the permit and is not when the reason is looked for is tried again.
    """
    answers = iter([Q(pk__gt=0)])
    guard("paused", lambda: next(answers, Q(pk__lt=0)))
    enqueue(welcome())

    assert work() == "nothing was due"

    assert (one().state, one().claims) == ("queued", 0)
    make_due()
    assert work() == "1 sent"


def test_what_is_cancelled_while_it_is_prepared_is_not_sent(channel, use_policies):
    """
    The permit comes after the cancellation.
    """
    message = welcome()

    def stop(_):
        cancel(message)
        return PolicyResult()

    use_policies(Says(stop))
    enqueue(message)

    work()

    assert channel.delivered == []
    assert one().state == "cancelled"


@pytest.mark.parametrize(("is_ambiguous", "state"), [(False, "cancelled"), (True, "unknown")])
def test_what_is_cancelled_in_flight_is_not_tried_again(use_channels, is_ambiguous, state):
    """
    A clear refusal makes it cancelled; what may have been accepted is unknown.
    """
    message = welcome()

    class Cancels(Recorder):
        def deliver(self, given, rendered_message):
            assert cancel(message).in_flight == 1
            raise RecoverableChannelDeliveryError("later", is_ambiguous=is_ambiguous)

    use_channels(mail=Cancels())
    enqueue(message)
    work()
    make_due()
    # One that may have arrived is claimed once more before it is found to be stopped.
    work()

    assert one().state == state


def test_a_message_whose_template_is_missing_fails_alone(channel, caplog):
    """
    The code says why.
    """
    caplog.set_level(logging.WARNING)
    enqueue([welcome(name="nowhere"), welcome()])

    work()

    assert sorted(Delivery.objects.values_list("state", "code")) == [("failed", "template_missing"), ("sent", "")]
    [line] = caplog.messages
    assert line.endswith(": failed (template_missing)")


def test_a_message_whose_instance_is_gone_fails_alone(channel):
    """
    It cannot be rendered any more.
    """
    user = User.objects.create(username="ann")
    enqueue([welcome(context={"name": "Ann", "user": user}), welcome()])
    user.delete()

    work()

    assert sorted(Delivery.objects.values_list("state", "code")) == [("failed", "reference_gone"), ("sent", "")]


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ("auth.removed", 1),
        ("removed.user", 1),  # with its app
        ("auth.user", "a name"),  # has another kind of key by now
    ],
)
def test_a_message_whose_model_is_gone_fails_alone(channel, model, key):
    """
    A new release of the site has removed it; nobody else waits because of that.
    """
    enqueue([welcome(context={"name": "Ann", "user": User.objects.create(username="ann")}), welcome()])
    payload = Payload.objects.get(content__contains="auth.user")
    fields = json.loads(payload.content)
    fields["context"]["user"]["value"] = [model, key]
    Payload.objects.filter(pk=payload.pk).update(content=json.dumps(fields))

    work()

    assert sorted(Delivery.objects.values_list("state", "code")) == [("failed", "reference_gone"), ("sent", "")]


def test_an_instance_that_cannot_be_loaded_puts_its_message_off_alone(channel, monkeypatch):
    """
    Its model refuses the row, which somebody may repair.
    """
    users = [User.objects.create(username=name) for name in ("ann", "bob", "odd")]
    enqueue(welcome(context={"name": user.username, "user": user}) for user in users)

    whole = User.from_db.__func__

    def from_db(cls, db, names, values, **more):
        if "odd" in values:
            raise ValueError("odd")
        return whole(cls, db, names, values, **more)

    monkeypatch.setattr(User, "from_db", classmethod(from_db))
    assert work() == "2 sent, 1 queued"

    assert sorted(Delivery.objects.values_list("state", "code")) == [
        ("queued", "load_error"),
        ("sent", ""),
        ("sent", ""),
    ]
    assert "auth.user" in Delivery.objects.get(state="queued").reason


def test_the_words_of_a_channel_are_kept_without_addresses(script):
    """
    Tables and logs are read by more people than those who may know addresses.
    """
    script(FatalChannelDeliveryError("550 <ann@example.com> is unknown", code="smtp_550"))
    enqueue(welcome())

    work()

    assert one().reason == Attempt.objects.get().reply == "550 <(address)> is unknown"


def test_a_named_channel_is_the_one_that_is_used(use_channels):
    """
    As the limit said when it was enqueued.
    """
    first, second = Recorder(), Recorder()
    use_channels(first=first, second=second)
    enqueue(welcome(), limit_to_channels=["second"])

    work()

    assert (len(first.delivered), len(second.delivered)) == (0, 1)


def test_a_message_goes_over_the_channel_that_settings_name_when_it_is_sent(use_channels, settings):
    """
    Another one was the default when it was enqueued.
    """
    first, second = Recorder(), Recorder()
    use_channels(first=first, second=second)
    settings.ACE_CHANNEL_DEFAULT_EMAIL = "first"
    enqueue(welcome())
    settings.ACE_CHANNEL_DEFAULT_EMAIL = "second"

    assert work() == "1 sent"

    assert (len(first.delivered), len(second.delivered)) == (0, 1)
    assert (one().channel, one().claims) == ("second", 1)


def test_what_waits_for_a_channel_that_is_not_enabled_any_more_goes_over_another(use_channels):
    """
    Of its type, or it says that there is none.
    """
    use_channels(old=Recorder(), push=Recorder(ChannelType.PUSH))
    enqueue(welcome(), limit_to_channels=[ChannelType.EMAIL])
    enqueue(welcome(recipient=Recipient(8)), limit_to_channels=[ChannelType.PUSH])
    new = Recorder()
    use_channels(newer=new, newest=Recorder())

    work()

    assert list(Delivery.objects.order_by("pk").values_list("state", "code")) == [
        ("sent", ""),
        ("failed", "no_channel"),
    ]
    assert len(new.delivered) == 1


def test_a_worker_may_serve_some_channels_alone(use_channels):
    """
    What waits for others is left to other workers.
    """
    mail, phones = Recorder(), Recorder(ChannelType.PUSH)
    use_channels(mail=mail, phones=phones)
    message = welcome()
    enqueue(message)

    assert work(channels=["phones"]) == "1 sent"

    assert (len(mail.delivered), len(phones.delivered)) == (0, 1)
    assert str(status(message)) == "1 queued, 1 sent"


def test_a_channel_that_is_not_enabled_is_refused(channel):
    """
    A mistyped name would leave its messages to nobody.
    """
    with pytest.raises(CommandError, match=r"--channels names 'mial', which is not enabled\. Did you mean 'mail'\?"):
        work(channels=["mial"])
    with pytest.raises(CommandError, match=r"names 'x', which is not enabled\. Enabled are mail\."):
        work(channels=["x"])


def test_progress_is_shown_on_a_terminal(channel, settings):
    """
    On one line, which each batch draws anew.
    """
    settings.ACE_OUTBOX_BATCH = 1
    enqueue([welcome(), welcome()])
    out = StringIO()
    out.isatty = lambda: True

    call_command("ace_worker", once=True, stdout=out)

    assert out.getvalue() == "\r1 sent\r2 sent\r2 sent\n"


def test_a_worker_that_is_told_to_stop_finishes_its_window_and_gives_the_rest_back(use_channels, settings):
    """
    Another can continue at once.
    """
    settings.ACE_OUTBOX_WINDOW = 2

    class Ends(Recorder):
        def deliver(self, message, rendered_message):
            os.kill(os.getpid(), signal.SIGTERM)
            return super().deliver(message, rendered_message)

    use_channels(mail=Ends())
    enqueue(welcome() for _ in range(5))

    assert work() == "2 sent"

    assert status_of_all() == {"sent": 2, "queued": 3}
    assert set(Delivery.objects.filter(state="queued").values_list("claims", "lease_until")) == {(0, None)}


def status_of_all():
    states = list(Delivery.objects.values_list("state", flat=True))
    return {state: states.count(state) for state in set(states)}


@pytest.mark.parametrize("on_ambiguous", ["repeat", "hold"])
def test_what_a_dead_worker_left_moves_on_with_its_lost_attempt(channel, monkeypatch, on_ambiguous):
    """
    Together or not at all: a sweep that fails half way is as if it had not been.
    """
    enqueue(welcome(), on_ambiguous=on_ambiguous)
    leases.permit(claim(10), HOUR)
    end_leases()

    create = QuerySet.bulk_create

    def lose(rows, *args, **kwargs):
        if rows.model is Attempt:
            raise OperationalError("server closed the connection unexpectedly")
        return create(rows, *args, **kwargs)

    with monkeypatch.context() as patched, pytest.raises(OperationalError):
        patched.setattr(QuerySet, "bulk_create", lose)
        sweep()
    assert (one().state, Attempt.objects.count()) == ("handing", 0)

    sweep()
    assert (one().state, Attempt.objects.count()) == ("queued" if on_ambiguous == "repeat" else "unknown", 1)


def test_what_a_dead_worker_left_is_continued(channel):
    """
    Claimed deliveries return; of those in flight nobody knows, and they are repeated or held as they asked.
    """
    for on_ambiguous in ("repeat", "hold"):
        enqueue(welcome(context={"name": on_ambiguous}), on_ambiguous=on_ambiguous)
    leases.permit(claim(10), HOUR)
    enqueue(welcome(context={"name": "claimed"}))
    claim(10)
    assert work() == "nothing was due"
    end_leases()

    sweep()
    work()

    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["sent", "unknown", "sent"]
    assert {message.context["name"] for message in channel.delivered} == {"repeat", "claimed"}
    assert Attempt.objects.filter(outcome="lost").count() == 2


def test_what_may_have_arrived_never_ends_as_if_it_had_not(channel):
    """
    A cancellation comes too late to say that it did not go.
    """
    message = welcome()
    enqueue(message)
    leases.permit(claim(10), HOUR)
    end_leases()
    sweep()

    assert cancel(message).stopped == 1

    assert (one().state, one().code) == ("unknown", "cancelled")


class Killed(BaseException):
    """Ends a worker as SIGKILL does: nothing is recorded and nothing given back."""


def test_a_message_that_ends_its_worker_each_time_fails_and_the_others_go_out(use_channels):
    """
    It is tried alone after a while, so that the others are not blamed.
    """

    class Deadly(Recorder):
        def deliver(self, message, rendered_message):
            if message.context["name"] == "poison":
                raise Killed
            return super().deliver(message, rendered_message)

    use_channels(mail=Deadly())
    poison = welcome(context={"name": "poison"})
    enqueue([welcome(), poison, *(welcome() for _ in range(5))])
    deaths = 0

    for _ in range(2 * MAX_CLAIMS):
        try:
            work()
        except Killed:
            deaths += 1
            end_leases()

    assert deaths == MAX_CLAIMS
    assert status_of_all() == {"sent": 6, "failed": 1}
    assert status(poison).deliveries.get().code == "poison"


def test_innocent_messages_do_not_fail_when_workers_are_killed_often(use_channels):
    """
    Which of them is tried alone changes with each kill.
    """

    class KilledOften(Recorder):
        deaths = 0

        def deliver(self, message, rendered_message):
            if self.deaths < 2 * MAX_CLAIMS:
                self.deaths += 1
                raise Killed
            return super().deliver(message, rendered_message)

    use_channels(mail=(channel := KilledOften()))
    enqueue(welcome() for _ in range(10))

    for _ in range(2 * MAX_CLAIMS):
        with pytest.raises(Killed):
            work()
        end_leases()
    work()

    assert channel.deaths == 2 * MAX_CLAIMS
    assert status_of_all() == {"sent": 10}


def test_nobody_is_suspected_for_having_been_claimed_beside_a_suspect(channel, monkeypatch):
    """
    A worker that is killed while it gives the others back leaves no trace in them.
    """
    enqueue(welcome() for _ in range(3))
    Delivery.objects.update(claims=SUSPICIOUS_CLAIMS - 1)

    def die(rows):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(leases, "release", die)
        with pytest.raises(Killed):
            claim(10)

    assert set(Delivery.objects.values_list("state", "claims")) == {("queued", SUSPICIOUS_CLAIMS - 1)}
    assert len(claim(10)) == 1
    assert sorted(Delivery.objects.values_list("state", "claims")) == [
        ("claimed", SUSPICIOUS_CLAIMS),
        *[("queued", SUSPICIOUS_CLAIMS - 1)] * 2,
    ]


def test_a_worker_survives_its_own_mistakes(channel, monkeypatch, caplog):
    """
    They are logged, and it goes on.
    """
    monkeypatch.setattr("edx_ace.outbox.worker._PAUSE_SECONDS", 0)
    answers = iter([RuntimeError("a mistake")])

    def failing(queryset, *args):
        # Chores claim, too.
        for error in answers if queryset.model is Delivery else ():
            raise error
        return original(queryset, *args)

    original = leases.claim
    monkeypatch.setattr(leases, "claim", failing)
    enqueue(welcome())

    assert work() == "1 sent"
    assert "A worker failed; it goes on" in caplog.text


def test_less_than_one_thread_is_an_error():
    """
    It says what was expected.
    """
    with pytest.raises(CommandError, match="--threads must be 1 or more, given 0"):
        work(threads=0)


@pytest.mark.django_db(transaction=True)
def test_a_worker_waits_for_what_is_enqueued_later(channel, settings):
    """
    Until it is told to end.
    """
    settings.ACE_OUTBOX_POLL_SECONDS = 0.05
    out = StringIO()

    def enqueue_and_stop():
        enqueue(welcome())
        for _ in range(200):
            if status_of_all() == {"sent": 1}:
                break
            threading.Event().wait(0.02)
        connection.close()
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=enqueue_and_stop)
    thread.start()
    call_command("ace_worker", stdout=out)
    thread.join()

    assert out.getvalue().strip() == "1 sent"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("last", [State.HANDING, State.SENT])
def test_a_commit_whose_answer_was_lost_counts_once(channel, monkeypatch, last):
    """
    The connection broke after the permit was committed, or after what came of it was.
    """
    batch = uuid4()
    enqueue(welcome(send_uuid=batch, recipient=Recipient(n, f"p{n}@example.com")) for n in range(1, 4))
    commit, lost = connection._commit, []

    def commit_without_answer():
        commit()
        break_connection_once()

    def statement_without_answer(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if "UPDATE" in sql and not connection.in_atomic_block:
            # Committed with it.
            break_connection_once()
        return result

    def break_connection_once():
        has_come = not lost and Delivery.objects.filter(state=last).exists()
        # The look may have begun a transaction of its own, which PostgreSQL does not leave by itself.
        commit()
        if has_come:
            lost.append(last)
            if connection.vendor == "postgresql":
                connection.connection.close()
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connection, "_commit", commit_without_answer)

    with connection.execute_wrapper(statement_without_answer):
        assert work() == "3 sent"

    assert lost == [last]
    assert len(channel.delivered) == Attempt.objects.count() == 3
    assert status(batch=batch).states == {State.SENT: 3}


def test_what_was_cancelled_is_not_counted_again_by_the_worker_that_had_it():
    """
    Both would have made it unknown.
    """
    batch = uuid4()
    enqueue(welcome(send_uuid=batch))
    Delivery.objects.update(may_have_arrived=True)
    claimed = claim(10)
    cancel(batch=batch)

    assert leases.move(claimed, State.CLAIMED, State.UNKNOWN) == []
    assert status(batch=batch).states == {State.UNKNOWN: 1}
