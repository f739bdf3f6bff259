"""
Public: what a scheduled message would say if it were sent now, and tests of it; what an action would do.

A preview is made as the letters are, with the same bytes before content steps. A test is really sent, to whoever asks
for it: it says that it is one, and goes to nobody in copy. Of an action it is shown what it would do because of an
object, and what its template says then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import attrs
from django.core.exceptions import ValidationError
from django.db.models import CharField, Q, TextField
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from edx_ace import ace
from edx_ace.automation import (
    actions,
    addressing,
    composing,
    controller,
    references,
    rendering,
    strategy,
    templates,
    values,
)
from edx_ace.automation.addressing import Addressee
from edx_ace.automation.composing import DATABASE_ERRORS, Draft
from edx_ace.automation.errors import AutomationError, NotFoundError, Problem
from edx_ace.automation.models import Letter, ScheduledMessage
from edx_ace.automation.strategy import Decision, StrategyEnum
from edx_ace.automation.templates import Content
from edx_ace.channel import ChannelType
from edx_ace.recipient import Recipient
from edx_ace.report import SendReport

if TYPE_CHECKING:
    from datetime import datetime

    from edx_ace.automation.actions import Action

#: How many objects are found at most to try an action with.
MAX_OBJECTS = 20


@attrs.frozen(kw_only=True)
class Preview:
    """
    One letter as it would be sent now, before content steps; or why it would not.

    Attributes:
        to: The mailbox; where there is none, what stands for the recipient.

        cc, bcc, reply_to: Mailboxes.

        sender: The mailbox that the template names; empty: the site's.

        language: In which it is rendered; empty: the site's.

        subject: On one line.

        html: The document, for a frame without scripts.

        text: The text part.

        attachments: Names of files.

        error: Why it could not be sent; then nothing is rendered.
    """

    to: str
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: Sequence[str] = ()
    sender: str = ""
    language: str = ""
    subject: str = ""
    html: str = ""
    text: str = ""
    attachments: Sequence[str] = ()
    error: str = ""


@attrs.frozen(kw_only=True)
class Simulation:
    """
    What would be done because of an object; nothing was.

    Attributes:
        decision: What, and why. None: an error says why that cannot be said.

        scheduled_at: When the message would go (aware); None: there would be none.

        preview: What it would say to the first of its recipients.

        error: What the action's methods raised.
    """

    decision: Decision | None = None
    scheduled_at: datetime | None = None
    preview: Preview | None = None
    error: str = ""


@attrs.frozen
class Shown:
    """
    What a reference stands for, for staff.

    Attributes:
        text: How it reads.

        value: The object, the value, or a list.

        is_gone: Whether the object is gone, or cannot be read.
    """

    text: str
    value: Any = None
    is_gone: bool = False


def preview(message: ScheduledMessage, limit: int | None = None, start: int = 0) -> list[Preview]:
    """
    Return the letters of *message* as they would be sent now, in the order of its recipients.

    Args:
        message: In whatever state.

        limit: How many at most. None: all.

        start: How many to leave out before.
    """
    draft, addressees = _look_up(message)
    if isinstance(draft, Exception):
        return [Preview(to="", error=composing.described(draft))]
    stop = None if limit is None else start + limit
    with composing.lookups_shared():
        return [_preview(draft, group) for group in islice(_groups(draft, addressees), start, stop)]


def preview_template(action: Action, content: Content | None, obj: Any, language: str | None = None) -> Preview:
    """
    Return what the first recipient would get because of *obj* if the template of *action* were *content*.

    Args:
        action: The action.

        content: What somebody wrote. None: its message type says it.

        obj: One of its objects, or another that its methods take.

        language: In which; None: in that of the recipient.
    """
    try:
        draft, addressees = _draft_for(action, content, obj)
    except DATABASE_ERRORS:
        raise
    except Exception as error:
        return Preview(to="", error=composing.described(error))
    group = next(_groups(draft, addressees))
    if language and not isinstance(group, Exception):
        group = [attrs.evolve(group[0], language=language), *group[1:]]
    return _preview(draft, group)


def simulate(action: Action, obj: Any) -> Simulation:
    """Return what *action* would do because of *obj*, why, and what its message would say; nothing is changed."""
    try:
        decision = strategy.foresee(action, obj, {})
        if decision.strategy not in (StrategyEnum.CREATE, StrategyEnum.UPDATE):
            return Simulation(decision=decision)
        scheduled_at = action.scheduled_at(obj, **decision.params)
        version = templates.current(action)
    except DATABASE_ERRORS:
        raise
    except Exception as error:
        return Simulation(error=composing.described(error))
    content = None if version is None else Content.from_json(version.content)
    return Simulation(decision=decision, scheduled_at=scheduled_at, preview=preview_template(action, content, obj))


def find_objects(action: Action, search: str = "", limit: int = MAX_OBJECTS) -> list[Any]:
    """
    Return objects of *action*, the latest first.

    Args:
        action: One that says its model.

        search: A primary key, or a part of one of their texts. Empty: any.

        limit: How many at most.

    Raises:
        AutomationError: If *action* does not say of which model its objects are.
    """
    found = action.objects()
    if search:
        meta, readable = found.model._meta, values.readable(found.model)
        asked = Q(pk__in=())
        for field in meta.concrete_fields:
            # What nobody may read cannot be guessed letter by letter either.
            if isinstance(field, CharField | TextField) and field.name in readable:
                asked |= Q(**{f"{field.name}__icontains": search})
        # What is no primary key of theirs is a text alone.
        with suppress(ValidationError):
            asked |= Q(pk=meta.pk.to_python(search))
        found = found.filter(asked)
    return list(found.order_by("-pk")[:limit])


def object_of(action: Action, key: str) -> Any:
    """
    Return the object of *action* with that primary key.

    Raises:
        NotFoundError: If there is none.
        AutomationError: If *action* does not say of which model its objects are.
    """
    found = action.objects()
    try:
        one = found.filter(pk=found.model._meta.pk.to_python(key)).first()
    except ValidationError:
        one = None
    if one is None:
        raise NotFoundError(_("There is no such object."))
    return one


def shown(dumped: Sequence[Any]) -> list[Shown]:
    """Return what references (see `edx_ace.automation.references`) stand for now, with one query a model for all."""
    return [_shown(value) for value in composing.resolve(list(dumped))]


def shown_context(message: ScheduledMessage) -> dict[str, Shown]:
    """Return what the values of the template of *message* are now, by name."""
    return dict(zip(message.context, shown(list(message.context.values())), strict=True))


def shown_objects(messages: Sequence[ScheduledMessage]) -> dict[int, Shown]:
    """Return what *messages* are about, by their primary key; those about nothing are left out."""
    about = [one for one in messages if one.object_type]
    found = shown([{"model": one.object_type, "pk": one.object_key} for one in about])
    return {message.pk: one for message, one in zip(about, found, strict=True)}


def send_test(message: ScheduledMessage, user: Any) -> SendReport:
    """
    Send *user* what the first recipient of *message* would get now, and return what came of it.

    Raises:
        AutomationError: If it could not be sent, or *user* has no address.
        Exception: Whatever else would keep it from being sent.
    """
    draft, addressees = _look_up(message)
    if isinstance(draft, Exception):
        raise draft
    address = getattr(user, "email", "")
    if not address:
        raise AutomationError(_("You have no email address that a test could go to."), code="no_address")
    first = next(_groups(draft, addressees))
    if isinstance(first, Exception):
        raise first
    # By their address alone, so that none of their limits count it.
    test = composing.compose(draft, [attrs.evolve(first[0], recipient=Recipient(None, address))], _letter())
    test.options = {name: value for name, value in test.options.items() if name not in ("cc", "bcc")}
    test.options["is_test"] = True
    if "email" in test.context:
        with translation.override(test.language):
            subject = _("[Test] %(subject)s") % {"subject": test.context["email"]["subject"]}
        test.context["email"] = {**test.context["email"], "subject": subject}
    report = ace.send(test, limit_to_channels=[ChannelType.EMAIL])
    controller.note(message, "send_test", user, why=address)
    return report


def problems(message: ScheduledMessage, content: Content) -> list[Problem]:
    """Return what is wrong with *content* as that of *message*, rendered with the values that it has now."""
    draft, addressees = _look_up(message)
    if isinstance(draft, Exception):
        # What is written is not to blame.
        return rendering.problems(content, None)
    reachable = [one.value for one in addressees if isinstance(one, Addressee)]
    sample = {**draft.values, rendering.RECIPIENT: next(iter(reachable), None)}
    return rendering.problems(content, list(sample), sample)


def _look_up(message: ScheduledMessage) -> tuple[Draft | Exception, list[Addressee | Exception]]:
    made, resolved = composing.drafts([message], dict(enumerate(message.recipients)))
    return made[message.pk], _addressees(message, list(resolved.values()))


def _draft_for(action: Action, content: Content | None, obj: Any) -> tuple[Draft, list[Addressee | Exception]]:
    """Return the message that *action* would schedule because of *obj*, which is not kept, and whom it would go to."""
    if not action.has_conditions:
        raise AutomationError(_("Receivers of the site schedule the messages of this action: it cannot be tried."))
    params = {"occurrence": timezone.now()} if action.is_recurring else {}
    message = ScheduledMessage(
        action=action.signal,
        context=references.dump_context(action.context(obj, **params)),
        recipients=addressing.dump(action.recipients(obj, **params)),
        content={} if content is None else content.to_json(),
        message_type=controller.path_of(action.message_type),
        is_to_all=action.to_all,
    )
    if not message.recipients:
        raise AutomationError(_("Nobody would get it."), code="no_recipients")
    [context, *resolved] = references.resolve([message.context, *message.recipients])
    references.check_there(context)
    return Draft(message, action, context), _addressees(message, resolved)


def _addressees(message: ScheduledMessage, resolved: Sequence[Any]) -> list[Addressee | Exception]:
    found: list[Addressee | Exception] = []
    for reference, one in zip(message.recipients, resolved, strict=True):
        try:
            if isinstance(one, Exception):
                raise one
            found.append(addressing.addressee(reference, one, actions.get(message.action)))
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            found.append(error)
    return found


def _groups(draft: Draft, addressees: Sequence[Addressee | Exception]) -> Iterator[Sequence[Addressee] | Exception]:
    """Yield who gets each letter, or why somebody gets none."""
    reachable = [one for one in addressees if isinstance(one, Addressee)]
    if draft.message.is_to_all and reachable:
        yield reachable
        return
    for one in addressees:
        yield one if isinstance(one, Exception) else [one]


def _preview(draft: Draft, group: Sequence[Addressee] | Exception) -> Preview:
    if isinstance(group, Exception):
        return Preview(to="", error=composing.described(group))
    to = str(group[0].recipient.email_address)
    try:
        message = composing.compose(draft, group, _letter())
        rendered = composing.render(message)
    except DATABASE_ERRORS:
        raise
    except Exception as error:
        return Preview(to=to, error=composing.described(error))
    options = message.options
    return Preview(
        to=to,
        cc=options.get("cc", ()),
        bcc=options.get("bcc", ()),
        reply_to=options.get("reply_to", ()),
        sender=options.get("from_address", ""),
        language=message.language or "",
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        attachments=[name for name, _content, _content_type in draft.attachments],
    )


def _shown(value: Any) -> Shown:
    if isinstance(value, Exception):
        return Shown(composing.described(value), None, True)
    if isinstance(value, references.Gone):
        return Shown(str(value), None, True)
    if isinstance(value, list | tuple):
        inner = [_shown(one) for one in value]
        return Shown(", ".join(one.text for one in inner), value, any(one.is_gone for one in inner))
    if isinstance(value, dict) and value.keys() == {"recipient"}:
        value = Recipient.from_json(value["recipient"])
    if isinstance(value, Recipient):
        return Shown(str(value.email_address or value.lms_user_id), value)
    try:
        return Shown(str(value), value)
    except DATABASE_ERRORS:
        raise
    except Exception as error:
        return Shown(composing.described(error), None, True)


def _letter() -> Letter:
    """Return one that is of no send, and not kept."""
    return Letter(batch=uuid4(), uuid=uuid4())
