"""
Public: the errors of the outbox; all derive from `edx_ace.errors.AceError`.
"""

from edx_ace.errors import AceError, InvalidMessageError


class IdempotencyKeyError(AceError, ValueError):
    """An idempotency key is used again, for another message."""

    code = "key_used"


class IllegalTransitionError(AceError, ValueError):
    """No arrow leads from the one state to the other."""

    code = "illegal_transition"


class UnserializableError(InvalidMessageError, TypeError):
    """A message holds what cannot be kept in a table and come back."""

    code = "unserializable"


class SourceError(AceError):
    """A source did not give what it was asked for; it may later, when somebody has repaired it."""

    code = "source_error"


class UnknownSourceError(SourceError, ValueError):
    """No source of that name is registered."""

    code = "unknown_source"


class StuckError(AceError, RuntimeError):
    """Too many threads of a worker wait for something that does not come."""

    code = "stuck"


class ReferenceGoneError(InvalidMessageError):
    """What a message refers to no longer exists."""

    code = "reference_gone"
