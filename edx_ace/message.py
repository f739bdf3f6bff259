"""
Public: `MessageType`, the factory, and `Message`, one message to one person.

Both are plain, mutable attrs classes and check nothing but the types of a few fields: content is checked when a message
is sent (`edx_ace.validation`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any, ClassVar, Self, cast
from uuid import UUID, uuid4

import attr
from django.apps import apps

from edx_ace.errors import ConfigurationError
from edx_ace.monitoring import report as monitoring_report
from edx_ace.recipient import Recipient
from edx_ace.serialization import MessageAttributeSerializationMixin
from edx_ace.utils import date

_optional_datetime = attr.validators.optional(attr.validators.instance_of(datetime))
_optional_uuid = attr.validators.optional(attr.validators.instance_of(UUID))


class MessageLoggingAdapter(logging.LoggerAdapter[Any]):
    """Puts a message's log_id before each line; a message with a low log_level has its debug lines shown as info."""

    @property
    def _message(self) -> Message:
        return cast("Message", cast("dict[str, object]", self.extra)["message"])

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Return *msg* with the log_id before it."""
        return f"[{self._message.log_id}] {msg}", kwargs

    def debug(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log at debug level, or at info level when the message's own log_level asks for its debug lines."""
        log_level = self._message.log_level
        level = logging.INFO if log_level and log_level <= logging.DEBUG else logging.DEBUG
        self.log(level, msg, *args, **kwargs)


@attr.s(auto_attribs=True)
class Message(MessageAttributeSerializationMixin):
    """
    One message to one person; equal by value.

    Args:
        app_label: Label of the Django app that holds the templates.

        name: Name of the message type, the folder of its templates.

        recipient: Whom it goes to.

        expiration_time: Not to be handed over after this moment; a naive one is read as UTC when it is used.

        context: What templates see.

        send_uuid: The same for all messages of one send, by default the uuid of the message type.

        options: What channels and policies see: ``transactional``, ``from_address``, ``reply_to`` …

        headers: Further headers of an email.

        language: Language to render in; None: the active one.

        log_level: A low level (10) makes the debug lines of this message visible.
    """

    app_label: str
    name: str
    recipient: Recipient | None = attr.ib(validator=attr.validators.optional(attr.validators.instance_of(Recipient)))
    expiration_time: datetime | None = attr.ib(default=None, validator=_optional_datetime)
    context: dict[str, Any] = attr.ib(factory=dict)
    uuid: UUID = attr.ib(init=False, factory=uuid4, validator=attr.validators.instance_of(UUID))
    send_uuid: UUID | None = attr.ib(default=None, validator=_optional_uuid)
    options: dict[str, Any] = attr.ib(factory=dict)
    headers: dict[str, Any] = attr.ib(factory=dict)
    language: str | None = None
    log_level: int | None = None

    @property
    def unique_name(self) -> str:
        """``app_label.name``."""
        return f"{self.app_label}.{self.name}"

    @property
    def log_id(self) -> str:
        """``app_label.name.send_uuid.uuid``: names the message in logs and tells nothing about the person."""
        log_id = f"{self.app_label}.{self.name}.{self.send_uuid or 'no_send_uuid'}.{self.uuid}"
        # Any text may be a name, so it could otherwise forge a line of the log.
        return log_id if log_id.isprintable() else ascii(log_id)[1:-1]

    def get_message_specific_logger(self, logger: logging.Logger) -> MessageLoggingAdapter:
        """Return *logger* with this message's log_id before each line."""
        return MessageLoggingAdapter(logger, {"message": self})

    def report_basics(self) -> None:
        """Report this message's name and language to the site's monitoring."""
        self.report("message_name", self.unique_name)
        self.report("language", self.language)

    def report(self, key: str, value: object) -> None:
        """Report *key* and *value* to the site's monitoring."""
        monitoring_report(key, value)

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, those of the recipient too."""
        fields = super().to_json()
        if self.recipient is not None:
            fields["recipient"] = self.recipient.to_json()
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return the message that has *fields*, as JSON gives them; a key it does not know is ignored."""
        get = fields.get
        recipient = get("recipient")
        send_uuid = get("send_uuid")
        message = cls(
            app_label=fields["app_label"],
            name=fields["name"],
            recipient=None if recipient is None else Recipient.from_json(recipient),
            expiration_time=date.deserialize(get("expiration_time")),
            context=get("context", {}),
            send_uuid=None if send_uuid is None else UUID(send_uuid),
            options=get("options", {}),
            headers=get("headers", {}),
            language=get("language"),
            log_level=get("log_level"),
        )
        message.uuid = UUID(fields["uuid"])
        return message


@attr.s(auto_attribs=True, eq=False)
class MessageType(MessageAttributeSerializationMixin):
    """
    Makes messages of one kind. Subclasses give it a name; templates live under ``app_label/edx_ace/name/``.

    Args:
        context: What the templates of every message see.

        expiration_time: Of every message.

        options: Of every message, each with a copy of its own.

        log_level: Of every message.

    Raises:
        ConfigurationError: If no app_label is given and the class lives in no installed app.
    """

    #: Name of the type. None: the class's name in lower case.
    NAME: ClassVar[str | None] = None
    #: Label of the app that holds the templates. None: the app that contains the class.
    APP_LABEL: ClassVar[str | None] = None
    #: Name of the category that people's choices refer to.
    CATEGORY: ClassVar[str | None] = None
    #: Whether choices, caps and quiet hours do not apply. None: yes when ``options["transactional"]`` and no category.
    ESSENTIAL: ClassVar[bool | None] = None
    #: What the outbox does when nobody knows whether a message was accepted: ``"repeat"`` hands it over again,
    #: ``"hold"`` leaves it as unknown. None: repeat.
    ON_AMBIGUOUS: ClassVar[str | None] = None

    context: dict[str, Any] = attr.ib(factory=dict)
    uuid: UUID = attr.ib(init=False, factory=uuid4, validator=attr.validators.instance_of(UUID))
    expiration_time: datetime | None = attr.ib(default=None, validator=_optional_datetime)
    app_label: str = attr.ib()
    name: str = attr.ib()
    options: dict[str, Any] = attr.ib(factory=dict)
    log_level: int | None = None

    @app_label.default
    def _default_app_label(self) -> str:
        return type(self).default_app_label()

    @name.default
    def _default_name(self) -> str:
        return type(self).default_name()

    @classmethod
    def default_app_label(cls) -> str:
        """Return APP_LABEL, else the label of the installed app that contains this class."""
        if cls.APP_LABEL is not None:
            return cls.APP_LABEL
        config = apps.get_containing_app_config(cls.__module__)
        if config is None:
            raise ConfigurationError(
                f"{cls.__module__}.{cls.__qualname__} needs the label of the app that holds its templates, but it "
                f"lives in no installed app. Add its package to INSTALLED_APPS, or set APP_LABEL on the class."
            )
        return config.label

    @classmethod
    def default_name(cls) -> str:
        """Return NAME, else the class's name in lower case."""
        return cls.NAME if cls.NAME is not None else cls.__name__.lower()

    @classmethod
    def sample_context(cls) -> dict[str, Any]:
        """Return a context with which every template of this type renders: for checks, previews and tests."""
        return {}

    def __eq__(self, other: object) -> bool:
        # A subclass equals the plain MessageType that its JSON is read as in a worker.
        if not isinstance(other, MessageType):
            return NotImplemented
        return self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.uuid)

    def personalize(
        self, recipient: Recipient | None, language: str | None, user_context: Mapping[str, Any]
    ) -> Message:
        """Return a new message of this type to *recipient* in *language*, *user_context* over the type's context."""
        return Message(
            app_label=self.app_label,
            name=self.name,
            recipient=recipient,
            expiration_time=self.expiration_time,
            context={**self.context, **user_context},
            send_uuid=self.uuid,
            options=dict(self.options),
            language=language,
            log_level=self.log_level,
        )

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return the message type that has *fields*, as JSON gives them; a key it does not know is ignored."""
        message_type = super().from_json({**fields, "expiration_time": date.deserialize(fields.get("expiration_time"))})
        message_type.uuid = UUID(fields["uuid"])
        return message_type
