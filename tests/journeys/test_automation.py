"""
Internal: automation, from whoever changes an object to whoever reads what is written about it, scenario by scenario.

Objects are saved as a site saves them, and workers do all else. What the demo site's own actions do stands at the end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.contrib.messages.storage.cookie import CookieStorage
from django.core import mail
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.db.models import ProtectedError
from django.test import RequestFactory
from django.utils import timezone

from edx_ace import Recipient
from edx_ace.automation import actions, controller, examining, sending, templates
from edx_ace.automation.actions import Action
from edx_ace.automation.errors import RefusedError
from edx_ace.automation.models import ScheduledMessage
from edx_ace.automation.moments import Rule
from edx_ace.automation.strategy import StrategyEnum
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.worker import Worker, sweep
from tests.automation_site.models import Host, Task, Workshop
from tests.journeys.playing import played

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[2]

FOLLOW_UP = actions.get("follow_up")


class Held(Action):
    """Goes to whoever helps; about a workshop that nothing tracks."""

    model = Workshop
    template = {"en": {"subject": "{{ workshop.title }}", "body": "Thanks for {{ workshop.title }}."}}

    def should_exist(self, workshop: Workshop, **params: Any) -> bool:
        return workshop.is_public

    def scheduled_at(self, workshop: Workshop, **params: Any) -> datetime:
        return params.get("occurrence", workshop.ends_at)

    def context(self, workshop: Workshop, **params: Any) -> dict[str, Any]:
        return {"workshop": workshop}

    def recipients(self, workshop: Workshop, **params: Any) -> list[Host]:
        return list(workshop.helpers.all())


@pytest.fixture
def action() -> Iterator[Callable[..., Action]]:
    """A function that makes an action with what it is given as attributes."""
    names = []

    def make(name: str = "held", **attributes: Any) -> Action:
        names.append(name)
        type("Held", (Held,), {"signal": name, "__module__": __name__, **attributes})
        return actions.get(name)

    yield make
    for name in names:
        actions.unregister(name)


@pytest.fixture
def staff() -> User:
    """Somebody of the staff."""
    return User.objects.create(username="otto", is_staff=True, email="otto@example.com")


def host(name: str = "ann", **about: Any) -> Host:
    """Return somebody who teaches."""
    return Host.objects.create(name=name, **{"email": f"{name}@example.com", **about})


def workshop(title: str = "Painting", *hosts: Host, **about: Any) -> Workshop:
    """Return a workshop in a month that *hosts* teach, and help at."""
    starts_at = timezone.now().replace(microsecond=0) + timedelta(days=30)
    given = {"starts_at": starts_at, "ends_at": starts_at + timedelta(hours=2), "location": "Rome", **about}
    made = Workshop.objects.create(title=title, **given)
    for one in hosts:
        Task.objects.create(workshop=made, host=one)
    made.helpers.set(hosts)
    return made


def message_about(one: Workshop) -> ScheduledMessage:
    """Return the message about it that was scheduled last."""
    return ScheduledMessage.objects.filter(object_key=str(one.pk)).latest("pk")


def request_of(user: User) -> Any:
    """Return a request of *user*, to whom messages can be shown."""
    request = RequestFactory().post("/")
    request.user = user
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]
    return request


def log(message: ScheduledMessage) -> list[tuple[str, str]]:
    """Return what was done to *message* by whom."""
    return list(message.entries.order_by("pk").values_list("did", "who"))


def time_passes() -> None:
    """Let everything that waits be due."""
    past = timezone.now() - timedelta(seconds=1)
    ScheduledMessage.objects.filter(ended_at__isnull=True).update(due_at=past)


def work() -> None:
    """Do what workers do until nothing is due any more."""
    for _ in range(2):
        sweep()
        Worker(once=True).run()
        ScheduledMessage.objects.filter(state="enqueued").update(due_at=timezone.now() - timedelta(seconds=1))
    sweep()


def send() -> None:
    """Let everything be due, and sent."""
    time_passes()
    work()


def states() -> list[str]:
    """Return the state of each message, in the order in which they were scheduled."""
    return list(ScheduledMessage.objects.order_by("pk").values_list("state", flat=True))


def to() -> list[str]:
    """Return who got something."""
    return sorted(address for sent in mail.outbox for address in sent.to)


def at_once(number: int, act: Callable[[int], Any]) -> list[Any]:
    """Let *number* threads do *act* at the same moment; return what came of each."""
    barrier = threading.Barrier(number)

    def run(index: int) -> Any:
        try:
            barrier.wait()
            return act(index)
        except OperationalError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def test_the_four_cells_of_the_strategy_with_who_did_it(staff: User) -> None:
    """
    Create, update, cancel, nothing: each written down with whoever's request led to it.
    """
    with transaction.atomic():
        one = workshop("Painting", host())
        # By nobody's request, were it committed.
        request = request_of(staff)
        found = [FOLLOW_UP.run_strategy(one, request).strategy]
        one.ends_at += timedelta(days=1)
        found.append(FOLLOW_UP.run_strategy(one, request).strategy)
        one.is_public = False
        one.save()
        found.append(FOLLOW_UP.run_strategy(one, request).strategy)
        found.append(FOLLOW_UP.run_strategy(one, request).strategy)

    assert found == [StrategyEnum.CREATE, StrategyEnum.UPDATE, StrategyEnum.CANCEL, StrategyEnum.NOOP]
    assert log(message_about(one)) == [("schedule", "otto"), ("update", "otto"), ("cancel", "otto")]
    assert states() == ["cancelled"]


def test_late_binding() -> None:
    """
    Who changes their name and their address after it was scheduled gets it under the new ones.
    """
    ann = host("ann")
    one = workshop("Painting", ann)
    content = {"en": {"subject": "{{ workshop.title }}", "body": "Dear {{ recipient.name }}"}}
    controller.edit(message_about(one), author=None, content=templates.Content(variants=content))
    Host.objects.filter(pk=ann.pk).update(name="Ann Smith-Jones", email="new@example.com")
    Workshop.objects.filter(pk=one.pk).update(title="Drawing")

    send()

    [sent] = mail.outbox
    assert (sent.to, sent.subject) == (["new@example.com"], "Drawing")
    assert "Dear Ann Smith-Jones" in sent.body


@pytest.mark.parametrize("reason", ["no recipients", "inactive template", "switched off"])
@pytest.mark.parametrize("suppress", [False, True])
def test_nothing_to_schedule_breaks_nothing_and_warns_staff_once(staff: User, reason: str, suppress: bool) -> None:
    """
    The request succeeds, and what it saved is saved.
    """
    request = request_of(staff)
    if reason == "inactive template":
        templates.set_active(FOLLOW_UP, False)
    elif reason == "switched off":
        templates.switch(FOLLOW_UP, False, who=staff)
    one = workshop("Painting", *([] if reason == "no recipients" else [host()]))

    decision = FOLLOW_UP.run_strategy(one, request, suppress_messages=suppress)

    assert decision.message is None
    assert states() == []
    assert Workshop.objects.filter(pk=one.pk).exists()
    assert len(list(get_messages(request))) == (0 if suppress else 1)


def test_one_of_two_without_an_address() -> None:
    """
    The other gets it.
    """
    one = workshop("Painting", host("ann"), host("bert", email=""))

    send()

    assert to() == ["ann@example.com"]
    message = message_about(one)
    assert message.state == "succeeded"
    assert [letter.error for letter in message.letters.exclude(error="")] == ["bert has no email address."]


@pytest.mark.parametrize("nothing", ["", None])
def test_all_without_an_address(action: Any, nothing: Any) -> None:
    """
    It fails and says so; nothing is written to anybody called None, or about such.
    """
    of = action(person=lambda self, value: Recipient(value.pk, nothing))
    one = workshop("Painting", host("ann"), host("bert"), is_public=False)
    controller.schedule(
        of,
        scheduled_at=timezone.now(),
        context={"workshop": one},
        recipients=list(one.helpers.order_by("name")),
        about=one,
    )

    send()

    assert (mail.outbox, Delivery.objects.count()) == ([], 0)
    message = message_about(one)
    assert (message.state, message.code) == ("failed", "no_address")
    assert message.reason == "ann has no email address. bert has no email address."
    shown = "".join(f"{preview}" for preview in examining.preview(message))
    assert "None" not in message.reason + shown + "".join(message.entries.values_list("why", flat=True))


def test_a_deletion_that_is_committed_cancels() -> None:
    """
    And what was cancelled does not go.
    """
    ann = host()
    one = workshop("Painting", ann)
    message = message_about(one)
    with transaction.atomic():
        one.tasks.all().delete()
        one.delete()
        message.refresh_from_db()
        assert message.state == "scheduled"

    message.refresh_from_db()
    assert message.state == "cancelled"
    send()
    assert mail.outbox == []


def test_a_deletion_that_is_blocked_changes_nothing() -> None:
    """
    Somebody has a task there.
    """
    one = workshop("Painting", host())

    with pytest.raises(ProtectedError):
        one.delete()

    assert states() == ["scheduled"]
    send()
    assert to() == ["ann@example.com"]


def test_a_deletion_that_is_rolled_back_changes_nothing() -> None:
    """
    The whole of it, or a part to a savepoint.
    """
    one = workshop("Painting", host())

    def delete() -> None:
        with transaction.atomic():
            Task.objects.all().delete()
            Workshop.objects.get(pk=one.pk).delete()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        delete()
    with transaction.atomic(), pytest.raises(RuntimeError):
        delete()

    assert states() == ["scheduled"]
    assert [did for did, _ in log(message_about(one))].count("cancel") == 0


def test_an_object_that_is_gone_when_it_is_sent(action: Any) -> None:
    """
    It alone fails, with a reason of more than 10,000 characters that is kept whole.
    """
    ann = host()
    of = action(context=lambda self, one: {"workshop": one, "others": list(Workshop.objects.exclude(pk=one.pk))})
    for number in range(400):
        workshop(f"Number {number}", is_public=False)
    lacking = workshop("Painting", ann)
    message = of.run_strategy(lacking).message
    whole = workshop("Drawing", ann)
    Workshop.objects.filter(title__startswith="Number").delete()

    send()

    message.refresh_from_db()
    assert (message.state, message.code) == ("failed", "gone")
    assert len(message.reason) > 10_000
    assert message.entries.latest("pk").why == message.reason
    assert message_about(whole).state == "succeeded"


def test_five_are_due_of_which_two_raise(action: Any) -> None:
    """
    A TypeError and a KeyError of the site's code: the other three arrive.
    """

    def person(self: Action, value: Host) -> Recipient:
        if value.name in ("type", "key"):
            raise {"type": TypeError, "key": KeyError}[value.name]("broken")
        return Recipient(value.pk, value.email)

    of = action(person=person)
    made = [
        of.run_strategy(workshop(name, host(name), is_public=True)).message for name in ["a", "type", "b", "key", "c"]
    ]
    ScheduledMessage.objects.filter(action="follow_up").delete()

    send()

    assert states() == ["succeeded", "failed", "succeeded", "failed", "succeeded"]
    reasons = [ScheduledMessage.objects.get(pk=one.pk).reason for one in made]
    assert reasons == ["", "TypeError: broken", "", "KeyError: 'broken'", ""]
    assert to() == ["a@example.com", "b@example.com", "c@example.com"]


def test_a_worker_is_killed_after_claiming() -> None:
    """
    Another takes what it had, once its lease is over: each arrives, and arrives once.
    """
    for number in range(5):
        workshop(f"Painting {number}", host(f"h{number}"))
    time_passes()
    command = [sys.executable, "-m", "tests.automation.killed", connection.settings_dict["NAME"], "3"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert states() == ["claimed"] * 5

    work()
    assert mail.outbox == []

    ScheduledMessage.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    work()
    assert to() == [f"h{number}@example.com" for number in range(5)]
    assert states() == ["succeeded"] * 5


def test_two_workers_have_fifty_that_are_due() -> None:
    """
    Each arrives once.
    """
    for number in range(50):
        workshop(f"Painting {number}", host(f"h{number:02}"))
    time_passes()

    at_once(2, lambda _index: sending.tick())
    work()

    assert to() == [f"h{number:02}@example.com" for number in range(50)]
    assert states() == ["succeeded"] * 50


@pytest.mark.parametrize("moment", ["fetched", "claimed", "in the outbox"])
def test_what_is_cancelled_once_a_worker_has_read_it_does_not_go(monkeypatch: Any, moment: str) -> None:
    """
    Whichever it has: rows that it has only read, rows that it claimed, or what waits in the outbox.
    """
    one, other = workshop("Painting", host("ann")), workshop("Drawing", host("bert"))
    time_passes()

    def cancel() -> None:
        controller.cancel(ScheduledMessage.objects.get(object_key=str(one.pk)))

    if moment == "fetched":
        claim = sending.leases.claim

        def cancelled_first(*arguments: Any, **options: Any) -> Any:
            monkeypatch.setattr(sending.leases, "claim", claim)
            cancel()
            return claim(*arguments, **options)

        monkeypatch.setattr(sending.leases, "claim", cancelled_first)
    elif moment == "claimed":
        prepare = sending._prepare

        def cancelled_meanwhile(row: ScheduledMessage, recipients: Any) -> Any:
            if row.object_key == str(one.pk):
                cancel()
            return prepare(row, recipients)

        monkeypatch.setattr(sending, "_prepare", cancelled_meanwhile)
    else:
        sending.tick()
        cancel()

    work()

    assert to() == ["bert@example.com"]
    assert (message_about(one).state, message_about(other).state) == ("cancelled", "succeeded")


def test_ten_failures_revival_and_a_fresh_budget(staff: User) -> None:
    """
    The tenth in a row cancels it; who reschedules it gives it ten more.
    """
    ann = host(email="")
    one = workshop("Painting", ann)
    for number in range(1, 10):
        send()
        assert (message_about(one).state, message_about(one).failures) == ("failed", number)
    send()
    message = message_about(one)
    assert (message.state, message.open_key) == ("cancelled", None)
    assert message.reason.startswith("It failed 10 times in a row")

    message = controller.reschedule(message, timezone.now() + timedelta(hours=1), author=staff)
    assert (message.state, message.failures) == ("scheduled", 0)
    for _ in range(9):
        send()
    assert message_about(one).state == "failed"
    Host.objects.filter(pk=ann.pk).update(email="ann@example.com")
    send()
    assert (message_about(one).state, message_about(one).failures) == ("succeeded", 0)
    assert to() == ["ann@example.com"]


@pytest.mark.parametrize("change", ["conditions", "time"])
def test_what_failed_is_seen_by_what_changes(change: str) -> None:
    """
    It is cancelled once its conditions are gone, and brought up to date while they hold.
    """
    one = workshop("Painting", host(email=""))
    send()
    failed = message_about(one)
    assert failed.state == "failed"

    if change == "conditions":
        one.is_public = False
    else:
        one.ends_at += timedelta(days=1)
    one.save()

    found = message_about(one)
    assert found.pk == failed.pk
    assert found.state == ("cancelled" if change == "conditions" else "failed")
    assert found.scheduled_at - failed.scheduled_at == timedelta(days=0 if change == "conditions" else 1)
    assert states() == [found.state]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_was_edited_by_hand_and_then_updated(action: Any, staff: User, overwrite: bool) -> None:
    """
    It stays as it was edited unless the action says otherwise, and the log says which it was.
    """
    ann, bert = host("ann"), host("bert")
    of = action(overwrite_edits=overwrite)
    one = workshop("Painting", ann)
    message = of.run_strategy(one).message
    content = templates.Content(variants={"en": {"subject": "By hand", "body": "Written by hand"}})
    moment = timezone.now() + timedelta(days=99)
    controller.edit(message, author=staff, content=content, recipients=[bert], scheduled_at=moment)

    one.ends_at += timedelta(days=1)
    of.run_strategy(one)

    message.refresh_from_db()
    assert message.scheduled_at == (one.ends_at if overwrite else moment)
    said = message.entries.get(did="update").why
    named = "content, scheduled_at, recipients"
    assert said.endswith(f"{'overwritten, though' if overwrite else 'kept as'} changed by hand: {named}")
    ScheduledMessage.objects.filter(action="follow_up").delete()
    send()
    [sent] = mail.outbox
    expected = ("ann@example.com", "Painting") if overwrite else ("bert@example.com", "By hand")
    assert (*sent.to, sent.subject) == expected


def test_a_name_with_an_apostrophe_and_an_ampersand() -> None:
    """
    The subject and the text part have them as they are, the HTML part escapes them once.
    """
    workshop("O'Brien & Co", host(), location="<b>O'Brien & Co</b>")

    send()

    [sent] = mail.outbox
    [(html, _type)] = sent.alternatives
    assert sent.subject == "O'Brien & Co"
    assert "How was it in <b>O'Brien & Co</b>?" in sent.body
    assert "&lt;b&gt;O" in html
    assert "<b>O" not in html
    assert "Brien &amp; Co" in html
    assert "&amp;amp;" not in html


#: What reaches for more than a template may have.
REACHING_OUT = [
    "''.__class__",
    "''.__class__.__mro__[1].__subclasses__()",
    "workshop.__class__",
    "workshop['__class__']",
    "workshop|attr('__class__')",
    "workshop._meta.apps.get_models()",
    "workshop._state.db",
    "workshop.delete()",
    "workshop.save",
    "workshop.tasks.all()",
    "'{0.__class__}'.format(workshop)",
    "self.__init__.__globals__",
    "cycler.__init__.__globals__.os.popen('id').read()",
    "range(999999999)",
]


def test_templates_do_not_reach_out(staff: User) -> None:
    """
    None is saved, and one that is there all the same makes its message fail.
    """
    ann = host()
    version = templates.current(FOLLOW_UP)
    assert version is not None
    for expression in REACHING_OUT:
        message = message_about(workshop("Painting", ann))
        variants = {"en": {"subject": "Hello", "body": f"{{{{ {expression} }}}}"}}
        content = templates.Content(variants=variants)
        with pytest.raises(RefusedError):
            templates.save(FOLLOW_UP, content, who=staff, version=version.number)
        with pytest.raises(RefusedError):
            controller.edit(message, author=staff, content=content)
        ScheduledMessage.objects.filter(pk=message.pk).update(content=content.to_json())

    send()

    assert mail.outbox == []
    assert states() == ["failed"] * len(REACHING_OUT)
    assert Workshop.objects.count() == len(REACHING_OUT)


def test_a_preview_is_what_is_sent() -> None:
    """
    Byte for byte, to each of those who get it, and afterwards it is what was kept.
    """
    one = workshop("O'Brien & Co <b>Ä</b>", host("ann"), host("bert", language="de"), location="[a](http://b)")

    shown = {preview.to: preview for preview in examining.preview(message_about(one))}
    send()

    kept = {letter.address: letter for letter in message_about(one).letters.all()}
    assert len(mail.outbox) == len(shown) == len(kept) == 2
    for sent in mail.outbox:
        [(html, _type)] = sent.alternatives
        [address] = sent.to
        preview, letter = shown[address], kept[address]
        assert (preview.subject, preview.text, preview.html) == (sent.subject, sent.body, html)
        assert (letter.subject, letter.body_text, letter.body_html) == (sent.subject, sent.body, html)


@pytest.mark.parametrize("moment", ["attaching", "sending"])
def test_a_storage_of_attachments_that_fails(monkeypatch: Any, settings: Any, tmp_path: Path, moment: str) -> None:
    """
    What cannot be kept is told, and what cannot be read is a failure of that message alone, until the storage is back.
    """
    settings.MEDIA_ROOT = tmp_path
    lacking, whole = workshop("Painting", host("ann")), workshop("Drawing", host("bert"))
    storage = storages["default"]

    def failing(*arguments: Any, **options: Any) -> Any:
        raise OSError("No space left")

    if moment == "attaching":
        with monkeypatch.context() as broken:
            broken.setattr(type(storage), "_save", failing)
            with pytest.raises(Exception, match="No space left"):
                controller.add_attachment(message_about(lacking), "a.txt", b"x")
        assert message_about(lacking).attachments.count() == 0
    else:
        controller.add_attachment(message_about(lacking), "a.txt", b"x")
        with monkeypatch.context() as broken:
            broken.setattr(type(storage), "_open", failing)
            send()
        assert (message_about(lacking).state, message_about(lacking).code) == ("failed", "storage_failed")
        assert "No space left" in message_about(lacking).reason
        assert message_about(whole).state == "succeeded"

    send()
    assert to() == ["ann@example.com", "bert@example.com"]
    assert [len(sent.attachments) for sent in mail.outbox if sent.to == ["ann@example.com"]] == [moment == "sending"]


def test_two_workers_create_at_once(action: Any) -> None:
    """
    One message is there, and both are told of it.
    """
    of = action()
    one = workshop("Painting", host())
    ScheduledMessage.objects.all().delete()

    results = at_once(4, lambda _index: of.run_strategy(Workshop.objects.get(pk=one.pk)).message)

    assert states() == ["scheduled"]
    found = {result.pk for result in results if isinstance(result, ScheduledMessage)}
    assert found == {message_about(one).pk}
    assert [did for did, _ in log(message_about(one))].count("schedule") == 1


def test_reconciling_after_a_bulk_update() -> None:
    """
    What no signal told is found and repaired, and the second time there is nothing to do.
    """
    ann = host()
    kept, moved, hidden = (workshop(title, ann) for title in ("Painting", "Drawing", "Weaving"))
    shown = workshop("Baking", ann, is_public=False)
    Workshop.objects.filter(pk=moved.pk).update(ends_at=moved.ends_at + timedelta(days=2))
    Workshop.objects.filter(pk=hidden.pk).update(is_public=False)
    Workshop.objects.filter(pk=shown.pk).update(is_public=True)
    before = message_about(moved).scheduled_at

    def reconcile(*arguments: str) -> str:
        out = StringIO()
        call_command("ace_reconcile", "--action", "follow_up", *arguments, stdout=out, no_color=True)
        return out.getvalue()

    assert reconcile("--dry-run") == "follow_up: create 1, update 1, cancel 1, noop 1 (dry run)\n"
    assert states() == ["scheduled"] * 3
    assert reconcile() == "follow_up: create 1, update 1, cancel 1, noop 1\n"
    assert reconcile() == "follow_up: noop 4\n"
    assert message_about(moved).scheduled_at - before == timedelta(days=2)
    assert [message_about(one).state for one in (kept, moved, hidden, shown)] == [
        "scheduled", "scheduled", "cancelled", "scheduled",
    ]  # fmt: skip


@pytest.mark.parametrize(("month", "hours"), [(3, [8, 8, 7, 7]), (10, [7, 7, 8, 8])])
def test_a_weekly_rule_across_a_change_of_the_clocks(action: Any, month: int, hours: list[int]) -> None:
    """
    It goes at nine by the clocks there, each week once, from winter to summer and from summer to winter.
    """
    berlin = ZoneInfo("Europe/Berlin")
    end_of_month = datetime(timezone.now().year + 1, month, 31, 9, tzinfo=berlin)
    change = end_of_month - timedelta(days=end_of_month.isoweekday() % 7)
    start = change - timedelta(weeks=2)
    of = action(rule=lambda self, one, **params: Rule("FREQ=WEEKLY", start, "Europe/Berlin"), track=[Workshop])
    one = workshop("Painting", host())
    of.run_strategy(one)
    messages = ScheduledMessage.objects.filter(action="held")
    ScheduledMessage.objects.exclude(action="held").delete()

    found = []
    for number in range(1, 5):
        found.append(messages.latest("pk").scheduled_at)
        send()
        assert (len(mail.outbox), messages.count()) == (number, number + 1)

    assert [moment.astimezone(berlin).hour for moment in found] == [9] * 4
    assert [moment.astimezone(UTC).hour for moment in found] == hours
    assert [moment.date() - found[0].date() for moment in found] == [timedelta(weeks=week) for week in range(4)]


@pytest.fixture(scope="module")
def came_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that returns what came of a scene on the demo site."""
    return played("automation_scenes", tmp_path_factory.mktemp("automation"))


def test_the_demo_site_introduces_hosts_to_each_other(came_of: Any) -> None:
    """
    In one message to all of them, an hour after the workshop is confirmed.
    """
    assert came_of("an_introduction_to_hosts") == {
        "before": 0,
        "minutes": 60,
        "state": "succeeded",
        "to": "ann@introduction.example",
        "cc": "bob@introduction.example",
        "subject": "You will host “Bread & introduction.example” together",
        "greeting": "Hello Ann, Bob,",
    }


def test_the_demo_site_reminds_hosts_a_month_before(came_of: Any) -> None:
    """
    At nine in the morning there, and of where the workshop has moved to.
    """
    found = came_of("a_reminder_a_month_before")

    assert found.pop("days before") in range(28, 32)
    assert found == {
        "same": True,
        "has moved": True,
        "time": "09:00",
        "subjects": ["Bread & reminder.example: a month to go"],
    }


def test_the_demo_site_follows_up_seven_days_after(came_of: Any) -> None:
    """
    Unless the workshop is not there any more.
    """
    assert came_of("a_follow_up_seven_days_after") == {
        "days after": 7,
        "time": "09:00",
        "states": ["succeeded", "cancelled"],
        "code": "object_gone",
        "subjects": ["How was Bread & follow-up.example?"],
        "of the deleted": 0,
    }


def test_the_demo_site_writes_to_members_each_quarter(came_of: Any) -> None:
    """
    Until their membership ends.
    """
    assert came_of("news_for_members_each_quarter") == {
        "months": 3,
        "hours": ["09:00", "09:00"],
        "subjects": ["What Friends of Bread makes possible"] * 2,
        "names workshops": True,
        "last": ["cancelled", "conditions_gone"],
    }


def test_the_demo_site_sends_certificates(came_of: Any) -> None:
    """
    To whoever stayed to the end, with a file that names them.
    """
    assert came_of("a_certificate_with_an_attachment") == {
        "to": "dora@attending.example",
        "subject": "Your certificate: Bread & certificate.example",
        "file": ["certificate.txt", "text/plain"],
        "says": "Dora",
        "of the other": 0,
    }
