"""
Public: the text form of moments, and the clock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload

__all__ = ["as_utc", "datetime", "deserialize", "get_current_time", "serialize"]


@overload
def serialize(timestamp_obj: datetime) -> str: ...
@overload
def serialize(timestamp_obj: None) -> None: ...
def serialize(timestamp_obj: datetime | None) -> str | None:
    """Return ISO 8601 text, for example ``2017-08-01T00:00:00+00:00``; None for None."""
    return None if timestamp_obj is None else timestamp_obj.isoformat()


@overload
def deserialize(timestamp_iso8601_str: str) -> datetime: ...
@overload
def deserialize(timestamp_iso8601_str: None) -> None: ...
def deserialize(timestamp_iso8601_str: str | None) -> datetime | None:
    """Return the moment that ISO 8601 text names; naive when the text has no offset; None for None."""
    if not timestamp_iso8601_str:
        return None
    try:
        return datetime.fromisoformat(timestamp_iso8601_str)
    except ValueError:
        # Imported when it is needed: no form that this package writes needs it, and it takes a tenth of its start.
        from dateutil.parser import parse

        return parse(timestamp_iso8601_str)


def get_current_time() -> datetime:
    """Return now, aware, in UTC."""
    return datetime.now(tz=UTC)


def as_utc(moment: datetime) -> datetime:
    """Return *moment* itself when it is aware, else read as UTC."""
    return moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)
