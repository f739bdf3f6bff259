"""
Internal: what can be done with a scheduled message, and what it is refused for.
"""

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone

from edx_ace.automation import controller, templates
from edx_ace.automation.errors import AutomationError, ConflictError, PastError
from edx_ace.automation.models import Entry, ScheduledMessage
from edx_ace.automation.states import State
from edx_ace.automation.templates import Content

pytestmark = pytest.mark.django_db

OTHER = Content(variants={"en": {"subject": "By hand", "body": "Written for {{ workshop.title }}."}})


@pytest.fixture
def staff():
    """Somebody whose name stands in the log."""
    return User.objects.create(username="staff", email="staff@example.com")


def told(message):
    """The log of *message*: who did what, and why."""
    return list(message.entries.values_list("who", "did", "why"))


def later(**delay):
    """A moment in the future."""
    return timezone.now().replace(microsecond=0) + timedelta(**delay)


def test_one_message_is_open_for_an_object_at_a_time(schedule, action, workshop):
    """
    Of another action, about another object, or about nothing there may be more.
    """
    about, other = workshop(), action("other")
    first = schedule(about=about)
    with pytest.raises(ConflictError, match="already"):
        schedule(about=about)

    assert controller.open_for("reminder", about) == first
    assert controller.open_for(other, about) is None
    schedule(other, about=about)
    schedule(about=None)
    schedule(about=None)

    controller.cancel(first)
    assert controller.open_for("reminder", about) is None
    schedule(about=about)


def test_an_occurrence_of_a_rule_is_there_once(schedule, action, workshop, host):
    """
    Whatever became of it.
    """
    about, occurrence = workshop(), datetime(2030, 1, 1, tzinfo=UTC)
    message = schedule(about=about, occurrence=occurrence)
    controller.cancel(message)

    given = {"scheduled_at": occurrence, "context": {}, "recipients": ["ann@example.com"], "about": about}
    assert controller.schedule("reminder", occurrence=occurrence, **given) is None
    assert controller.schedule("reminder", occurrence=occurrence + timedelta(days=7), **given) is not None


def test_a_message_to_nobody_is_refused(schedule):
    """
    It could not be sent.
    """
    with pytest.raises(AutomationError, match="at least one recipient"):
        schedule(recipients=[])


def test_rescheduling_says_who_and_keeps_that_time(schedule, staff):
    """
    A later update has another time, which the log says was not taken.
    """
    message = schedule()
    moment = later(days=1)
    controller.reschedule(message, moment, author=staff)
    controller.update(message, scheduled_at=later(days=9))

    assert (message.scheduled_at, message.due_at, message.edited) == (moment, moment, ["scheduled_at"])
    assert [who for who, did, _why in told(message) if did == "reschedule"] == ["staff"]


def test_nothing_is_rescheduled_to_the_past(schedule):
    """
    Nor edited to go then.
    """
    message = schedule()
    with pytest.raises(PastError, match="past"):
        controller.reschedule(message, timezone.now() - timedelta(seconds=1))
    with pytest.raises(PastError):
        controller.edit(message, author=None, scheduled_at=timezone.now() - timedelta(seconds=1))


def test_a_cancelled_message_is_revived_unless_there_is_another(schedule, workshop):
    """
    Of that object.
    """
    about = workshop()
    message = schedule(about=about)
    controller.cancel(message, why="Not needed.")
    assert (message.state, message.reason, message.open_key) == (State.CANCELLED, "Not needed.", None)

    another = schedule(about=about)
    with pytest.raises(ConflictError, match="already"):
        controller.reschedule(message, later(hours=1))
    controller.cancel(another)
    controller.reschedule(message, later(hours=1))

    assert (message.state, message.reason, message.ended_at) == (State.SCHEDULED, "", None)
    assert controller.open_for("reminder", about) == message


def test_an_update_brings_all_that_changed_and_the_newest_template(schedule, workshop, host):
    """
    Where nothing changed, nothing is written.
    """
    about, ann = workshop(), host()
    message = schedule(about=about, recipients=[ann])
    controller.update(message, context={"workshop": about}, recipients=[ann], scheduled_at=message.scheduled_at)
    assert told(message) == [("", "schedule", "")]

    moment = later(days=3)
    controller.update(message, context={"workshop": about, "n": 2}, recipients=["b@example.com"], scheduled_at=moment)

    assert (message.due_at, message.recipients) == (moment, ["b@example.com"])
    assert told(message)[1:] == [("", "update", "scheduled_at, recipients, context")]


def test_what_was_edited_by_hand_is_kept(schedule, staff):
    """
    And the log says what an update would have changed.
    """
    message = schedule(recipients=["ann@example.com"])
    controller.edit(message, author=staff, content=OTHER, recipients=["boss@example.com"])
    controller.update(message, recipients=["cora@example.com"], context={"n": 1})

    assert message.content == OTHER.to_json()
    assert message.recipients == ["boss@example.com"]
    assert told(message)[1:] == [
        ("staff", "edit", "content, recipients"),
        ("", "update", "context; kept as changed by hand: content, recipients"),
    ]


def test_the_log_says_once_that_all_of_an_update_was_kept_back(schedule, staff):
    """
    Not with each of those that follow.
    """
    message = schedule(recipients=["ann@example.com"])
    controller.edit(message, author=staff, recipients=["boss@example.com"])
    for _ in range(2):
        controller.update(message, recipients=["cora@example.com"])

    assert told(message)[2:] == [("", "update", "kept as changed by hand: recipients")]


def test_an_action_may_overwrite_what_was_edited_by_hand(schedule, action, staff):
    """
    The log says so.
    """
    message = schedule(action(overwrite_edits=True), recipients=["ann@example.com"])
    shipped = message.content
    controller.edit(message, author=staff, content=OTHER)
    controller.update(message, recipients=["cora@example.com"])

    assert (message.content, message.edited) == (shipped, [])
    assert told(message)[-1][2] == "recipients, content; overwritten, though changed by hand: content"


def test_what_changed_since_it_was_seen_is_not_edited(schedule, staff):
    """
    Neither is what is being sent.
    """
    message = schedule()
    seen = ScheduledMessage.objects.get(pk=message.pk)
    controller.update(message, context={"n": 1})
    with pytest.raises(ConflictError, match="changed since"):
        controller.edit(seen, author=staff, content=OTHER)

    controller.cancel(message)
    with pytest.raises(ConflictError, match="cancelled"):
        controller.edit(message, author=staff, content=OTHER)
    with pytest.raises(ConflictError, match="cancelled"):
        controller.update(message, context={})


def test_what_is_deleted_is_a_conflict(schedule):
    """
    For whoever looked at it before.
    """
    message = schedule()
    ScheduledMessage.objects.all().delete()

    with pytest.raises((ConflictError, ObjectDoesNotExist), match="not there"):
        controller.cancel(message)


def test_sending_now_and_again(schedule, staff, work, host, workshop):
    """
    What was sent is sent again by a message of its own, with what there is to say by then.
    """
    about = workshop()
    message = schedule(about=about, scheduled_at=later(days=1))
    work()
    assert mail.outbox == []

    controller.send_now(message, staff)
    work()
    assert len(mail.outbox) == 1

    with pytest.raises(ConflictError):
        controller.send_now(message, staff)
    message.refresh_from_db()
    again = controller.resend(message, staff)
    work()
    again.refresh_from_db()
    message.refresh_from_db()
    assert (len(mail.outbox), again.state, message.state) == (2, State.SUCCEEDED, State.SUCCEEDED)
    assert again.pk != message.pk
    assert [did for who, did, _ in told(message) if who == "staff"] == ["send_now", "resend"]
    assert told(again)[0] == ("staff", "resend", str(message.uuid))


def test_a_worker_outside_locks_and_says_what_came_of_it(schedule, action):
    """
    Only what is due and its own, one at a time, and only with the number that it was given.
    """
    of = action(external=True)
    message = schedule(of)
    with pytest.raises(ConflictError):
        controller.lock(schedule(of, scheduled_at=later(hours=1)))
    with pytest.raises(ConflictError):
        controller.lock(schedule(action("ours")))

    fence = controller.lock(message)
    with pytest.raises(ConflictError):
        controller.lock(message)
    with pytest.raises(ConflictError, match="Another worker"):
        controller.succeed(message, fence - 1)
    controller.fail(message, "smtp", "x" * 10_000, fence)
    assert (message.state, message.code, len(message.reason)) == (State.FAILED, "smtp", 10_000)
    with pytest.raises(ConflictError):
        controller.succeed(message, fence)

    controller.send_now(message)
    controller.succeed(message, controller.lock(message))
    assert (message.state, message.failures, message.open_key) == (State.SUCCEEDED, 0, None)
    assert [did for _, did, _ in told(message)] == ["schedule", "lock", "fail", "send_now", "lock", "succeed"]


def test_a_lock_is_lost_when_somebody_cancels(schedule, action):
    """
    Whoever had it is told.
    """
    message = schedule(action(external=True))
    fence = controller.lock(message)
    controller.cancel(message)

    with pytest.raises(ConflictError, match="cancelled"):
        controller.succeed(message, fence)


def test_every_line_of_the_log_names_both_states(schedule, staff):
    """
    Of a change that moves it, and of one that does not.
    """
    message = schedule()
    controller.update(message, context={"n": 1})
    controller.cancel(message, author=staff, why="y" * 5000)

    assert list(Entry.objects.values_list("did", "from_state", "to_state", "who")) == [
        ("schedule", "", "scheduled", ""),
        ("update", "scheduled", "scheduled", ""),
        ("cancel", "scheduled", "cancelled", "staff"),
    ]
    assert Entry.objects.last().why == "y" * 5000


def test_content_that_could_not_be_rendered_is_refused(schedule, staff):
    """
    Nothing changes.
    """
    message = schedule()
    bad = attrs.evolve(OTHER, variants={"en": {"subject": "{{ nobody.knows }}", "body": "x"}})
    with pytest.raises(AutomationError, match="nobody"):
        controller.edit(message, author=staff, content=bad)

    assert ScheduledMessage.objects.get(pk=message.pk).edited == []
    assert message.content == templates.current(controller.actions.get("reminder")).content
