"""
Public: the payload of `edx_ace.signals.message_sent`, and sending it.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from django.utils.translation import get_language

from edx_ace.signals import message_sent

if TYPE_CHECKING:
    from edx_ace.channel import Channel
    from edx_ace.message import Message

LOG = logging.getLogger(__name__)

#: What the keys of a JSON object can be made of.
_JSON_KEYS = (str, int, float, bool, type(None))


def make_serializable_object(obj: Any) -> Any:
    """
    Return *obj* when JSON can hold it; of dicts and lists, a copy in which whatever it cannot hold is its str().

    Of what cannot say that either, the name of its class.
    """
    try:
        json.dumps(obj)
    except (TypeError, ValueError, RecursionError):
        if isinstance(obj, dict):
            return {
                key if isinstance(key, _JSON_KEYS) else _text_of(key): make_serializable_object(value)
                for key, value in obj.items()
            }
        if isinstance(obj, list):
            return [make_serializable_object(value) for value in obj]
        return _text_of(obj)
    return obj


def _text_of(obj: Any) -> str:
    try:
        return str(obj)
    except Exception:
        return f"<{type(obj).__name__}>"


def send_ace_message_sent_signal(channel: type[Channel] | Channel, message: Message) -> None:
    """
    Tell the receivers of `message_sent` that *message* went over *channel* (a class or an instance).

    A receiver that raises is logged and stops neither the others nor the caller: the message has gone. Without
    receivers nothing is built.
    """
    if not (message_sent.receivers and message_sent.has_listeners(channel)):
        return
    try:
        payload = _payload(channel, message)
    except Exception:
        LOG.exception("The payload of message_sent could not be made, so its receivers are not told.")
        return
    for receiver, outcome in message_sent.send_robust(sender=channel, message=payload):
        if isinstance(outcome, Exception):
            LOG.error("A receiver of message_sent failed: %r", receiver, exc_info=outcome)


def _payload(channel: type[Channel] | Channel, message: Message) -> dict[str, Any]:
    recipient = message.recipient
    return {
        "name": message.name,
        "app_label": message.app_label,
        "recipient": {
            "email": getattr(recipient, "email_address", ""),
            "user_id": getattr(recipient, "lms_user_id", ""),
        },
        "channel": channel.__class__.__name__,
        "context": make_serializable_object(message.context),
        "options": make_serializable_object(message.options),
        "uuid": str(message.uuid),
        "send_uuid": str(message.send_uuid),
        "message_language": message.language,
        "translation_language": get_language(),
    }
