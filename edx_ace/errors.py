"""
Public: every error this package raises on purpose.

::

    AceError
    ├── ChannelError                        one channel could not do its part
    │   ├── RecoverableChannelDeliveryError     try again at next_attempt_time
    │   ├── FatalChannelDeliveryError           this message will never go this way
    │   ├── ChannelDownError                    credentials, TLS: the channel itself is broken
    │   └── UnsupportedChannelError             no implementation, or no renderer, for a type
    ├── InvalidMessageError (ValueError)    the message itself is at fault
    ├── MessageTemplateMissing (TemplateDoesNotExist)
    ├── UnknownChannelError (ValueError)    an argument names a channel that does not exist
    ├── UnknownMessageTypeError (ValueError)  an argument names a message type that does not exist
    ├── UnknownCategoryError (ValueError)   a message type or an argument names a category that does not exist
    ├── BadTokenError (ValueError)          a link's token is none of this site's, or of another purpose
    ├── ConfigurationError (ImproperlyConfigured)
    └── MissingExtraError (ImportError)     an optional dependency is not installed

Every text says what was expected, what was given and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.core.exceptions import ImproperlyConfigured
from django.template import TemplateDoesNotExist


class AceError(Exception):
    """
    Base of all errors of this package.

    Attributes:
        code: Short, stable, machine-readable: what reports, decisions and figures are grouped by.
    """

    code = "error"

    def __init__(self, *args: object, code: str | None = None) -> None:
        super().__init__(*args)
        if code is not None:
            self.code = code


class ChannelError(AceError):
    """
    One channel could not do its part; other channels are not affected.

    Args:
        is_ambiguous: Whether the message may have been accepted nevertheless: it was handed over, and what came of it
            did not come back.
    """

    code = "channel_error"
    is_ambiguous = False

    def __init__(self, *args: object, code: str | None = None, is_ambiguous: bool = False) -> None:
        super().__init__(*args, code=code)
        if is_ambiguous:
            self.is_ambiguous = True


class RecoverableChannelDeliveryError(ChannelError):
    """
    The same hand-over may succeed later.

    Args:
        message: What happened, as a sentence.

        next_attempt_time: Earliest moment for the next attempt. A naive datetime is read as UTC; None leaves the
            moment to the caller (see `edx_ace.delivery.RETRY_DELAY`).

        is_ambiguous: As for `ChannelError`: a queue then asks whether it may be handed over twice.
    """

    code = "recoverable"

    def __init__(
        self,
        message: str,
        next_attempt_time: datetime | None = None,
        *,
        code: str | None = None,
        is_ambiguous: bool = False,
    ) -> None:
        super().__init__(message, code=code, is_ambiguous=is_ambiguous)
        self.next_attempt_time = next_attempt_time


class FatalChannelDeliveryError(ChannelError):
    """This message can never be delivered this way: a repeat would fail the same."""

    code = "fatal"


class ChannelDownError(ChannelError):
    """The channel itself cannot be used (credentials, TLS); says nothing about the message."""

    code = "channel_down"


class UnsupportedChannelError(ChannelError):
    """There is no implementation, or no renderer, for a channel type."""

    code = "no_channel"


class InvalidMessageError(AceError, ValueError):
    """The message, its recipient or its options are at fault; nothing was handed over."""

    code = "invalid_message"


class MessageTemplateMissing(AceError, TemplateDoesNotExist):
    """
    Templates that a channel type needs do not exist; the text is the name of the first that does not.

    Args:
        missing: What was raised for the first that does not exist, whether needed or not.

        needed: Names of all those that are needed.
    """

    code = "template_missing"

    def __init__(self, missing: TemplateDoesNotExist, needed: Sequence[str]) -> None:
        self.needed = tuple(needed)
        TemplateDoesNotExist.__init__(
            self, missing.args[0], tried=missing.tried, backend=missing.backend, chain=missing.chain
        )


class UnknownChannelError(AceError, ValueError):
    """An argument names neither a channel type nor a channel."""

    code = "unknown_channel"


class UnknownMessageTypeError(AceError, ValueError):
    """An argument names no message type that is known."""

    code = "unknown_message_type"


class UnknownCategoryError(AceError, ValueError):
    """A message type or an argument names a category that ACE_CATEGORIES does not have."""

    code = "unknown_category"


class ConfigurationError(AceError, ImproperlyConfigured):
    """A setting or a plug-in is at fault."""

    code = "configuration"


class BadTokenError(AceError, ValueError):
    """A token is none that this site made for the purpose; nobody is told why."""

    code = "bad_token"

    def __init__(self) -> None:
        super().__init__("This link is not valid. Open it from the message again, in full.")


class MissingExtraError(AceError, ImportError):
    """
    An optional dependency is not installed.

    Args:
        feature: What was asked for, as it reads at the start of a sentence.

        extra: The extra of this distribution that brings it.
    """

    code = "missing_extra"

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f'{feature} needs an optional dependency: pip install "edx-ace[{extra}]"')
        self.extra = extra


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the one of *known* nearest to *given*, or an empty string."""
    nearest = difflib.get_close_matches(str(given), list(known), n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""
