"""
Internal: what `send_many` promises.
"""

import tracemalloc
import weakref
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core import mail
from django.test import override_settings

from edx_ace import ChannelType, Policy, PolicyResult, ace, renderers
from edx_ace.batch import CHUNK_SIZE, MAX_WAITING
from edx_ace.errors import FatalChannelDeliveryError, RecoverableChannelDeliveryError
from edx_ace.report import Outcome
from tests.pipeline import Recorder, Scripted, welcome

EMAIL, PUSH = ChannelType.EMAIL, ChannelType.PUSH


def many(count, **fields):
    """Yield *count* messages to different people."""
    from edx_ace import Recipient

    for number in range(count):
        yield welcome(recipient=Recipient(number, f"p{number}@example.com"), **fields)


def test_every_message_of_any_iterable_is_sent_and_reported_once():
    """
    More messages than a chunk holds, from a generator.
    """
    messages = list(many(CHUNK_SIZE + 3))

    reports = list(ace.send_many(message for message in messages))

    assert all(reports)
    assert [report.uuid for report in reports] == [message.uuid for message in messages]
    assert [sent.to[0] for sent in mail.outbox] == [message.recipient.email_address for message in messages]


def test_reports_stream_while_later_messages_have_not_been_asked_for(use_channels):
    """
    At the first report no more than a chunk has been taken from the caller.
    """
    use_channels(mailer=Recorder())
    taken = []

    def messages():
        for message in many(10 * CHUNK_SIZE):
            taken.append(message)
            yield message

    stream = ace.send_many(messages())
    assert taken == []
    assert next(stream)
    assert len(taken) == CHUNK_SIZE


def test_nothing_that_is_never_iterated_goes_unnoticed(use_channels):
    """
    A forgotten loop warns, as a forgotten await does.
    """
    mailer = Recorder()
    use_channels(mailer=mailer)

    with pytest.warns(RuntimeWarning, match="never iterated, so nothing was sent"):
        ace.send_many(many(3))

    assert mailer.delivered == []


def test_one_bad_message_affects_no_other(use_channels):
    """
    A refused message, a missing template, a broken template context and a dead address fail alone.
    """
    use_channels(mailer=Scripted(None, None, FatalChannelDeliveryError("No such user.", code="smtp_550"), None))

    class Explodes:
        def __str__(self):
            raise ZeroDivisionError

    messages = [
        welcome(),
        welcome(app_label="../x"),
        welcome(name="nothing_here"),
        welcome(context={"name": Explodes()}),
        welcome(),
        welcome(),
        welcome(),
    ]

    reports = {report.uuid: report[EMAIL] for report in ace.send_many(messages, [EMAIL])}

    assert [reports[message.uuid].code for message in messages] == [
        "",
        "invalid_message",
        "template_missing",
        "unexpected_error",
        "",
        "smtp_550",
        "",
    ]


def test_a_message_to_retry_does_not_hold_up_the_others(use_channels, ace_clock):
    """
    It comes last, after its wait, and without another second of sleep.
    """
    due = ace_clock.now + timedelta(seconds=30)
    busy = RecoverableChannelDeliveryError("Greylisted.", due, code="smtp_450")
    use_channels(mailer=Scripted(busy))
    messages = list(many(3))

    reports = list(ace.send_many(messages, [EMAIL]))

    assert [report.uuid for report in reports] == [messages[1].uuid, messages[2].uuid, messages[0].uuid]
    assert (reports[2][EMAIL].outcome, reports[2][EMAIL].attempts) == (Outcome.SENT, 2)
    assert ace_clock.now == due


def test_messages_that_are_never_accepted_expire_in_bounded_memory(use_channels, ace_clock):
    """
    While a provider is down no more than a bounded number waits, and all end as expired.
    """

    class Down(Recorder):
        waiting = 0

        def deliver(self, message, rendered_message):
            raise RecoverableChannelDeliveryError("Down.", code="disconnected")

    use_channels(mailer=Down())
    count = MAX_WAITING + 2 * CHUNK_SIZE
    taken = 0

    def messages():
        nonlocal taken
        for message in many(count):
            taken += 1
            yield message

    stream = ace.send_many(messages(), [EMAIL])
    first = next(stream)

    assert taken <= MAX_WAITING + CHUNK_SIZE + 1
    assert Counter(report[EMAIL].outcome for report in [first, *stream]) == {Outcome.EXPIRED: count}


def test_the_messages_before_a_broken_iterable_are_still_sent():
    """
    An iterable that raises in the middle of a chunk does not take what came before with it.
    """

    def messages():
        yield from many(2)
        raise LookupError("the cursor is gone")

    reports = []
    with pytest.raises(LookupError, match="the cursor is gone"):
        for report in ace.send_many(messages()):
            reports.append(report)

    assert len(reports) == len(mail.outbox) == 2


def test_what_is_no_message_is_refused_by_its_place():
    """
    The error says which item it was and what it is.
    """
    with pytest.raises(TypeError, match=r"takes Messages, but item 1 is 'two' \(str\)"):
        list(ace.send_many([welcome(), "two"]))

    assert len(mail.outbox) == 1


def test_policies_that_can_are_asked_once_a_chunk(use_channels, use_policies):
    """
    check_many answers for a whole chunk, each message by its own result.
    """

    class Asked(Policy):
        calls = 0

        def check(self, message):
            raise AssertionError("asked one by one")

        def check_many(self, messages):
            self.calls += 1
            return [PolicyResult({EMAIL} if message.recipient.lms_user_id % 2 else set()) for message in messages]

    policy = Asked()
    use_channels(mailer=Recorder())
    use_policies(policy)

    outcomes = Counter(report[EMAIL].outcome for report in ace.send_many(many(2 * CHUNK_SIZE), [EMAIL]))

    assert policy.calls == 2
    assert outcomes == {Outcome.SENT: CHUNK_SIZE, Outcome.SKIPPED: CHUNK_SIZE}


@pytest.mark.parametrize("answer", ["raise", "too few"])
def test_a_policy_that_fails_for_a_batch_is_asked_message_by_message(use_channels, use_policies, answer, caplog):
    """
    One message that a policy cannot handle goes nowhere, and only that one.
    """

    class Fragile(Policy):
        def check(self, message):
            if message.recipient.lms_user_id == 1:
                raise LookupError
            return PolicyResult()

        def check_many(self, messages):
            if answer == "raise":
                raise LookupError
            return []

    use_channels(mailer=Recorder())
    use_policies(Fragile())

    reports = list(ace.send_many(many(3), [EMAIL]))

    assert sorted(report[EMAIL].outcome.value for report in reports) == ["failed", "sent", "sent"]
    assert {report[EMAIL].code for report in reports} == {"", "policy_error"}


def test_a_channel_takes_a_whole_chunk_at_once(use_channels):
    """
    deliver_many gets the parcels of a chunk, and its results are the deliveries.
    """

    class Bulk(Recorder):
        sizes = []

        def deliver_many(self, parcels):
            self.sizes.append(len(parcels))
            for number, _ in enumerate(parcels):
                yield FatalChannelDeliveryError("No.", code="smtp_550") if number == 1 else f"bulk-{number}"

    channel = Bulk()
    use_channels(mailer=channel)

    reports = list(ace.send_many(many(3), [EMAIL]))

    assert channel.sizes == [3]
    assert [report[EMAIL].provider_id or report[EMAIL].code for report in reports] == ["bulk-0", "smtp_550", "bulk-2"]


@pytest.mark.parametrize("breaks", [True, False])
def test_a_channel_that_stops_half_way_fails_the_rest_and_no_other_chunk(use_channels, breaks):
    """
    Whether deliver_many raises or simply ends, what had no result has failed and what had one stays.
    """

    class Stops(Recorder):
        def deliver_many(self, parcels):
            yield "accepted"
            if breaks:
                raise OSError("cable")

    use_channels(mailer=Stops())

    reports = list(ace.send_many(many(3), [EMAIL]))

    assert [report[EMAIL].outcome for report in reports] == [Outcome.SENT, Outcome.FAILED, Outcome.FAILED]


def test_a_subclass_that_overrides_deliver_is_not_bypassed(use_channels):
    """
    An existing channel built on one of ours keeps seeing each of its messages.
    """

    class Bulk(Recorder):
        def deliver_many(self, parcels):
            raise AssertionError("bypassed")

    class Host(Bulk):
        def deliver(self, message, rendered_message):
            return super().deliver(message, rendered_message)

    host = Host()
    use_channels(mailer=host)

    assert all(ace.send_many(many(2), [EMAIL]))
    assert len(host.delivered) == 2


def test_templates_are_looked_up_once_a_type_and_language(use_channels, monkeypatch):
    """
    Two languages of one type cost two look-ups of each file, however many messages there are.
    """
    looked_up = Counter()
    find = renderers._find_template
    monkeypatch.setattr(renderers, "_find_template", lambda name: looked_up.update([name]) or find(name))
    use_channels(mailer=Recorder())

    list(ace.send_many([*many(5, language="en"), *many(5, language="ar")], [EMAIL]))

    assert set(looked_up.values()) == {2}
    assert len(looked_up) == 5


@contextmanager
def by_site(message):
    """A host hook whose templates depend on the site."""
    yield message.context["site"]


@override_settings(ACE_RENDER_CONTEXT="tests.test_send_many.by_site")
def test_look_ups_of_different_sites_are_kept_apart(use_channels, monkeypatch):
    """
    What the host's hook yields tells the places apart; None shares nothing.
    """
    looked_up = Counter()
    find = renderers._find_template
    monkeypatch.setattr(renderers, "_find_template", lambda name: looked_up.update([name]) or find(name))
    use_channels(mailer=Recorder())
    sites = ["a", "a", "b", None, None]

    list(ace.send_many([welcome(context={"name": "Ann", "site": site}) for site in sites], [EMAIL]))

    assert set(looked_up.values()) == {4}


def test_memory_does_not_grow_with_the_number_of_messages(use_channels):
    """
    Forty chunks take no more memory than four.
    """

    class Forgets(Recorder):
        def deliver(self, message, rendered_message):
            return None

    use_channels(mailer=Forgets())

    def peak(count):
        tracemalloc.start()
        for _ in ace.send_many(many(count), [EMAIL]):
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(CHUNK_SIZE)
    assert peak(10 * CHUNK_SIZE) < 1.2 * peak(3 * CHUNK_SIZE)


def test_messages_without_an_optional_template_are_forgotten_when_they_are_sent(settings):
    """
    That a template is missing is remembered for the batch, and not with it every message that missed it.
    """
    templates = {f"tests/edx_ace/bare/email/{name}": "text" for name in ("subject.txt", "body.html")}
    loader = ("django.template.loaders.locmem.Loader", templates)
    settings.TEMPLATES = [
        {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": [loader]}}
    ]
    sent = []

    def messages():
        for message in many(5 * CHUNK_SIZE, name="bare"):
            sent.append(weakref.ref(message))
            yield message

    alive = [sum(message() is not None for message in sent) for _ in ace.send_many(messages(), [EMAIL])]

    assert max(alive) <= 2 * CHUNK_SIZE


def test_messages_that_wait_for_a_retry_are_sent_when_the_iterable_raises(use_channels, ace_clock):
    """
    They are among those that it gave before, so each is reported before the error goes on.
    """
    mailer = Scripted(RecoverableChannelDeliveryError("busy"))
    use_channels(mailer=mailer)
    reports = []

    def messages():
        yield from many(2)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        reports.extend(ace.send_many(messages()))

    assert [bool(report) for report in reports] == [True, True]
    assert len(mailer.delivered) == 2


@pytest.mark.parametrize("moment", ["tomorrow", 30, object()])
def test_a_channel_that_names_no_moment_for_the_retry_affects_nobody(use_channels, ace_clock, moment):
    """
    Its message is retried like one without a wish, and the others are sent.
    """
    use_channels(mailer=Scripted(RecoverableChannelDeliveryError("busy", moment)))

    assert all(ace.send_many(many(2)))


@pytest.mark.parametrize("setting", ["ACE_DEFAULT_EXPIRATION_DELAY", "ACE_CONTENT_STEPS"])
def test_a_setting_of_the_wrong_type_is_reported_for_each_message(use_channels, setting):
    """
    The batch ends with a report for every message and no traceback.
    """
    use_channels(mailer=Recorder())

    with override_settings(**{setting: object()}):
        reports = list(ace.send_many(many(2)))

    assert [report[EMAIL].code for report in reports] == ["unexpected_error"] * 2
