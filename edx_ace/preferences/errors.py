"""
Public: the errors of preferences; all derive from `edx_ace.errors.AceError`.
"""

from edx_ace.errors import AceError


class ChoiceError(AceError, ValueError):
    """Something was chosen that cannot be chosen."""

    code = "bad_choice"
