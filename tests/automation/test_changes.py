"""
Internal: what follows when the site's objects change.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone

from edx_ace.automation import actions, controller, reconciling
from edx_ace.automation.actions import Action
from edx_ace.automation.models import ScheduledMessage
from edx_ace.automation.moments import Rule
from edx_ace.outbox.worker import sweep
from tests.automation_site.actions import FollowUp
from tests.automation_site.models import Host, Task, Workshop

pytestmark = pytest.mark.django_db(transaction=True)

STARTS_AT = timezone.now().replace(microsecond=0) + timedelta(days=30)


class Thanks(Action):
    """To those who help; looks at workshops when these, or whoever helps, change."""

    signal = "thanks"
    track = [Workshop, Host]
    template = {"en": {"subject": "Thanks", "body": "For {{ workshop.title }}"}}
    seen = []

    def should_exist(self, workshop):
        self.seen.append(workshop.pk)
        return workshop.helpers.exists()

    def scheduled_at(self, workshop):
        return workshop.ends_at

    def context(self, workshop):
        return {"workshop": workshop}

    def recipients(self, workshop):
        return list(workshop.helpers.all())


class Untracked(Action):
    """Is run by the site alone."""

    signal = "untracked"
    model = Workshop
    template = {"en": {"subject": "Hello", "body": "Hello"}}

    def should_exist(self, workshop):
        return True

    def scheduled_at(self, workshop):
        return workshop.ends_at

    def recipients(self, workshop):
        return ["ann@example.com"]


class Staffed(Action):
    """About a workshop, because of a task at it."""

    signal = "staffed"
    track = [Task]
    related_model = Workshop
    template = {"en": {"subject": "Hello", "body": "Hello"}}

    def should_exist(self, task):
        return True

    def scheduled_at(self, task):
        return task.workshop.starts_at

    def recipients(self, task):
        return [task.host]

    def related_object(self, task):
        return task.workshop


for one in (Thanks, Untracked, Staffed):
    actions.unregister(one.signal)


@pytest.fixture(autouse=True)
def registered():
    """The actions of these tests are registered, for the time of a test."""
    for one in (Thanks, Untracked, Staffed):
        actions.register(one)
    Thanks.seen = []
    yield
    for one in (Thanks, Untracked, Staffed):
        actions.unregister(one.signal)


def make_workshop(title="Painting", **fields):
    return Workshop.objects.create(title=title, starts_at=STARTS_AT, ends_at=STARTS_AT + timedelta(hours=2), **fields)


def make_host(name="Ann"):
    return Host.objects.create(name=name, email=f"{name.lower()}@example.com")


def taught(title="Painting"):
    """Return a workshop with somebody who teaches."""
    made = make_workshop(title)
    Task.objects.create(workshop=made, host=make_host())
    return made


def messages(signal="follow_up"):
    """Return the state and the code of each message of an action, oldest first."""
    rows = ScheduledMessage.objects.filter(action=signal).order_by("pk")
    return [row.state if not row.code else f"{row.state} {row.code}" for row in rows]


def test_a_message_follows_what_is_saved():
    """
    Of the object, and of those that refer to it; nobody need say so.
    """
    workshop = make_workshop()
    assert messages() == []

    task = Task.objects.create(workshop=workshop, host=make_host())
    assert messages() == ["scheduled"]

    workshop.ends_at += timedelta(days=1)
    workshop.save()
    assert (
        ScheduledMessage.objects.get(action="follow_up").scheduled_at.date()
        == (workshop.ends_at + timedelta(days=7)).date()
    )

    task.delete()
    assert messages() == ["cancelled no_recipients"]


def test_what_changes_nothing_leaves_no_line_in_the_log():
    """
    However often it is saved.
    """
    workshop = taught()
    workshop.title = "Painting for all"
    workshop.save()
    workshop.save()

    assert [entry.did for entry in ScheduledMessage.objects.get(action="follow_up").entries.all()] == ["schedule"]


def test_those_that_an_object_referred_to_before_are_looked_at_too():
    """
    A task that moves to another workshop leaves one without.
    """
    first, second = taught(), make_workshop("Singing")
    task = Task.objects.get()

    task.workshop = second
    task.save()

    rows = ScheduledMessage.objects.filter(action="follow_up")
    assert {row.object_key: row.state for row in rows} == {str(first.pk): "cancelled", str(second.pk): "scheduled"}


@pytest.mark.parametrize("side", ["workshop", "host"])
def test_a_message_follows_relations_of_many_to_many(side):
    """
    From either side: added, removed, cleared, set.
    """
    workshop, host = make_workshop(), make_host()
    related, other = (workshop.helpers, host) if side == "workshop" else (host.helps_at, workshop)

    related.add(other)
    assert messages("thanks") == ["scheduled"]
    related.remove(other)
    assert messages("thanks") == ["cancelled conditions_gone"]
    related.set([other])
    assert messages("thanks")[1:] == ["scheduled"]
    related.clear()
    assert messages("thanks")[1:] == ["cancelled conditions_gone"]


def test_a_transaction_is_looked_at_once_when_it_is_committed():
    """
    Each object once, and not before.
    """
    with transaction.atomic():
        workshop = make_workshop()
        for name in ("Ann", "Ben"):
            workshop.helpers.add(make_host(name))
        workshop.save()
        assert Thanks.seen == []

    assert Thanks.seen == [workshop.pk]
    assert messages("thanks") == ["scheduled"]


def test_nothing_follows_what_is_rolled_back():
    """
    The whole, or a part.
    """
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        taught()
        raise ZeroDivisionError
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            taught("Gone")
            raise ZeroDivisionError
        kept = taught("Kept")

    [message] = ScheduledMessage.objects.filter(action="follow_up")
    assert message.object_key == str(kept.pk)


def test_an_error_of_an_action_breaks_no_request(monkeypatch, caplog):
    """
    It is logged, other actions are run, and reconciling finds what is missing.
    """

    def fail(self, workshop):
        raise KeyError("location")

    with monkeypatch.context() as patch:
        patch.setattr(FollowUp, "should_exist", fail)
        workshop = make_workshop()
        Task.objects.create(workshop=workshop, host=make_host())
        workshop.helpers.add(make_host("Ben"))

    assert messages() == []
    assert messages("thanks") == ["scheduled"]
    assert f"automation_site.Workshop {workshop.pk} cannot be looked at by the action follow_up" in caplog.text
    call_command("ace_reconcile", stdout=StringIO())
    assert messages() == ["scheduled"]


def test_an_error_in_saying_which_objects_breaks_no_request(monkeypatch, caplog):
    """
    It is logged.
    """
    monkeypatch.setattr(FollowUp, "objects_of", lambda self, instance: 1 / 0)

    make_workshop()

    assert "does not say which objects a change concerns" in caplog.text


def test_deleting_what_it_is_about_cancels():
    """
    Whether its action tracks it or not.
    """
    workshop = make_workshop()
    actions.get("untracked").run_strategy(workshop)

    workshop.delete()

    assert messages("untracked") == ["cancelled object_gone"]


def test_deleting_many_at_once_cancels():
    """
    As the admin does.
    """
    for title in ("Painting", "Singing"):
        actions.get("untracked").run_strategy(make_workshop(title))

    Workshop.objects.all().delete()

    assert messages("untracked") == ["cancelled object_gone"] * 2


def test_what_was_not_deleted_after_all_stays_scheduled():
    """
    As the transaction, or a part of it, was rolled back, or as something kept it from being deleted.
    """
    workshop = taught()
    actions.get("untracked").run_strategy(workshop)

    with pytest.raises(ProtectedError):
        workshop.delete()
    Task.objects.all().delete()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Workshop.objects.get().delete()
        raise ZeroDivisionError
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Workshop.objects.get().delete()
            raise ZeroDivisionError
        make_workshop("Singing")

    assert messages("untracked") == ["scheduled"]


def test_a_message_about_something_else_ends_with_its_object():
    """
    Which is deleted, or is about another by now; reconciling finds what no signal told.
    """
    first, second, third = taught(), make_workshop("Singing"), make_workshop("Dancing")
    task = Task.objects.get()
    task.workshop = second
    task.save()
    rows = ScheduledMessage.objects.filter(action="staffed")
    assert {row.object_key: row.state for row in rows} == {str(first.pk): "cancelled", str(second.pk): "scheduled"}

    Task.objects.update(workshop=third)
    reconcile("--action", "staffed")
    assert messages("staffed") == ["cancelled conditions_gone"] * 2 + ["scheduled"]

    Task.objects.get().delete()
    assert messages("staffed") == ["cancelled conditions_gone"] * 3


def test_fixtures_are_not_looked_at(tmp_path):
    """
    What they refer to may come later; reconciling does it.
    """
    taught()
    (tmp_path / "all.json").write_text("")
    call_command("dumpdata", "automation_site", output=str(tmp_path / "all.json"))
    ScheduledMessage.objects.all().delete()
    Task.objects.all().delete()
    Workshop.objects.all().delete()
    Host.objects.all().delete()

    call_command("loaddata", str(tmp_path / "all.json"), verbosity=0)

    assert messages() == []
    assert Task.objects.count() == 1


def reconcile(*arguments, out=None):
    """Call the command and return what it writes."""
    out = out or StringIO()
    call_command("ace_reconcile", *arguments, stdout=out, stderr=out, no_color=True)
    return out.getvalue()


def test_reconciling_repairs_what_no_signal_told():
    """
    What is missing, what changed, what is not wanted any more, and what is about nothing any more.
    """
    missing, changed, unwanted, gone = (make_workshop(title) for title in "abcd")
    host = make_host()
    for workshop in (changed, unwanted, gone):
        Task.objects.create(workshop=workshop, host=host)
    Task.objects.bulk_create([Task(workshop=missing, host=host)])
    Workshop.objects.filter(pk=changed.pk).update(ends_at=changed.ends_at + timedelta(days=1))
    Workshop.objects.filter(pk=unwanted.pk).update(is_public=False)
    Task.objects.filter(workshop=gone)._raw_delete("default")
    Workshop.objects.filter(pk=gone.pk)._raw_delete("default")
    assert messages() == ["scheduled"] * 3

    tried = reconcile("--action", "follow_up", "--dry-run")
    assert messages() == ["scheduled"] * 3
    done = reconcile("--action", "follow_up")
    again = reconcile("--action", "follow_up")

    assert tried == "follow_up: create 1, update 1, cancel 2 (dry run)\n"
    assert done == "follow_up: create 1, update 1, cancel 2\n"
    assert again == "follow_up: noop 3\n"
    assert messages() == ["scheduled", "cancelled conditions_gone", "cancelled object_gone", "scheduled"]


def test_reconciling_says_once_what_it_keeps_as_it_was_changed_by_hand():
    """
    Every night it finds the same.
    """
    workshop = make_workshop("a")
    Task.objects.create(workshop=workshop, host=make_host())
    message = ScheduledMessage.objects.get(action="follow_up")
    controller.edit(message, author=None, scheduled_at=timezone.now() + timedelta(days=99))
    Workshop.objects.filter(pk=workshop.pk).update(ends_at=workshop.ends_at + timedelta(days=1))

    assert reconcile("--action", "follow_up") == "follow_up: update 1\n"
    assert reconcile("--action", "follow_up") == "follow_up: noop 1\n"
    assert [entry.why for entry in message.entries.filter(did="update")] == ["kept as changed by hand: scheduled_at"]


def test_reconciling_looks_at_messages_whose_objects_are_not_among_the_actions(monkeypatch):
    """
    As the action does not name what it has nothing to say about.
    """
    monkeypatch.setattr(FollowUp, "objects", lambda self: Workshop.objects.filter(is_public=True))
    taught()
    Workshop.objects.update(is_public=False)

    reconcile()

    assert messages() == ["cancelled conditions_gone"]


def test_reconciling_tells_what_it_does():
    """
    Each object, and why, if asked.
    """
    workshop = make_workshop()
    Task.objects.bulk_create([Task(workshop=workshop, host=make_host())])

    told = reconcile("--action", "follow_up", "--verbosity", "2")

    assert told == (
        f"follow_up: create automation_site.Workshop {workshop.pk}: Its conditions hold, and there is none.\n"
        "follow_up: create 1\n"
    )


def test_reconciling_goes_on_after_an_error(monkeypatch):
    """
    Names what it is, and fails in the end.
    """
    first, second = make_workshop("a"), make_workshop("b")
    Task.objects.bulk_create(Task(workshop=one, host=make_host()) for one in (first, second))
    real = FollowUp.should_exist
    monkeypatch.setattr(FollowUp, "should_exist", lambda self, one: 1 / 0 if one.title == "a" else real(self, one))
    out = StringIO()

    with pytest.raises(CommandError, match="1 could not be looked at"):
        reconcile("--action", "follow_up", out=out)

    assert f"follow_up: failed automation_site.Workshop {first.pk}: ZeroDivisionError" in out.getvalue()
    assert messages() == ["scheduled"]


class Terminal(StringIO):
    """What a command takes for a terminal."""

    def isatty(self):
        return True


def test_reconciling_draws_a_bar_on_a_terminal():
    """
    Which is gone in the end.
    """
    make_workshop()

    drawn = reconcile("--action", "follow_up", out=Terminal())

    assert "[########################################] 100.0 % of 1" in drawn
    assert drawn.endswith("\r\x1b[Kfollow_up: noop 1\n")


def test_reconciling_names_an_action_that_is_not_there():
    """
    With the one that may be meant.
    """
    with pytest.raises(CommandError, match="Did you mean 'follow_up'"):
        reconcile("--action", "followup")


@pytest.mark.parametrize("number", [20, 200])
def test_reconciling_takes_as_many_queries_for_many(number, django_assert_num_queries):
    """
    Where nothing is to be done: the objects with what is prefetched, their messages, the template.
    """
    host = make_host()
    made = Workshop.objects.bulk_create(
        Workshop(title=str(index), starts_at=STARTS_AT, ends_at=STARTS_AT) for index in range(number)
    )
    Task.objects.bulk_create(Task(workshop=workshop, host=host) for workshop in made)
    action = actions.get("follow_up")
    list(reconciling.reconcile(action))

    with django_assert_num_queries(15, exact=False):
        found = list(reconciling.reconcile(action))

    assert {one.decision.code for one in found} == {"current"}
    assert len(found) == number


@pytest.mark.parametrize(("days", "expected"), [(9, []), (7, ["scheduled"])])
def test_nothing_is_scheduled_by_itself_for_long_ago(days, expected):
    """
    By a change or by reconciling; what was due this morning goes.
    """
    workshop = taught()
    ScheduledMessage.objects.all().delete()
    workshop.ends_at = timezone.now() - timedelta(days=days)

    workshop.save()
    reconcile("--action", "follow_up")

    assert messages() == expected


class Monthly(Untracked):
    """Goes by a rule."""

    signal = "monthly"

    def should_exist(self, workshop, occurrence):
        return True

    def rule(self, workshop):
        return Rule("FREQ=MONTHLY", workshop.starts_at, "Europe/Berlin")

    def scheduled_at(self, workshop, occurrence):
        return occurrence

    def recipients(self, workshop, occurrence):
        return ["ann@example.com"]


actions.unregister("monthly")


def test_the_next_occurrence_is_scheduled_by_the_sweep(caplog):
    """
    Once one has ended, however it did; each once.
    """
    actions.register(Monthly)
    try:
        monthly = actions.get("monthly")
        first = monthly.run_strategy(make_workshop()).message
        sweep()
        assert messages("monthly") == ["scheduled"]
        ScheduledMessage.objects.filter(pk=first.pk).update(state="succeeded", ended_at=timezone.now(), open_key=None)
        with caplog.at_level(logging.ERROR):
            sweep()
            sweep()

        assert messages("monthly") == ["succeeded", "scheduled"]
        assert caplog.text == ""
    finally:
        actions.unregister("monthly")
