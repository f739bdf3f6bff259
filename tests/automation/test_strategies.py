"""
Internal: what an action does because of an object.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.messages import get_messages
from django.contrib.messages.storage.cookie import CookieStorage
from django.dispatch import Signal
from django.test import RequestFactory
from django.utils import timezone

from edx_ace import Recipient
from edx_ace.automation import actions, controller, moments, references
from edx_ace.automation.actions import Action
from edx_ace.automation.errors import AutomationError, ConflictError, GoneError, StrategyError, UnknownActionError
from edx_ace.automation.models import ScheduledMessage, Template
from edx_ace.automation.moments import Rule
from edx_ace.automation.receivers import BaseAction, BaseActionCancel, BaseActionUpdate
from edx_ace.automation.strategy import StrategyEnum, foresee, run_strategy
from tests.automation_site.models import Host, Task, Workshop

pytestmark = pytest.mark.django_db

FOLLOW_UP = actions.get("follow_up")


class Bill(Action):
    """Every three months, to whoever is a host of a workshop that is public."""

    signal = "bill"
    model = Workshop
    template = {"en": {"subject": "Bill", "body": "For {{ workshop.title }}"}}

    def should_exist(self, workshop, occurrence):
        return workshop.is_public

    def rule(self, workshop):
        return Rule("FREQ=MONTHLY;INTERVAL=3", workshop.starts_at, "Europe/Berlin")

    def context(self, workshop, occurrence):
        return {"workshop": workshop, "since": occurrence}

    def recipients(self, workshop, occurrence):
        return [task.host for task in workshop.tasks.all()]


class Told(Action):
    """Says what its methods were given."""

    signal = "told"
    model = Workshop
    template = {"en": {"subject": "Hello", "body": "{{ by.name }}"}}
    given = []

    def should_exist(self, workshop, by, days=1):
        self.given.append((by, days))
        return True

    def scheduled_at(self, workshop, by, days=1):
        return workshop.ends_at + timedelta(days=days)

    def context(self, workshop, by, days=1):
        return {"by": by}

    def recipients(self, workshop, by, days=1):
        return [by]


for one in (Bill, Told):
    actions.unregister(one.signal)


@pytest.fixture(autouse=True)
def registered():
    """The actions of these tests are registered, for the time of a test."""
    for one in (Bill, Told):
        actions.register(one)
    yield
    for one in (Bill, Told):
        actions.unregister(one.signal)


@pytest.fixture
def taught():
    """A workshop in a month, with somebody who teaches."""
    starts_at = timezone.now().replace(microsecond=0) + timedelta(days=30)
    made = Workshop.objects.create(title="Painting", starts_at=starts_at, ends_at=starts_at + timedelta(hours=2))
    Task.objects.create(workshop=made, host=Host.objects.create(name="Ann", email="ann@example.com"))
    return made


def request_of(user):
    """Return a request of *user*, to whom messages may be shown."""
    request = RequestFactory().post("/")
    request.user = user
    request._messages = CookieStorage(request)
    return request


def staff(name="otto"):
    return User.objects.create(username=name, is_staff=True)


def said_to(request):
    return [str(message) for message in get_messages(request)]


def log(message):
    return [(entry.did, entry.who) for entry in message.entries.all()]


def end(message, state="succeeded", code=""):
    """Let *message* have ended."""
    ScheduledMessage.objects.filter(pk=message.pk).update(
        state=state, code=code, ended_at=timezone.now(), open_key=None
    )


def test_a_message_is_created_updated_cancelled_or_left_alone(taught):
    """
    The four cells: exists or not, should exist or not; the log says who.
    """
    request = request_of(staff())

    created = FOLLOW_UP.run_strategy(taught, request)
    taught.ends_at += timedelta(days=1)
    updated = FOLLOW_UP.run_strategy(taught, request)
    taught.is_public = False
    cancelled = FOLLOW_UP.run_strategy(taught, request)
    nothing = FOLLOW_UP.run_strategy(taught, request)

    strategies = [one.strategy for one in (created, updated, cancelled, nothing)]
    assert strategies == [StrategyEnum.CREATE, StrategyEnum.UPDATE, StrategyEnum.CANCEL, StrategyEnum.NOOP]
    assert updated.message.scheduled_at - created.message.scheduled_at == timedelta(days=1)
    assert (cancelled.message.state, cancelled.message.code) == ("cancelled", "conditions_gone")
    assert log(created.message) == [("schedule", "otto"), ("update", "otto"), ("cancel", "otto")]
    assert ScheduledMessage.objects.count() == 1


def test_a_message_refers_to_what_it_is_about(taught):
    """
    To the objects, not to what they say.
    """
    message = FOLLOW_UP.run_strategy(taught).message

    [context, recipients] = references.resolve([message.context, message.recipients])
    assert context == {"workshop": taught}
    assert recipients == [Host.objects.get()]
    assert (message.object_type, message.object_key) == ("automation_site.workshop", str(taught.pk))


def test_nobody_stands_in_the_log_of_an_anonymous_request(taught):
    """
    Nor where there is no request.
    """
    message = FOLLOW_UP.run_strategy(taught, request_of(AnonymousUser())).message

    assert log(message) == [("schedule", "")]


def test_what_was_sent_is_not_sent_again(taught):
    """
    Although its conditions hold still.
    """
    end(FOLLOW_UP.run_strategy(taught).message)

    assert FOLLOW_UP.run_strategy(taught).code == "sent"
    assert ScheduledMessage.objects.count() == 1


def test_what_somebody_cancelled_is_not_brought_back(taught):
    """
    Unless they do it.
    """
    controller.cancel(FOLLOW_UP.run_strategy(taught).message, author=staff())

    assert FOLLOW_UP.run_strategy(taught).code == "stays_cancelled"


def test_there_is_another_once_the_conditions_hold_again(taught):
    """
    What was cancelled because they did not stays as it is.
    """
    first = FOLLOW_UP.run_strategy(taught).message
    taught.is_public = False
    FOLLOW_UP.run_strategy(taught)
    taught.is_public = True

    second = FOLLOW_UP.run_strategy(taught)

    assert (second.strategy, second.code) == (StrategyEnum.CREATE, "conditions_hold")
    assert second.message.pk != first.pk


def test_no_change_puts_off_what_goes_after_a_while(taught, action):
    """
    However often its object changes, a cool-off is counted from the first time.
    """
    soon = action(
        "soon",
        type(FOLLOW_UP),
        scheduled_at=lambda self, workshop: moments.now(cool_off=timedelta(hours=1)),
    )
    first = soon.run_strategy(taught).message
    taught.title = "Drawing"
    taught.location = "Bonn"

    again = soon.run_strategy(taught).message

    assert (again.pk, again.scheduled_at) == (first.pk, first.scheduled_at)
    assert foresee(soon, taught, {}).code == "current"


@pytest.mark.parametrize("state", ["claimed", "enqueued"])
def test_what_is_being_sent_is_not_updated(taught, state):
    """
    It is on its way as it is.
    """
    message = FOLLOW_UP.run_strategy(taught).message
    ScheduledMessage.objects.filter(pk=message.pk).update(state=state)

    assert FOLLOW_UP.run_strategy(taught).code == "being_sent"


@pytest.mark.parametrize("is_public", [True, False])
def test_what_failed_is_updated_and_cancelled_as_well(taught, is_public):
    """
    It may be tried again.
    """
    message = FOLLOW_UP.run_strategy(taught).message
    ScheduledMessage.objects.filter(pk=message.pk).update(state="failed")
    taught.is_public = is_public

    assert FOLLOW_UP.run_strategy(taught).strategy == ("update" if is_public else "cancel")


def test_a_dry_run_changes_nothing(taught):
    """
    It says what would be done.
    """
    decision = FOLLOW_UP.run_strategy(taught, dry_run=True)

    assert (decision.strategy, decision.message) == (StrategyEnum.CREATE, None)
    assert not ScheduledMessage.objects.exists()


@pytest.mark.parametrize("suppress", [False, True])
def test_nothing_is_scheduled_for_nobody(taught, suppress):
    """
    Staff are told once, unless that is suppressed; the request succeeds.
    """
    Task.objects.all().delete()
    request = request_of(staff())

    decision = FOLLOW_UP.run_strategy(taught, request, suppress_messages=suppress)

    expected = [] if suppress else ["No “A week after a workshop” was scheduled: nobody would get it."]
    assert decision.message is None
    assert said_to(request) == expected
    assert not ScheduledMessage.objects.exists()


def test_nothing_is_scheduled_from_a_template_that_is_not_active(taught):
    """
    What is scheduled stays.
    """
    message = FOLLOW_UP.run_strategy(taught).message
    Template.objects.update(is_active=False)
    other = Workshop.objects.create(title="Singing", starts_at=taught.starts_at, ends_at=taught.ends_at)
    Task.objects.create(workshop=other, host=Host.objects.get())
    request = request_of(staff())

    FOLLOW_UP.run_strategy(other, request)
    FOLLOW_UP.run_strategy(taught, request)

    assert said_to(request) == ["No “A week after a workshop” was scheduled: it is switched off."]
    assert list(ScheduledMessage.objects.filter(state="scheduled")) == [message]


def test_only_staff_are_warned(taught):
    """
    Others need not know that there are such messages.
    """
    Task.objects.all().delete()
    request = request_of(User.objects.create(username="ann"))

    FOLLOW_UP.run_strategy(taught, request)

    assert said_to(request) == []


def test_a_message_that_nobody_would_get_any_more_is_cancelled(taught):
    """
    And there is another once somebody would.
    """
    message = FOLLOW_UP.run_strategy(taught).message
    Task.objects.all().delete()

    FOLLOW_UP.run_strategy(taught)

    message.refresh_from_db()
    assert (message.state, message.code) == ("cancelled", "no_recipients")
    Task.objects.create(workshop=taught, host=Host.objects.get())
    assert FOLLOW_UP.run_strategy(taught).strategy == StrategyEnum.CREATE


def test_what_would_come_of_it_is_told_before(taught):
    """
    With why, and with nothing changed.
    """
    assert foresee(FOLLOW_UP, taught, {}).code == "conditions_hold"
    FOLLOW_UP.run_strategy(taught)
    assert foresee(FOLLOW_UP, taught, {}).code == "current"
    Task.objects.all().delete()
    assert foresee(FOLLOW_UP, taught, {}).code == "no_recipients"
    assert foresee(FOLLOW_UP, taught, {}).strategy == StrategyEnum.CANCEL


def test_one_that_lost_the_race_returns_what_the_other_made(taught, monkeypatch):
    """
    And fails nobody's request.
    """
    real, made = controller.schedule, []

    def overtaken(*args, **kwargs):
        made.append(real(*args, **kwargs))
        raise ConflictError("There is one.")

    monkeypatch.setattr(controller, "schedule", overtaken)

    assert FOLLOW_UP.run_strategy(taught).message == made[0]


def test_what_the_methods_are_given_is_kept_with_the_message(taught):
    """
    So that it is there when nobody gives it.
    """
    ann = Host.objects.get()
    actions.get("told").run_strategy(taught, by=ann, days=3)
    Told.given.clear()

    decision = actions.get("told").run_strategy(taught)

    assert Told.given == [(ann, 3)]
    assert decision.strategy == StrategyEnum.UPDATE
    ann.delete()
    with pytest.raises(GoneError, match=r"automation_site\.Host"):
        actions.get("told").run_strategy(taught)


def test_an_occurrence_is_scheduled_and_then_the_next(taught):
    """
    Each once: the next when one was sent.
    """
    bills = actions.get("bill")

    first = bills.run_strategy(taught).message
    again = bills.run_strategy(taught)
    end(first)
    second = bills.run_strategy(taught).message

    assert first.occurrence == first.scheduled_at == taught.starts_at
    assert (again.strategy, again.message) == (StrategyEnum.UPDATE, first)
    assert 88 <= (second.occurrence - first.occurrence).days <= 92
    assert references.resolve([second.context])[0]["since"] == second.occurrence
    assert second.arguments == {}


def test_an_occurrence_that_somebody_cancelled_is_left_out(taught):
    """
    The next is scheduled.
    """
    bills = actions.get("bill")
    first = bills.run_strategy(taught).message
    controller.cancel(first, author=staff())

    second = bills.run_strategy(taught).message

    assert second.occurrence > first.occurrence


def test_an_occurrence_comes_back_with_its_conditions(taught):
    """
    As the same message, as there is one of each.
    """
    bills = actions.get("bill")
    first = bills.run_strategy(taught).message
    taught.is_public = False
    bills.run_strategy(taught)
    taught.is_public = True

    back = bills.run_strategy(taught).message

    assert back == first
    assert (back.state, back.occurrence, back.edited) == ("scheduled", first.occurrence, [])


def test_an_occurrence_that_the_rule_has_no_more_gives_way(taught):
    """
    To the one that it has instead.
    """
    bills = actions.get("bill")
    first = bills.run_strategy(taught).message
    taught.starts_at += timedelta(days=3)

    second = bills.run_strategy(taught).message

    first.refresh_from_db()
    assert first.state == "cancelled"
    assert second.occurrence == taught.starts_at


def test_a_strategy_sends_its_signal():
    """
    And returns what its receivers did.
    """
    signal = Signal()
    signal.connect(receiver := (lambda **kwargs: sorted(kwargs.keys() - {"signal"})), weak=False)

    answers = run_strategy(StrategyEnum.CREATE, {StrategyEnum.CREATE: signal}, None, "sender", workshop=7)

    assert answers == [(receiver, ["request", "sender", "workshop"])]


@pytest.mark.parametrize(
    ("strategy", "mapping"), [("noop", {}), ("noop", {"noop": None}), ("update", {"update": None})]
)
def test_a_strategy_may_stand_for_nothing(strategy, mapping):
    """
    Where a site has nothing to update, say.
    """
    assert run_strategy(StrategyEnum(strategy), mapping, None, None) == []


def test_a_strategy_without_a_signal_is_an_error():
    """
    With those that have one.
    """
    with pytest.raises(StrategyError, match="Expected a signal for the strategy 'cancel'"):
        run_strategy(StrategyEnum.CANCEL, {StrategyEnum.CREATE: Signal()}, None, None)


class Long(BaseAction):
    """The long form: what is done when its signal is sent."""

    signal = "follow_up"

    def get_scheduled_at(self, workshop, **kwargs):
        return workshop.ends_at

    def get_context(self, workshop, **kwargs):
        return {"workshop": workshop}

    def get_context_json(self, context):
        return {**super().get_context_json(context), "kind": "long"}

    def get_generic_relation_object(self, context, **kwargs):
        return context["workshop"]

    def get_recipients(self, context, **kwargs):
        return [Recipient(7, "ann@example.com")]


class LongUpdate(Long, BaseActionUpdate):
    pass


class LongCancel(BaseActionCancel):
    signal = "follow_up"

    def get_generic_relation_object(self, context, workshop, **kwargs):
        return workshop


def test_the_long_form_does_the_same(taught):
    """
    Three receivers that the site connects; to cancel, neither recipients nor a time are needed.
    """
    create, update, cancel = Signal(), Signal(), Signal()
    for signal, receiver in ((create, Long()), (update, LongUpdate()), (cancel, LongCancel())):
        signal.connect(receiver, weak=False)
    request = request_of(staff())

    [(_receiver, made)] = create.send(taught, request=request, workshop=taught)
    taught.ends_at += timedelta(days=1)
    [(_receiver, updated)] = update.send(taught, request=request, workshop=taught)
    [(_receiver, cancelled)] = cancel.send(taught, request=request, workshop=taught)

    assert references.resolve([made.context]) == [{"workshop": taught, "kind": "long"}]
    assert made.recipients == [{"recipient": Recipient(7, "ann@example.com").to_json()}]
    assert updated.scheduled_at - made.scheduled_at == timedelta(days=1)
    assert made == updated == cancelled
    assert log(made) == [("schedule", "otto"), ("update", "otto"), ("cancel", "otto")]


@pytest.mark.parametrize("receiver", [LongUpdate(), LongCancel()])
def test_the_long_form_does_nothing_where_there_is_nothing(taught, receiver):
    """
    What is not there is neither updated nor cancelled.
    """
    assert receiver(taught, workshop=taught) is None
    assert not ScheduledMessage.objects.exists()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ann@example.com", Recipient(None, "ann@example.com")),
        (Recipient(3, "ann@example.com"), Recipient(3, "ann@example.com")),
        (Host(name="Ann", email="ann@example.com"), Recipient(None, "ann@example.com")),
        (User(pk=5, email="ann@example.com"), Recipient(5, "ann@example.com")),
    ],
)
def test_who_a_recipient_is_is_found_by_itself(value, expected):
    """
    A user of Django, and anybody with an email address.
    """
    assert FOLLOW_UP.person(value) == expected


def test_an_object_without_an_address_needs_a_word():
    """
    How to read one.
    """
    with pytest.raises(AutomationError, match=r"A Workshop has no `email`. Define person\(value\) of FollowUp."):
        FOLLOW_UP.person(Workshop())


def test_an_action_is_found_by_its_name():
    """
    Those in the modules ``actions`` of apps by themselves.
    """
    assert type(actions.get("follow_up")).__module__ == "tests.automation_site.actions"
    with pytest.raises(UnknownActionError, match="Did you mean 'follow_up'"):
        actions.get("follow-up")


def test_the_variables_of_the_template_are_declared():
    """
    With their types; or not at all.
    """
    assert FOLLOW_UP.variables == {"workshop": Workshop}
    assert actions.get("bill").variables is None


def test_an_occurrence_in_the_past_is_none():
    """
    A rule that began long ago goes on from now.
    """
    then = datetime(2020, 1, 31, 9, tzinfo=UTC)
    old = Workshop.objects.create(title="Old", starts_at=then, ends_at=then)
    Task.objects.create(workshop=old, host=Host.objects.create(name="Ann", email="ann@example.com"))

    message = actions.get("bill").run_strategy(old).message

    assert message.occurrence > timezone.now()
    assert message.occurrence.day in (29, 30, 31)
