"""
Internal: from what is due to what arrives, and what became of it.
"""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from edx_ace import ChannelType, MessageType, Recipient, outbox
from edx_ace.automation import controller, following, sending, source
from edx_ace.automation.errors import ConflictError
from edx_ace.automation.models import Letter, ScheduledMessage
from edx_ace.automation.states import State
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.envelope import Parcel, seal
from edx_ace.errors import FatalChannelDeliveryError
from edx_ace.outbox.clock import LAST_MOMENT
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.worker import Worker
from edx_ace.presentation import render
from tests.automation_site.models import Host, Workshop

pytestmark = pytest.mark.django_db


def log(message):
    """What the log of *message* says was done."""
    return list(message.entries.values_list("did", flat=True))


def reread(message):
    """*message* as it is by now."""
    return ScheduledMessage.objects.get(pk=message.pk)


def past_wait(message):
    """Let the time come at which *message*, which failed, is tried again."""
    ScheduledMessage.objects.filter(pk=message.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def test_what_is_due_arrives(schedule, host, work):
    """
    Each recipient gets it in their language, and the letters are what was sent.
    """
    ann, bert = host("ann", language="en"), host("bert", language="de")
    message = schedule(recipients=[ann, bert])

    work()

    assert {tuple(sent.to): sent.subject for sent in mail.outbox} == {
        ("ann@example.com",): "Painting is near",
        ("bert@example.com",): "Painting naht",
    }
    message = reread(message)
    assert (message.state, message.open_key) == (State.SUCCEEDED, None)
    assert message.ended_at is not None
    assert log(message) == ["schedule", "enqueue", "succeed"]
    kept = {(letter.address, letter.language): letter for letter in message.letters.all()}
    assert set(kept) == {("ann@example.com", "en"), ("bert@example.com", "de")}
    for sent in mail.outbox:
        [letter] = [one for one in kept.values() if one.address == sent.to[0]]
        [(html, _)] = sent.alternatives
        assert (letter.subject, letter.body_text, letter.body_html) == (sent.subject, sent.body, html)


def test_what_is_not_due_waits_and_the_boundary_is_due(schedule):
    """
    The longest due first.
    """
    now = timezone.now()
    later = schedule(scheduled_at=now + timedelta(hours=1))
    exactly = schedule(scheduled_at=now)
    sending.tick()

    assert [reread(one).state for one in (later, exactly)] == [State.SCHEDULED, State.ENQUEUED]


def test_names_and_addresses_are_those_of_when_it_is_sent(schedule, work, host, workshop):
    """
    What is kept are references.
    """
    ann, about = host(), workshop()
    schedule(recipients=[ann], about=about)
    Host.objects.filter(pk=ann.pk).update(email="new@example.com", language="de")
    Workshop.objects.filter(pk=about.pk).update(title="O'Brien & Co")

    work()

    [sent] = mail.outbox
    assert (sent.to, sent.subject) == (["new@example.com"], "O'Brien & Co naht")


def test_one_recipient_without_an_address_keeps_nobody_else_from_getting_it(schedule, work, host):
    """
    The page says who got nothing.
    """
    message = schedule(recipients=[host("ann"), host("bert", email="")])

    work()

    assert [sent.to for sent in mail.outbox] == [["ann@example.com"]]
    assert reread(message).state == State.SUCCEEDED
    assert set(message.letters.values_list("address", "error")) == {
        ("ann@example.com", ""),
        (None, "bert has no email address."),
    }


def test_nobody_with_an_address_is_a_failure_that_says_so(schedule, work, host):
    """
    Nothing is sent to a mailbox called None.
    """
    message = schedule(recipients=[host("ann", email=""), Recipient(7, None)])

    work()

    assert mail.outbox == []
    message = reread(message)
    assert (message.state, message.code) == (State.FAILED, "no_address")
    assert message.reason == "ann has no email address. 7 has no email address."
    assert not Delivery.objects.exists()


def test_an_object_that_is_gone_is_a_failure_of_that_message_alone(schedule, work, workshop):
    """
    With a reason of any length, all of which is kept.
    """
    gone = [workshop(f"Number {number}") for number in range(400)]
    lacking = schedule(context={"workshop": gone[0], "others": gone})
    whole = schedule()
    Workshop.objects.filter(title__startswith="Number").delete()

    work()

    assert len(mail.outbox) == 1
    assert reread(whole).state == State.SUCCEEDED
    lacking = reread(lacking)
    assert (lacking.state, lacking.code, lacking.failures) == (State.FAILED, "gone", 1)
    assert len(lacking.reason) > 10_000
    assert f"automation_site.Workshop {gone[-1].pk}" in lacking.reason
    assert lacking.entries.last().why == lacking.reason
    assert lacking.letters.get().error == lacking.reason
    assert lacking.due_at > timezone.now() + timedelta(minutes=4)


def test_of_five_that_are_due_those_that_raise_fail_alone(schedule, action, host, work):
    """
    A TypeError of the host's code, and a KeyError.
    """

    def person(self, value):
        if value.name in ("type", "key"):
            raise {"type": TypeError, "key": KeyError}[value.name]("broken")
        return Recipient(None, value.email)

    of = action(person=person)
    messages = [schedule(of, recipients=[host(name)]) for name in ("ann", "type", "bert", "key", "cora")]

    work()

    assert {sent.to[0] for sent in mail.outbox} == {"ann@example.com", "bert@example.com", "cora@example.com"}
    assert [reread(one).state for one in messages] == ["succeeded", "failed", "succeeded", "failed", "succeeded"]
    assert [reread(one).reason for one in messages] == ["", "TypeError: broken", "", "KeyError: 'broken'", ""]


def test_what_raises_while_it_is_rendered_fails_alone(schedule, action, work):
    """
    The letter says what it was.
    """
    broken = action("broken", template={"en": {"subject": "{{ workshop.title + 1 }}", "body": ""}})
    messages = [schedule(), schedule(broken), schedule()]

    work()

    assert [reread(one).state for one in messages] == ["succeeded", "failed", "succeeded"]
    assert reread(messages[1]).letters.get().error


def test_after_ten_failures_in_a_row_it_is_cancelled_and_revived_with_as_many_tries(schedule, work, host):
    """
    Each try waits longer than the one before.
    """
    ann = host(email="")
    message = schedule(recipients=[ann])
    waits = []
    for _ in range(controller.MAX_FAILURES):
        work()
        waits.append(reread(message).due_at - timezone.now())
        past_wait(message)

    message = reread(message)
    assert (message.state, message.code, message.failures) == (State.CANCELLED, "no_address", 10)
    assert message.reason.startswith("It failed 10 times in a row, the last time because: ann has no")
    assert message.open_key is None
    assert waits[1] > 1.9 * waits[0]
    assert log(message) == ["schedule", *["fail", "try_again"] * 9, "cancel"]

    controller.reschedule(message, timezone.now() + timedelta(seconds=30))
    assert (reread(message).failures, reread(message).reason, reread(message).ended_at) == (0, "", None)
    past_wait(message)
    work()
    assert (reread(message).state, reread(message).failures) == (State.FAILED, 1)

    Host.objects.filter(pk=ann.pk).update(email="ann@example.com")
    past_wait(message)
    work()
    assert (reread(message).state, reread(message).failures) == (State.SUCCEEDED, 0)


def test_what_the_outbox_gave_up_is_not_tried_again_by_itself(schedule, work, monkeypatch):
    """
    Until somebody says so.
    """

    def refuse(*args, **kwargs):
        raise FatalChannelDeliveryError("No such mailbox.", code="smtp_550")

    monkeypatch.setattr(DjangoEmailChannel, "compose", refuse)
    message = schedule()
    work()

    message = reread(message)
    assert (message.state, message.code, message.reason) == (State.FAILED, "smtp_550", "No such mailbox.")
    assert message.due_at == LAST_MOMENT

    monkeypatch.undo()
    controller.send_now(message)
    work()
    assert reread(message).state == State.SUCCEEDED


def test_what_is_cancelled_while_a_worker_has_it_is_not_sent(schedule, monkeypatch):
    """
    Between claiming it and putting it into the outbox.
    """
    message, other = schedule(), schedule()
    prepare = sending._prepare

    def cancelling(row, recipients):
        if row.pk == message.pk:
            controller.cancel(reread(message))
        return prepare(row, recipients)

    monkeypatch.setattr(sending, "_prepare", cancelling)
    sending.tick()

    assert [reread(one).state for one in (message, other)] == [State.CANCELLED, State.ENQUEUED]
    assert set(Letter.objects.values_list("message", flat=True)) == {other.pk}
    assert Delivery.objects.count() == 1


def test_cancelling_stops_what_waits_in_the_outbox(schedule, work):
    """
    And what of it was sent stays as it is.
    """
    message = schedule()
    sending.tick()
    controller.cancel(reread(message))
    Worker(once=True).run()

    assert mail.outbox == []
    assert reread(message).state == State.CANCELLED
    assert outbox.status(batch=reread(message).batch).states == {"cancelled": 1}


def test_what_was_sent_cannot_be_cancelled(schedule, work):
    """
    Even if nobody has looked yet what became of it.
    """
    message = schedule()
    sending.tick()
    Worker(once=True).run()

    with pytest.raises(ConflictError, match="sent"):
        controller.cancel(reread(message))


def test_what_was_sent_stays_when_somebody_looks_at_it_later(schedule, work, workshop):
    """
    Links of a message let it be made anew, which changes no letter.
    """
    about = workshop()
    message = schedule(about=about)
    work()
    letter = message.letters.get()
    Workshop.objects.filter(pk=about.pk).update(title="Other")

    made = source.load([letter.uuid])[letter.uuid]

    assert made.context["email"]["subject"] == "Other is near"
    assert message.letters.get().subject == "Painting is near"


def test_one_message_to_all_has_the_others_in_copy(schedule, action, host, work):
    """
    Whoever has no address is left out.
    """
    of = action(to_all=True)
    schedule(of, recipients=[host("ann"), host("bert"), host("cora", email="")])

    work()

    [sent] = mail.outbox
    assert (sent.to, sent.cc) == (["ann@example.com"], ["bert@example.com"])


def test_somebody_who_is_named_twice_gets_it_once(schedule, host, work):
    """
    By the address.
    """
    schedule(recipients=[host("ann"), "Ann@example.com", host("ann2", email="ann@example.com")])

    work()

    assert [sent.to for sent in mail.outbox] == [["ann@example.com"]]


class Welcome(MessageType):
    """What the files of the tests say."""

    APP_LABEL = "tests"
    NAME = "welcome"


def test_an_action_may_name_a_message_type(schedule, action, host, work):
    """
    Whose templates see the values as they are by then.
    """
    of = action(message_type=Welcome, template={})
    message = schedule(of, context={"name": "Ann"}, recipients=[host()])

    work()

    [sent] = mail.outbox
    assert message.letters.get().subject == sent.subject
    assert "Ann" in sent.body


def test_what_is_for_workers_outside_is_left_alone(schedule, action, work):
    """
    But for a lock that is over, with which it goes back.
    """
    message = schedule(action(external=True))
    sending.tick()
    assert reread(message).state == State.SCHEDULED

    controller.lock(message)
    sending.tick()
    assert reread(message).state == State.CLAIMED

    ScheduledMessage.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    work()
    assert reread(message).state == State.SCHEDULED
    assert log(message) == ["schedule", "lock", "take_over"]


def test_what_its_workers_die_of_fails_at_last(schedule, work):
    """
    Others that were claimed with it do not.
    """
    message = schedule()
    for _ in range(sending.MAX_CLAIMS):
        assert sending.leases.claim(ScheduledMessage.objects.all(), 1, timedelta(0))
        sending.bring_back()
    sending.tick()

    assert (reread(message).state, reread(message).code) == (State.FAILED, "poison")


def test_an_action_that_is_gone_is_a_failure(schedule, action):
    """
    Of its messages alone.
    """
    of = action("gone")
    message, other = schedule(of), schedule()
    sending.actions.unregister("gone")
    sending.tick()

    assert [reread(one).state for one in (message, other)] == [State.FAILED, State.ENQUEUED]
    assert reread(message).code == "unknown_action"


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite takes few parameters in a statement.")
def test_a_batch_takes_as_many_queries_however_many_messages_it_has(schedule, host, workshop, monkeypatch):
    """
    The number of models and five for loading; as few for putting them into the outbox, and what that does itself.
    """
    monkeypatch.setattr(following, "LOOK_AGAIN", timedelta(hours=1))
    ann, about = host(), workshop()

    def count(number):
        for _ in range(number):
            schedule(about=None, context={"workshop": about, "host": ann}, recipients=[ann])
        with CaptureQueriesContext(connection) as sent:
            sending.tick()
        uuids = list(Letter.objects.filter(message__state="enqueued").values_list("uuid", flat=True))
        Delivery.objects.update(state="claimed")
        with CaptureQueriesContext(connection) as loaded:
            messages = source.load(uuids)
            channel = DjangoEmailChannel()
            envelopes = (seal(message, ChannelType.EMAIL) for message in messages.values())
            rendered = (render(channel, message) for message in messages.values())
            source.keep(
                [
                    (message.uuid, Parcel(message, channel, fields, envelope))
                    for message, fields, envelope in zip(messages.values(), rendered, envelopes, strict=True)
                ]
            )
        assert len(messages) == number
        ScheduledMessage.objects.update(state="cancelled", ended_at=timezone.now())
        return [sum("SAVEPOINT" not in one["sql"] for one in given.captured_queries) for given in (sent, loaded)]

    few, many = count(3), count(100)

    assert few == many
    # Of one model, and four of the outbox.
    assert many[0] <= 1 + 5 + 4 + 2 * (connection.vendor == "mysql")
    assert many[1] <= 2 + 5
