"""
Public: what can be done with a scheduled message; each arrow between its states is one function.

Each locks the row, looks at what it is by now, moves it by one conditional update, and writes a line of its log in the
same transaction. Of several who do so at once one succeeds; the others are told by a `ConflictError`. Nobody's
permission is asked here: the doors do (`edx_ace.automation.access`). Messages are returned as they are afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, router, transaction
from django.db.models import Model, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from edx_ace import outbox
from edx_ace.automation import actions, addressing, attachments, moments, references, templates
from edx_ace.automation.errors import AutomationError, ConflictError, PastError, RefusedError
from edx_ace.automation.models import Entry, ScheduledMessage
from edx_ace.automation.states import EDITABLE, OPEN, State
from edx_ace.outbox import leases
from edx_ace.outbox.clock import LAST_MOMENT, DatabaseNow, from_now
from edx_ace.utils.date import as_utc

if TYPE_CHECKING:
    from edx_ace.automation.actions import Action
    from edx_ace.automation.templates import Content

#: After how many failures in a row a message is cancelled.
MAX_FAILURES = 10

#: How long a failed message waits before it is tried again; twice as long with each further failure.
FIRST_WAIT = timedelta(minutes=5)

#: The longest that it waits.
LONGEST_WAIT = timedelta(days=1)

#: For how long a worker outside has a message that it locked.
LOCK = timedelta(minutes=10)

#: What an update sets, and a person may have set by hand, which is then kept.
BY_HAND = ("content", "scheduled_at", "recipients")

#: The only state from which nothing leads on.
_SENT = State.SUCCEEDED


def schedule(
    action: Action | str,
    *,
    scheduled_at: datetime,
    context: Mapping[str, Any],
    recipients: Sequence[Any],
    about: Model | None = None,
    occurrence: datetime | None = None,
    arguments: Mapping[str, Any] | None = None,
    author: Any = None,
) -> ScheduledMessage | None:
    """
    Schedule a message of *action* and return it; None: there was one for this *occurrence* already, whatever became of
    it.

    Args:
        action: The action, or the name of its signal.

        scheduled_at: When it is to go; what is past goes at once.

        context: The values of the template by name, as `references.dump_context` takes them.

        recipients: Objects, mailboxes or `edx_ace.Recipient`.

        about: What it is about: of an action, one message for each object is open at a time.

        occurrence: Of an action by a rule, the moment of the rule.

        arguments: What the action's methods were given beside *about*, as *context*.

        author: A user, for the log.

    Raises:
        ConflictError: If a message of that action about that object is open.
        AutomationError: If there are no recipients, or something cannot be referred to.
    """
    action = _action(action)
    object_type, object_key = place_of(about)
    version = templates.current(action)
    due_at = _moment(scheduled_at)
    message = ScheduledMessage(
        action=action.signal,
        scheduled_at=due_at,
        due_at=due_at,
        object_type=object_type,
        object_key=object_key,
        occurrence=None if occurrence is None else _moment(occurrence),
        awaits_next=occurrence is not None,
        context=references.dump_context(context),
        recipients=_recipients(recipients),
        arguments=references.dump_context(arguments or {}),
        content={} if version is None else version.content,
        template_version=version,
        message_type=path_of(action.message_type),
        is_to_all=action.to_all,
        is_external=action.external,
        began_at=moments.now(),
    )
    message.open_key = _open_key(message)
    if message.occurrence is not None:
        message.occurrence_key = _digest(action.signal, object_type, object_key, message.occurrence.isoformat())
    using = router.db_for_write(ScheduledMessage)
    try:
        with transaction.atomic(using):
            message.save(using=using, force_insert=True)
            note(message, "schedule", author, to_state=State.SCHEDULED)
    except IntegrityError:
        there = ScheduledMessage.objects.using(using).filter(occurrence_key=message.occurrence_key)
        if message.occurrence_key is not None and there.exists():
            return None
        raise ConflictError(_already_open(message)) from None
    return message


def open_for(action: Action | str, about: Model | None) -> ScheduledMessage | None:
    """Return the message of *action* about that object which is open, or None."""
    signal = action if isinstance(action, str) else action.signal
    key = _open_key(ScheduledMessage(action=signal, **dict(zip(_PLACE, place_of(about), strict=True))))
    return None if key is None else ScheduledMessage.objects.filter(open_key=key).first()


def reschedule(
    message: ScheduledMessage, scheduled_at: datetime, *, author: Any = None, why: str = ""
) -> ScheduledMessage:
    """
    Let *message* go at another time; one that failed or was cancelled begins anew, with all its tries.

    The time of one that somebody rescheduled is kept by later updates.

    Raises:
        PastError: If that is past.
        ConflictError: If it is being sent or was, or another for the same object is open.
    """
    moment = _future(scheduled_at)
    with _held(message) as row:
        _begin_anew(row, "reschedule", author, why or _when(row.scheduled_at, moment), moment)
    return _reread(message)


def update(
    message: ScheduledMessage,
    *,
    scheduled_at: datetime | None = None,
    context: Mapping[str, Any] | None = None,
    recipients: Sequence[Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    author: Any = None,
) -> ScheduledMessage:
    """
    Bring *message* up to date, as its action says it is by now, with the newest version of the template.

    What somebody changed by hand is kept, unless the action says `overwrite_edits`; the log says so, once where
    nothing else changes. Where nothing would, nothing is written.

    Args:
        message: Scheduled, or failed: that is tried again when it would have been.

        scheduled_at, context, recipients, arguments: As for `schedule`; None: as they are.

        author: A user, for the log.

    Raises:
        ConflictError: If it is being sent, was sent, or is cancelled.
        AutomationError: If there are no recipients, or something cannot be referred to.
    """
    action = actions.get(message.action)
    version = templates.current(action)
    with _held(message) as row:
        _check(row, EDITABLE)
        wanted: dict[str, Any] = {}
        if scheduled_at is not None:
            wanted["scheduled_at"] = _moment(scheduled_at)
        if context is not None:
            wanted["context"] = references.dump_context(context)
        if recipients is not None:
            wanted["recipients"] = _recipients(recipients)
        if arguments is not None:
            wanted["arguments"] = references.dump_context(arguments)
        if version is not None:
            wanted["content"] = version.content
        changes = {name: value for name, value in wanted.items() if getattr(row, name) != value}
        touched = [name for name in row.edited if name in changes]
        if touched and not action.overwrite_edits:
            changes = {name: value for name, value in changes.items() if name not in touched}
        elif touched:
            changes["edited"] = [name for name in row.edited if name not in touched]
        if version is not None and (changes.get("content") or version.content == row.content):
            changes |= {} if row.template_version_id == version.pk else {"template_version": version}
        if "scheduled_at" in changes:
            changes["due_at"] = _due_after_update(row, changes["scheduled_at"])
        if changes:
            _step(row, "update", row.state, author, _told(changes, touched, action.overwrite_edits), **changes)
        elif touched and not is_told(row, touched):
            note(row, "update", author, row.state, row.state, _told({}, touched, False))
    return _reread(message)


def edit(
    message: ScheduledMessage,
    *,
    author: Any,
    content: Content | None = None,
    recipients: Sequence[Any] | None = None,
    scheduled_at: datetime | None = None,
) -> ScheduledMessage:
    """
    Change *message* by hand, which later updates keep.

    Args:
        message: Scheduled or failed, as whoever changes it has seen it.

        author: A user, for the log.

        content: What it says.

        recipients: As for `schedule`.

        scheduled_at: When it is to go.

    Raises:
        ConflictError: If it has changed since it was seen, is being sent, was sent, or is cancelled.
        PastError: If that time is past.
        RefusedError: If *content* could not be rendered with the values that it has now.
        AutomationError: If there are no recipients.
    """
    # Which reads what this module writes.
    from edx_ace.automation import examining

    changes: dict[str, Any] = {}
    if recipients is not None:
        changes["recipients"] = _recipients(recipients)
    if scheduled_at is not None:
        changes["scheduled_at"] = changes["due_at"] = _future(scheduled_at)
    seen = message.fence
    with _held(message) as row:
        if row.fence != seen:
            raise ConflictError(_("This message has changed since you looked at it."))
        _check(row, EDITABLE)
        if content is not None:
            if problems := examining.problems(row, content):
                raise RefusedError(problems)
            changes["content"] = content.to_json()
        changes = {name: value for name, value in changes.items() if getattr(row, name) != value}
        edited = [name for name in BY_HAND if name in changes]
        if edited:
            changes["edited"] = [name for name in BY_HAND if name in edited or name in row.edited]
            _step(row, "edit", row.state, author, ", ".join(edited), **changes)
    return _reread(message)


def is_told(message: ScheduledMessage, kept: Sequence[str]) -> bool:
    """Return whether the last line of the log of *message* says that an update would have changed the fields *kept*."""
    last = message.entries.order_by("pk").last()
    return last is not None and last.why.endswith(_told({}, kept, False))


def cancel(
    message: ScheduledMessage, *, author: Any = None, why: str = "", code: str = "cancelled", fence: int | None = None
) -> ScheduledMessage:
    """
    Cancel *message*; what of it waits in the outbox is not sent any more, what was sent stays as it is.

    Args:
        message: In any state but sent and cancelled.

        author: A user, for the log.

        why: A sentence, of any length.

        code: Short and stable.

        fence: Of a worker outside: as `lock` returned it.

    Raises:
        ConflictError: If it was sent, or is cancelled already; of a worker outside, if somebody else has it by now.
    """
    # Which writes by this module.
    from edx_ace.automation import following

    with _held(message) as row:
        if fence is not None:
            check_lock(row, fence)
        if row.state == State.ENQUEUED and following.settle([row]):
            row.refresh_from_db()
        _check(row, OPEN)
        batch = row.batch if row.state == State.ENQUEUED else None
        _end(row, "cancel", State.CANCELLED, author, code, why)
        if batch is not None:
            outbox.cancel(batch=batch)
    return _reread(message)


def lock(message: ScheduledMessage, author: Any = None) -> int:
    """
    Claim *message*, which a worker outside sends, and return the fencing number that it has to be told with what came
    of it.

    Args:
        message: Scheduled, and due.

        author: The worker's user, for the log.

    Raises:
        ConflictError: If it is not due, not such a worker's, or another has it.
    """
    using = router.db_for_write(ScheduledMessage)
    with transaction.atomic(using):
        claimed = leases.claim(ScheduledMessage.objects.filter(pk=message.pk, is_external=True), 1, LOCK)
        if not claimed:
            raise ConflictError(_("This message is not due, is not sent by workers outside, or another worker has it."))
        note(claimed[0], "lock", author, State.SCHEDULED, State.CLAIMED)
    return _reread(message).fence


def succeed(message: ScheduledMessage, fence: int, author: Any = None) -> ScheduledMessage:
    """
    Say that *message*, which was locked under that fencing number, was sent.

    Args:
        message: As it was locked.

        fence: As `lock` returned it.

        author: The worker's user, for the log.

    Raises:
        ConflictError: If somebody else has it by now, or it is cancelled.
    """
    with _held(message) as row:
        check_lock(row, fence)
        _end(row, "succeed", State.SUCCEEDED, author, "", "", failures=0)
    return _reread(message)


def fail(message: ScheduledMessage, code: str, reason: str, fence: int, author: Any = None) -> ScheduledMessage:
    """
    Say that *message*, which was locked under that fencing number, could not be sent; it is tried again later.

    Args:
        message: As it was locked.

        code: Short and stable.

        reason: A sentence, of any length.

        fence: As `lock` returned it.

        author: The worker's user, for the log.

    Raises:
        ConflictError: If somebody else has it by now, or it is cancelled.
    """
    with _held(message) as row:
        check_lock(row, fence)
        record_failure(row, code, reason, author=author)
    return _reread(message)


def add_attachment(message: ScheduledMessage, name: str, content: bytes, *, author: Any = None) -> ScheduledMessage:
    """
    Attach a file to *message*.

    Args:
        message: Scheduled or failed.

        name: Of the file; its end says of which type it is.

        content: The file.

        author: A user, for the log.

    Raises:
        RefusedError: If it is too large, or its name or type cannot be sent.
        ConflictError: If the message is being sent, was sent, or is cancelled.
        AutomationError: If the storage does not take it.
    """
    with _held(message) as row:
        _check(row, EDITABLE)
        attachments.add(row, name, content)
        _step(row, "add_attachment", row.state, author, name)
    return _reread(message)


def remove_attachment(message: ScheduledMessage, key: int, *, author: Any = None) -> ScheduledMessage:
    """
    Take the attachment with that primary key from *message*, and delete its file.

    Raises:
        ConflictError: If the message is being sent, was sent, or is cancelled, or the attachment is gone.
    """
    with _held(message) as row:
        _check(row, EDITABLE)
        attachment = row.attachments.filter(pk=key).first()
        if attachment is None:
            raise ConflictError(_("This attachment is not there any more."))
        attachments.remove([attachment])
        _step(row, "remove_attachment", row.state, author, attachment.name)
    return _reread(message)


def send_now(message: ScheduledMessage, author: Any = None) -> ScheduledMessage:
    """
    Let *message* go at once; one that failed or was cancelled begins anew.

    Raises:
        ConflictError: If it is being sent or was, or another for the same object is open.
    """
    with _held(message) as row:
        _begin_anew(row, "send_now", author, "", timezone.now())
    return _reread(message)


def resend(message: ScheduledMessage, author: Any = None) -> ScheduledMessage:
    """
    Send *message* once more, to all of its recipients, with what there is to say by now; return what will be sent.

    Of one that was sent that is a message of its own, beside which its action may schedule others.

    Raises:
        ConflictError: If it is scheduled, or being sent.
    """
    with _held(message) as row:
        _check(row, (State.FAILED, State.CANCELLED, _SENT))
        if row.state != _SENT:
            _begin_anew(row, "resend", author, "", timezone.now())
            return _reread(message)
        now = timezone.now()
        copied = [*_PLACE, "action", "context", "recipients", "arguments", "content", "template_version_id"]
        copied += ["message_type", "is_to_all", "is_external", "edited", "occurrence"]
        again = ScheduledMessage(scheduled_at=now, due_at=now, **{name: getattr(row, name) for name in copied})
        again.save(using=router.db_for_write(ScheduledMessage), force_insert=True)
        attachments.copy(row, again)
        note(again, "resend", author, to_state=State.SCHEDULED, why=str(row.uuid))
        note(row, "resend", author, row.state, row.state, str(again.uuid))
    return again


def place_of(about: Model | None) -> tuple[str, str]:
    """Return the label of a model and the primary key as text by which *about* stands in the table."""
    if about is None:
        return "", ""
    model = about._meta.concrete_model or type(about)
    return model._meta.label_lower, str(about.pk)


def note(
    message: ScheduledMessage, did: str, author: Any, from_state: str = "", to_state: str = "", why: str = ""
) -> None:
    """Write a line of the log of *message*, in the caller's transaction."""
    who = "" if author is None else str(author.get_username())[:150]
    Entry.objects.using(router.db_for_write(ScheduledMessage)).create(
        message=message, who=who, did=did, from_state=from_state, to_state=to_state, why=why
    )


def record_failure(
    row: ScheduledMessage, code: str, reason: str, *, is_final: bool = False, author: Any = None
) -> bool:
    """
    Write down that *row*, as its worker has it, could not be sent; return whether it was still in that state.

    Args:
        row: Claimed or in the outbox; its fencing number has to be the same still.

        code, reason: Why.

        is_final: Whether it is of no use to try again until somebody says so.

        author: The user of a worker outside, for the log.
    """
    failures = row.failures + 1
    from_state = row.state
    own = Q(fence=row.fence)
    changes: dict[str, Any] = {"failures": failures, "claims": 0, "code": code[:64], "reason": reason}
    with transaction.atomic(router.db_for_write(ScheduledMessage)):
        if failures >= MAX_FAILURES:
            changes |= {"ended_at": DatabaseNow(), "open_key": None}
            why = _("It failed %(number)d times in a row, the last time because: %(reason)s")
            changes["reason"] = why % {"number": failures, "reason": reason}
            to_state, did = State.CANCELLED, "cancel"
        else:
            wait = min(FIRST_WAIT * 2**row.failures, LONGEST_WAIT)
            changes["due_at"] = LAST_MOMENT if is_final else from_now(wait)
            to_state, did = State.FAILED, "fail"
        if not leases.take(row, to_state, only=own, **changes):
            return False
        note(row, did, author, from_state, to_state, changes["reason"])
    return True


def check_lock(row: ScheduledMessage, fence: int) -> None:
    """
    Look whether a worker outside still has *row* under that fencing number.

    Raises:
        ConflictError: If somebody else has it by now, or nobody.
    """
    _check(row, (State.CLAIMED,))
    if row.fence != fence:
        raise ConflictError(_("Another worker has this message by now."))


_PLACE = ("object_type", "object_key")


@contextmanager
def _held(message: ScheduledMessage) -> Iterator[ScheduledMessage]:
    """Lock *message* for a transaction, and give it as it is by now."""
    using = router.db_for_write(ScheduledMessage)
    with transaction.atomic(using):
        row = ScheduledMessage.objects.using(using).select_for_update().filter(pk=message.pk).first()
        if row is None:
            raise ConflictError(_("This message is not there any more."))
        yield row


def _reread(message: ScheduledMessage) -> ScheduledMessage:
    message.refresh_from_db(using=router.db_for_write(ScheduledMessage))
    return message


def _step(row: ScheduledMessage, did: str, to_state: str, author: Any, why: str, **changes: Any) -> None:
    """Move *row* on with *changes* and write that down."""
    from_state = row.state
    if not leases.take(row, to_state, only=Q(fence=row.fence), **changes):
        # Where rows cannot be locked.
        raise ConflictError(_("Somebody was quicker: this message has changed."))
    note(row, did, author, from_state, to_state, why)


def _begin_anew(row: ScheduledMessage, did: str, author: Any, why: str, moment: datetime) -> None:
    """Let *row* wait for *moment*, with all its tries."""
    _check(row, (*EDITABLE, State.CANCELLED))
    changes: dict[str, Any] = {"scheduled_at": moment, "due_at": moment, "code": "", "reason": ""}
    changes |= {"ended_at": None, "failures": 0, "claims": 0, "began_at": timezone.now()}
    if author is not None and "scheduled_at" not in row.edited:
        changes["edited"] = [*row.edited, "scheduled_at"]
    if row.state == State.CANCELLED:
        changes["open_key"] = _open_key(row)
    try:
        with transaction.atomic(router.db_for_write(ScheduledMessage)):
            _step(row, did, State.SCHEDULED, author, why, **changes)
    except IntegrityError:
        raise ConflictError(_already_open(row)) from None


def _end(row: ScheduledMessage, did: str, to_state: State, author: Any, code: str, why: str, **changes: Any) -> None:
    ended: dict[str, Any] = {"ended_at": DatabaseNow(), "open_key": None, "code": code, "reason": why}
    _step(row, did, to_state, author, why, **ended, **changes)


def _check(row: ScheduledMessage, leaving: Sequence[str]) -> None:
    if row.state not in leaving:
        text = _("This message is %(state)s: that can be done only while it is %(expected)s.")
        expected = ", ".join(str(State(state).label) for state in leaving)
        raise ConflictError(text % {"state": row.get_state_display(), "expected": expected})


def _action(action: Action | str) -> Action:
    return actions.get(action) if isinstance(action, str) else action


def path_of(message_type: type | None) -> str:
    """Return the dotted path by which a message type stands in the table; of None that is empty."""
    return "" if message_type is None else f"{message_type.__module__}.{message_type.__qualname__}"


def _recipients(given: Sequence[Any]) -> list[Any]:
    if not given:
        raise AutomationError(_("A message has at least one recipient."), code="no_recipients")
    return addressing.dump(given)


def _open_key(message: ScheduledMessage) -> str | None:
    # Of what is about nothing there may be many.
    if not message.object_type:
        return None
    return _digest(message.action, message.object_type, message.object_key)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _already_open(message: ScheduledMessage) -> str:
    text = _("There is a message of the action %(action)s about %(object)s already, which has not gone yet.")
    return text % {"action": message.action, "object": f"{message.object_type} {message.object_key}"}


def _moment(given: datetime) -> datetime:
    if not isinstance(given, datetime):
        raise AutomationError(f"Expected a datetime, given {given!r} ({type(given).__name__}).")
    return as_utc(given).astimezone(UTC)


def _future(given: datetime) -> datetime:
    moment = _moment(given)
    if moment < timezone.now():
        raise PastError(_("%(moment)s is past.") % {"moment": given})
    return moment


def _when(before: datetime, after: datetime) -> str:
    return _("%(before)s to %(after)s") % {"before": before, "after": after}


def _due_after_update(row: ScheduledMessage, scheduled_at: datetime) -> datetime:
    return scheduled_at if row.state == State.SCHEDULED else max(row.due_at, scheduled_at)


def _told(changes: Mapping[str, Any], touched: Sequence[str], is_overwritten: bool) -> str:
    """Return what the log says of an update."""
    names = ", ".join(
        name for name in ("scheduled_at", "recipients", "context", "arguments", "content") if name in changes
    )
    parts = [names] if names else []
    if touched:
        text = (
            _("overwritten, though changed by hand: %(names)s")
            if is_overwritten
            else _("kept as changed by hand: %(names)s")
        )
        parts.append(text % {"names": ", ".join(touched)})
    return "; ".join(parts)
