"""
Public: what a scheduled message would say if it were sent now, and tests of it.

A preview is made as the letters are, with the same bytes before content steps. A test is really sent, to whoever asks
for it: it says that it is one, and goes to nobody in copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import attrs
from django.utils import translation
from django.utils.translation import gettext as _

from edx_ace import ace
from edx_ace.automation import actions, addressing, composing, controller, rendering
from edx_ace.automation.addressing import Addressee
from edx_ace.automation.composing import DATABASE_ERRORS, Draft
from edx_ace.automation.errors import AutomationError, Problem
from edx_ace.automation.models import Letter
from edx_ace.channel import ChannelType
from edx_ace.recipient import Recipient
from edx_ace.report import SendReport

if TYPE_CHECKING:
    from edx_ace.automation.models import ScheduledMessage
    from edx_ace.automation.templates import Content


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


def preview(message: ScheduledMessage, limit: int | None = None) -> list[Preview]:
    """
    Return the letters of *message* as they would be sent now, in the order of its recipients.

    Args:
        message: In whatever state.

        limit: How many at most. None: all.
    """
    draft, addressees = _look_up(message)
    if isinstance(draft, Exception):
        return [Preview(to="", error=composing.described(draft))]
    found: list[Preview] = []
    with composing.lookups_shared():
        for group in _groups(draft, addressees):
            if len(found) == limit:
                break
            found.append(_preview(draft, group))
    return found


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
    values = {**draft.values, rendering.RECIPIENT: next(iter(reachable), None)}
    return rendering.problems(content, list(values), values)


def _look_up(message: ScheduledMessage) -> tuple[Draft | Exception, list[Addressee | Exception]]:
    made, resolved = composing.drafts([message], dict(enumerate(message.recipients)))
    found: list[Addressee | Exception] = []
    for number, reference in enumerate(message.recipients):
        one = resolved[number]
        try:
            if isinstance(one, Exception):
                raise one
            found.append(addressing.addressee(reference, one, actions.get(message.action)))
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            found.append(error)
    return made[message.pk], found


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
        attachments=[one.name for one in draft.message.attachments.all()],
    )


def _letter() -> Letter:
    """Return one that is of no send, and not kept."""
    return Letter(batch=uuid4(), uuid=uuid4())
