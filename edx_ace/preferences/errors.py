"""
Public: the errors of preferences; all derive from `edx_ace.errors.AceError`.
"""

from collections.abc import Sequence

from edx_ace.errors import AceError
from edx_ace.text import counted


class ChoiceError(AceError, ValueError):
    """Something was chosen that cannot be chosen."""

    code = "bad_choice"


class TransferError(AceError, ValueError):
    """
    Rows cannot be imported; none was.

    Args:
        rows: What is wrong with each, with its line; the first hundred.

        number: How many there are in all.
    """

    code = "bad_rows"

    def __init__(self, rows: Sequence[str], number: int) -> None:
        more = [f"… and {number - len(rows)} more."] if number > len(rows) else []
        super().__init__(
            "\n".join([f"{counted(number, 'row', 'rows')} cannot be imported, so nothing was:", *rows, *more])
        )
        self.rows = tuple(rows)
        self.number = number
