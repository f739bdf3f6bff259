"""
Internal: from scheduled messages to what goes out: their values looked up, then one `Message` for each letter.

The same for what is sent, previewed and tested, so that these are the same to the byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
from django.db import InterfaceError, OperationalError
from django.db.models import prefetch_related_objects
from django.utils.module_loading import import_string

from edx_ace import presentation
from edx_ace.automation import actions, attachments, references, rendering
from edx_ace.automation.message_types import Scheduled
from edx_ace.automation.templates import Content
from edx_ace.channel import ChannelType, get_channel_for_message
from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.errors import AceError
from edx_ace.message import Message, MessageType
from edx_ace.renderers import RenderedEmail
from edx_ace.report import text_of

if TYPE_CHECKING:
    from edx_ace.automation.actions import Action
    from edx_ace.automation.addressing import Addressee
    from edx_ace.automation.models import Letter, ScheduledMessage

#: Errors of the database: they say nothing about a message.
DATABASE_ERRORS = (OperationalError, InterfaceError)


@attrs.frozen
class Draft:
    """
    A scheduled message with all that its letters have in common.

    Attributes:
        message: The row.

        action: Its action.

        values: Those of the template, by name, as they are now.

        attachments: As an email takes them.
    """

    message: ScheduledMessage
    action: Action
    values: Mapping[str, Any]
    attachments: Sequence[tuple[str, bytes, str]] = ()


@attrs.frozen
class Rendered:
    """
    A letter as it leaves, before content steps.

    Attributes:
        subject: On one line.

        html: The whole document.

        text: The text part.
    """

    subject: str
    html: str
    text: str


def drafts(
    messages: Collection[ScheduledMessage], recipients: Mapping[Any, Any]
) -> tuple[dict[int, Draft | Exception], dict[Any, Any]]:
    """
    Look up what *messages* refer to, one query a model for all of them and *recipients* together.

    Args:
        messages: Any.

        recipients: References by any key.

    Returns:
        What is there of each message, by its primary key, or why it cannot be sent; and what each of *recipients*
        refers to, by its key, or why that cannot be read.
    """
    asked = [*(message.context for message in messages), *recipients.values()]
    resolved = resolve(asked)
    prefetch_related_objects(list(messages), "attachments")
    made: dict[int, Draft | Exception] = {}
    for message, values in zip(messages, resolved, strict=False):
        try:
            made[message.pk] = _draft(message, values)
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            made[message.pk] = error
    return made, dict(zip(recipients, resolved[len(messages) :], strict=True))


def resolve(dumped: Sequence[Any]) -> list[Any]:
    """Return what *dumped* refers to, as `references.resolve` does; in place of what cannot be read, the error."""
    try:
        return references.resolve(dumped)
    except DATABASE_ERRORS:
        raise
    except Exception as error:
        return [error] if len(dumped) == 1 else [found for one in dumped for found in resolve([one])]


def _draft(message: ScheduledMessage, values: Any) -> Draft:
    if isinstance(values, Exception):
        raise values
    references.check_there(values)
    return Draft(
        message, actions.get(message.action), values, [attachments.read(one) for one in message.attachments.all()]
    )


def outline(message: ScheduledMessage) -> Message:
    """Return what is known of the letters of *message* before they are rendered: their type and category."""
    made = _type_of(message).personalize(None, None, {})
    made.options |= _options(actions.get(message.action))
    return made


def compose(draft: Draft, addressees: Sequence[Addressee], letter: Letter) -> Message:
    """
    Return *letter* to *addressees*: to the first, with the others in copy.

    Raises:
        AutomationError: If it cannot be rendered, naming what is wrong.
        Exception: Whatever else keeps it from being rendered.
    """
    row, first = draft.message, addressees[0]
    values = {**draft.values, rendering.RECIPIENT: first.value}
    others = [str(one.recipient.email_address) for one in addressees[1:]]
    if not row.message_type:
        content = Content.from_json(row.content)
        return rendering.message_for(
            letter,
            rendering.render(content, first.language, values, first.zone),
            first.recipient,
            content,
            others=others,
            attachments=draft.attachments,
            options=_options(draft.action),
        )
    message = _type_of(row).personalize(first.recipient, first.language, values)
    message.options |= _options(draft.action)
    for name, further in (("cc", others), ("attachments", draft.attachments)):
        if further:
            message.options[name] = [*message.options.get(name, ()), *further]
    message.send_uuid, message.uuid = letter.batch, letter.uuid
    return message


def render(message: Message) -> Rendered:
    """Return *message* as the email channel renders it."""
    return as_sent(presentation.render(get_channel_for_message(ChannelType.EMAIL, message), message))


def as_sent(fields: RenderedEmail) -> Rendered:
    """Return the parts of an email with *fields*."""
    html = EmailChannelMixin.make_simple_html_template(fields.head_html, fields.body_html)
    return Rendered(EmailChannelMixin.get_subject(fields), html, fields.body)


@contextmanager
def lookups_shared() -> Iterator[None]:
    """Look each template of the renderings in this context up once."""
    with presentation.lookups_shared_in({}):
        yield


def described(error: Exception) -> str:
    """Return what *error* says to staff, in full."""
    return text_of(error) if isinstance(error, AceError) else f"{type(error).__name__}: {text_of(error)}"


def _type_of(message: ScheduledMessage) -> MessageType:
    found: type[MessageType] = import_string(message.message_type) if message.message_type else Scheduled
    return found()


def _options(action: Action) -> dict[str, Any]:
    return {"category": action.category} if action.category else {}
