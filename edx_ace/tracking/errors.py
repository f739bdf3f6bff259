"""
Public: the errors of tracking; all derive from `edx_ace.errors.AceError`.
"""

from __future__ import annotations

from collections.abc import Sequence

from edx_ace.errors import AceError
from edx_ace.text import counted


class SuppressionError(AceError, ValueError):
    """Something was to be suppressed, or lifted, that cannot be."""

    code = "bad_suppression"


class ImportRefusedError(SuppressionError):
    """
    A list holds rows that cannot be imported; none of it was.

    Attributes:
        rows: The number of each such line, beginning with 1, and what is wrong with it.
    """

    code = "import_refused"

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        super().__init__(f"{counted(len(rows), 'row', 'rows')} cannot be imported, so that none was.")
        self.rows = list(rows)


class BadEventError(AceError, ValueError):
    """What is said to come from a provider is no event that can be recorded."""

    code = "bad_event"
