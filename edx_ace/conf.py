"""
Public: every setting of the core, with its type, default and meaning.

Read as ``from edx_ace.conf import settings`` and ``settings.NAME``; the value is Django's ``ACE_NAME`` at the moment of
access, so `override_settings` works. The settings reference in the docs is made from the comments below.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

from django.conf import settings as django_settings
from django.utils.functional import empty


class _Setting:
    """Reads one of Django's settings on every access to an attribute, else returns the attribute's default."""

    def __init__(self, name: str, default: Any) -> None:
        self._name = f"ACE_{name}"
        self._default = default

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self._default
        # Django caches what is set but raises twice for what is not, which most settings are in most sites: so they
        # are looked up in what it wraps. That is `empty` until the first use of settings.
        values = object.__getattribute__(django_settings, "_wrapped")
        return getattr(django_settings if values is empty else values, self._name, self._default)


class _Settings:
    """Makes each attribute in capitals of a subclass a `_Setting` with that default."""

    def __init_subclass__(cls) -> None:
        for name, default in list(vars(cls).items()):
            if name.isupper():
                setattr(cls, name, _Setting(name, default))


class Settings(_Settings):
    """Reads ``ACE_<NAME>`` from Django's settings on every access, else the default given here."""

    #: Entry-point names (group ``openedx.ace.channel``) of the channels to load, in order of preference.
    ENABLED_CHANNELS: list[str] = []
    #: Entry-point names (group ``openedx.ace.policy``) of the policies to ask, in this order.
    ENABLED_POLICIES: list[str] = []
    #: Entry-point names (group ``openedx.ace.content_step``) of the content steps to apply, in this order.
    CONTENT_STEPS: list[str] = []
    #: Name of the email channel. Unset: the first enabled one.
    CHANNEL_DEFAULT_EMAIL: str | None = None
    #: Name of the email channel for messages with ``options["transactional"]``. Unset: as other mail.
    CHANNEL_TRANSACTIONAL_EMAIL: str | None = None
    #: Name of the push channel. Unset: `PUSH_CHANNELS`, else the first enabled one.
    CHANNEL_DEFAULT_PUSH: str | None = None
    #: Names of push channels to choose from when `CHANNEL_DEFAULT_PUSH` is unset.
    PUSH_CHANNELS: list[str] = []
    #: How long a message without expiration_time may be retried by ``ace.send``, in seconds.
    DEFAULT_EXPIRATION_DELAY: int = 120
    #: Timeout of one call to a provider's HTTP interface, in seconds.
    DEFAULT_API_TIMEOUT: int = 5
    #: Name (``NAME`` in ``TEMPLATES``) of the engine that renders messages. Unset: Django's loader over all engines.
    TEMPLATE_ENGINE: str | None = None
    #: Whether ``.txt`` templates escape HTML, as they always did. False: plain text is plain text.
    PLAIN_TEXT_AUTOESCAPE: bool = True
    #: Dotted path of a callable ``hook(message)`` returning a context manager; each rendering runs inside it.
    RENDER_CONTEXT: str | None = None
    #: What message types say about themselves, for types that cannot be changed:
    #: ``{"app_label.name": {"category": …, "essential": …, "on_ambiguous": "hold", "sample_context": …}}``.
    MESSAGE_TYPES: dict[str, dict[str, Any]] = {}
    #: What messages are about, by name: ``{"news": {"label": "News", "description": "", "channels": ["email", "push"],
    #: "default": True, "can_be_turned_off": True, "digest": False}}``. See `edx_ace.categories`.
    CATEGORIES: dict[str, dict[str, Any]] = {}
    #: Category of the messages whose type names none; essential ones then belong to none.
    DEFAULT_CATEGORY: str = "general"
    #: Secrets of the tokens in links of messages: the first makes them, all are tried. Unset: ``SECRET_KEY`` and
    #: ``SECRET_KEY_FALLBACKS``.
    TOKEN_KEYS: list[str] = []
    #: What relative links of messages are made absolute with: a URL, for example ``https://example.com``, or the dotted
    #: path of a callable ``base_url(message)`` returning one.
    BASE_URL: str | None = None
    #: The mailbox that every email goes to, whoever it is for, with nobody in copy: for a site that must not write to
    #: people. Other channel types are not concerned.
    REDIRECT_ALL_TO: str | None = None
    #: Whether the rendered from_name becomes the display name of the From address.
    EMAIL_USE_FROM_NAME: bool = False
    #: Largest size of all attachments of one message together, in bytes, before encoding.
    EMAIL_MAX_ATTACHMENT_BYTES: int = 10 * 1024 * 1024
    #: How long an idle SMTP connection may be used for the next message, in seconds. 0: closed after each call.
    EMAIL_KEEP_CONNECTION_SECONDS: int = 10
    #: SMTP connections that one ``ace.send_many`` keeps busy at a time.
    EMAIL_CONNECTIONS: int = 1
    #: Folder that the file channel may write to. Unset: ``output_file_path`` is not confined.
    FILE_CHANNEL_FOLDER: str | PathLike[str] | None = None
    #: REST endpoint of Braze, without scheme, for example ``rest.iad-01.braze.com``.
    CHANNEL_BRAZE_REST_ENDPOINT: str | None = None
    #: API key of Braze.
    CHANNEL_BRAZE_API_KEY: str | None = None
    #: Identifier of the Braze app.
    CHANNEL_BRAZE_APP_ID: str | None = None
    #: Braze campaign and variation by message name: ``{"name": "campaign_id:variation_id"}`` or without variation.
    CHANNEL_BRAZE_CAMPAIGNS: dict[str, str] = {}
    #: From address of mail through Braze. Unset: as other mail.
    CHANNEL_BRAZE_FROM_EMAIL: str | None = None
    #: Name of the Sailthru template that carries messages.
    CHANNEL_SAILTHRU_TEMPLATE_NAME: str | None = None
    #: API key of Sailthru.
    CHANNEL_SAILTHRU_API_KEY: str | None = None
    #: API secret of Sailthru.
    CHANNEL_SAILTHRU_API_SECRET: str | None = None
    #: Whether to log what would go to Sailthru instead of sending it.
    CHANNEL_SAILTHRU_DEBUG: bool = False


settings = Settings()
