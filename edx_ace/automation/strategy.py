"""
Public: strategies, which compare what should exist with what does.

========  ==============  =====================
exists    should exist    strategy
========  ==============  =====================
no        yes             `StrategyEnum.CREATE`
yes       yes             `StrategyEnum.UPDATE`
yes       no              `StrategyEnum.CANCEL`
no        no              `StrategyEnum.NOOP`
========  ==============  =====================

What was sent is not sent again, what somebody cancelled is not brought back, and what is being sent is not changed:
then nothing is done, too. An action by a rule goes on to the next occurrence instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs
from django.db.models import Max, Model, Q
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext as _

from edx_ace.automation import addressing, controller, moments, references, templates
from edx_ace.automation.errors import AutomationError, StrategyError
from edx_ace.automation.models import ScheduledMessage
from edx_ace.automation.states import EDITABLE, State
from edx_ace.utils.date import as_utc

if TYPE_CHECKING:
    from edx_ace.automation.actions import Action
    from edx_ace.automation.models import TemplateVersion
    from edx_ace.automation.moments import Rule

#: Why a message was cancelled by itself, so that there may be another once there should be.
CONDITIONS_GONE = "conditions_gone"
NO_RECIPIENTS = "no_recipients"
OBJECT_GONE = "object_gone"
BY_ITSELF = (CONDITIONS_GONE, NO_RECIPIENTS, OBJECT_GONE)

#: How many objects are looked at together, with the same queries.
BATCH_SIZE = 500

#: How long ago a message may have been due that is scheduled by itself: nobody wants to hear of what was years ago once
#: an action is new, or an old object is saved. Where the site runs the strategy itself, it goes all the same.
MAX_LATE = timedelta(days=1)

_OCCURRENCE = "occurrence"
_OCCURRENCE_GONE = "occurrence_gone"


class StrategyEnum(StrEnum):
    """What to do about a message."""

    #: Schedule one.
    CREATE = "create"
    #: Bring it up to date.
    UPDATE = "update"
    #: Cancel it.
    CANCEL = "cancel"
    #: Nothing.
    NOOP = "noop"


@attrs.frozen
class Decision:
    """
    What is done because of an object.

    Attributes:
        strategy: What.

        code: Why, short and stable.

        reason: Why, as a sentence.

        message: The message that was there; once it is done, the one that is.

        params: What the methods of the action are given beside the object.
    """

    strategy: StrategyEnum
    code: str
    reason: str
    message: ScheduledMessage | None = None
    params: Mapping[str, Any] = attrs.field(factory=dict)


def run_strategy(
    strategy: StrategyEnum,
    mapping: Mapping[StrategyEnum, Signal | None],
    request: Any,
    sender: Any,
    *,
    dry_run: bool = False,
    **kwargs: Any,
) -> list[tuple[Any, Any]]:
    """
    Send the signal that goes with *strategy*, and return what its receivers returned, as `Signal.send` does.

    Args:
        strategy: What to do.

        mapping: The signal for each strategy; None: then nothing is done, as for one that is NOOP.

        request, sender: For the receivers.

        dry_run: Send nothing.

        kwargs: For the receivers: ``suppress_messages``, and what the host's signals carry.

    Raises:
        StrategyError: If *mapping* does not have it.
    """
    if strategy not in mapping and strategy != StrategyEnum.NOOP:
        known = ", ".join(mapping) or "none"
        raise StrategyError(f"Expected a signal for the strategy {str(strategy)!r}. There are some for: {known}.")
    signal = mapping.get(strategy)
    return [] if signal is None or dry_run else signal.send(sender=sender, request=request, **kwargs)


def decide(action: Action, obj: Any, params: Mapping[str, Any]) -> Decision:
    """
    Return what is to be done about the message of *action* because of *obj*.

    Args:
        action: The action.

        obj: The object.

        params: For its methods. Empty: those with which the message was scheduled.

    Raises:
        Exception: Whatever its methods raise.
    """
    [(_obj, found)] = _decide(action, [obj], params)
    if isinstance(found, Exception):
        raise found
    return found


def run(
    action: Action,
    obj: Any,
    params: Mapping[str, Any],
    request: Any = None,
    *,
    dry_run: bool = False,
    suppress_messages: bool = False,
) -> Decision:
    """Decide, do it, and return what was done; see `edx_ace.automation.actions.Action.run_strategy`."""
    return _act(action, obj, decide(action, obj, params), params, request, dry_run, suppress_messages)


def settle(
    action: Action, objects: Sequence[Any], *, dry_run: bool = False
) -> Iterator[tuple[Any, Decision | Exception]]:
    """
    Do because of each of *objects* what is to be done, and yield it with what was; for changes and reconciling.

    Nothing is scheduled that should have gone long ago (`MAX_LATE`).

    Takes the same number of queries for all of them together to find what is to be changed. One that cannot be decided
    is yielded with its error, and keeps no other from being done.

    Args:
        action: The action.

        objects: Not more than `BATCH_SIZE`.

        dry_run: Change nothing.
    """
    if not objects:
        return
    version = templates.current(action)
    is_on = templates.is_on(action)
    for obj, found in _decide(action, objects, {}):
        if not isinstance(found, Exception):
            try:
                found = _foreseen(action, obj, found, version, is_on)
                found = _act(action, obj, found, {}, None, dry_run, suppress_messages=True)
            except Exception as error:
                found = error
        yield obj, found


def foresee(action: Action, obj: Any, params: Mapping[str, Any]) -> Decision:
    """
    Return what would come of it if the strategy ran for *obj* now; nothing is changed.

    Unlike `decide` it looks whether there is anybody to write to, whether the action is on, whether its time is long
    past, and whether anything would change.

    Raises:
        Exception: Whatever the methods of *action* raise.
    """
    decision = decide(action, obj, params)
    return _foreseen(action, obj, decision, templates.current(action), templates.is_on(action))


def _act(
    action: Action,
    obj: Any,
    decision: Decision,
    params: Mapping[str, Any],
    request: Any,
    dry_run: bool,
    suppress_messages: bool,
) -> Decision:
    # That nobody would get it any more, an update finds, which cancels it with that reason.
    is_for_nobody = decision.strategy == StrategyEnum.CANCEL and decision.code == NO_RECIPIENTS
    answers = run_strategy(
        StrategyEnum.UPDATE if is_for_nobody else decision.strategy,
        action.mapping,
        request,
        obj,
        dry_run=dry_run,
        suppress_messages=suppress_messages,
        **decision.params,
    )
    if decision.code == _OCCURRENCE_GONE and answers:
        # The rule has changed: now the occurrence that it has instead.
        return run(action, obj, params, request, suppress_messages=suppress_messages)
    made = [answer for _receiver, answer in answers if isinstance(answer, ScheduledMessage)]
    return attrs.evolve(decision, message=made[0]) if made else decision


def _decide(
    action: Action, objects: Sequence[Any], params: Mapping[str, Any]
) -> Iterator[tuple[Any, Decision | Exception]]:
    """Yield what is to be done because of each of *objects*, or why that cannot be said."""
    places: list[tuple[str, str] | Exception] = []
    for obj in objects:
        try:
            places.append(_place_of(action, obj, params))
        except Exception as error:
            places.append(error)
    last = _last_messages(action, [place for place in places if not isinstance(place, Exception)])
    kept = {} if params else _arguments([message for message in last.values() if message.open_key])
    now = timezone.now()
    for obj, place in zip(objects, places, strict=True):
        if isinstance(place, Exception):
            yield obj, place
            continue
        try:
            message = last.get(place)
            given = kept.get(message.pk, {}) if message is not None else {}
            references.check_there(given)
            decided = _decide_one(action, obj, message, {**given, **params}, now)
            yield obj, decided
        except Exception as error:
            yield obj, error


def _place_of(action: Action, obj: Any, params: Mapping[str, Any]) -> tuple[str, str]:
    about = action.related_object(obj, **params)
    if not isinstance(about, Model) or about.pk is None:
        raise AutomationError(
            f"Expected {type(action).__name__}.related_object to return an object in the database, given {about!r}.",
            code="bad_object",
        )
    if action.related_model is not None and not isinstance(about, action.related_model):
        raise AutomationError(
            f"{type(action).__name__}.related_model is {action.related_model.__name__}, but related_object returned a "
            f"{type(about).__name__}.",
            code="bad_object",
        )
    return controller.place_of(about)


def _last_messages(action: Action, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], ScheduledMessage]:
    """Return by what it is about the message of *action* that is open, else the last that there was."""
    found: dict[tuple[str, str], ScheduledMessage] = {}
    for label in {label for label, _key in places}:
        about = ScheduledMessage.objects.filter(
            action=action.signal, object_type=label, object_key__in={key for one, key in places if one == label}
        )
        rows = about.values("object_key").annotate(last=Max("pk"), open=Max("pk", filter=Q(open_key__isnull=False)))
        pks = [row["open"] or row["last"] for row in rows]
        found |= {(label, one.object_key): one for one in ScheduledMessage.objects.filter(pk__in=pks)}
    return found


def _arguments(messages: Sequence[ScheduledMessage]) -> dict[int, dict[str, Any]]:
    """Return what the methods were given when each of *messages* was scheduled."""
    given = references.resolve([message.arguments for message in messages])
    return {message.pk: arguments for message, arguments in zip(messages, given, strict=True)}


def _decide_one(
    action: Action, obj: Any, message: ScheduledMessage | None, params: dict[str, Any], now: datetime
) -> Decision:
    def decided(strategy: StrategyEnum, code: str, reason: str) -> Decision:
        return Decision(strategy, code, reason, message, params)

    there = message if message is not None and message.open_key is not None else None
    rule = action.rule(obj, **params)
    if there is not None and there.occurrence is not None and (rule is None or there.occurrence not in rule):
        params[_OCCURRENCE] = there.occurrence
        return decided(StrategyEnum.CANCEL, _OCCURRENCE_GONE, _("Its rule does not have that occurrence any more."))
    if rule is not None:
        occurrence = _occurrence(rule, message, now)
        if occurrence is None:
            return decided(StrategyEnum.NOOP, "no_occurrence", _("Its rule has no occurrence any more."))
        params[_OCCURRENCE] = occurrence
    elif message is not None and there is None and not _is_cancelled_by_itself(message):
        if message.state == State.CANCELLED:
            text = _("It was cancelled, and is not brought back by itself.")
            return decided(StrategyEnum.NOOP, "stays_cancelled", text)
        return decided(StrategyEnum.NOOP, "sent", _("It was sent already."))
    if not action.should_exist(obj, **params):
        if there is not None:
            return decided(StrategyEnum.CANCEL, CONDITIONS_GONE, _("Its conditions do not hold any more."))
        return decided(StrategyEnum.NOOP, "conditions", _("Its conditions do not hold."))
    if there is None:
        return decided(StrategyEnum.CREATE, "conditions_hold", _("Its conditions hold, and there is none."))
    if there.state not in map(str, EDITABLE):
        return decided(StrategyEnum.NOOP, "being_sent", _("It is being sent."))
    return decided(StrategyEnum.UPDATE, "exists", _("Its conditions hold, and there is one."))


def _occurrence(rule: Rule, message: ScheduledMessage | None, now: datetime) -> datetime | None:
    if message is None or message.occurrence is None:
        return rule.next_after(now)
    if message.open_key is not None:
        return message.occurrence
    return rule.next_after(now if _is_cancelled_by_itself(message) else max(now, message.occurrence))


def _is_cancelled_by_itself(message: ScheduledMessage) -> bool:
    return message.state == State.CANCELLED and message.code in BY_ITSELF


def _foreseen(action: Action, obj: Any, decision: Decision, version: TemplateVersion | None, is_on: bool) -> Decision:
    """Return *decision*, or that nothing comes of it."""
    if decision.strategy == StrategyEnum.CREATE and not is_on:
        return attrs.evolve(decision, strategy=StrategyEnum.NOOP, code="off", reason=_("Its action is switched off."))
    if decision.strategy not in (StrategyEnum.CREATE, StrategyEnum.UPDATE):
        return decision
    recipients = action.recipients(obj, **decision.params)
    if not recipients:
        strategy = StrategyEnum.NOOP if decision.strategy == StrategyEnum.CREATE else StrategyEnum.CANCEL
        return attrs.evolve(decision, strategy=strategy, code=NO_RECIPIENTS, reason=_("Nobody would get it."))
    if decision.strategy == StrategyEnum.CREATE:
        scheduled_at = as_utc(action.scheduled_at(obj, **decision.params))
        if scheduled_at < timezone.now() - MAX_LATE:
            reason = _("It should have gone on %(date)s, which is too long ago.") % {"date": scheduled_at.date()}
            return attrs.evolve(decision, strategy=StrategyEnum.NOOP, code="past", reason=reason)
    if decision.strategy == StrategyEnum.UPDATE and _is_current(action, obj, decision, recipients, version):
        return attrs.evolve(decision, strategy=StrategyEnum.NOOP, code="current", reason=_("It is up to date."))
    return decision


def _is_current(
    action: Action, obj: Any, decision: Decision, recipients: Sequence[Any], version: TemplateVersion | None
) -> bool:
    """Return whether an update would change nothing, and add nothing to the log."""
    message = decision.message
    assert message is not None
    with moments.counted_from(message.began_at):
        scheduled_at = action.scheduled_at(obj, **decision.params)
    wanted = {
        "scheduled_at": as_utc(scheduled_at),
        "context": references.dump_context(action.context(obj, **decision.params)),
        "recipients": addressing.dump(recipients),
        "content": {} if version is None else version.content,
    }
    others = [name for name, value in wanted.items() if getattr(message, name) != value]
    kept = [] if action.overwrite_edits else [name for name in message.edited if name in others]
    # A query for those alone that a person has edited.
    return len(kept) == len(others) and (not kept or controller.is_told(message, kept))
