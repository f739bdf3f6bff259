"""
Public: the errors of campaigns; all derive from `edx_ace.errors.AceError`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import attrs
from django.utils.translation import gettext as _

from edx_ace.errors import AceError


class CampaignError(AceError, ValueError):
    """Something about a campaign is not as it has to be."""

    code = "bad_campaign"


class ForbiddenError(AceError):
    """The host does not let this user do that in this scope."""

    code = "forbidden"


class NotFoundError(AceError, LookupError):
    """There is nothing of that name, or nothing that this user may see."""

    code = "not_found"


class ConflictError(AceError):
    """The campaign has changed since, or is in a state in which this cannot be done."""

    code = "conflict"


class UnknownAudienceError(CampaignError):
    """No audience of that name is registered."""

    code = "unknown_audience"


@attrs.frozen
class Problem:
    """
    One thing that is wrong with what somebody wrote or chose.

    Attributes:
        code: Short and stable.

        reason: A sentence for whoever wrote it.

        where: The field that it is about, such as ``"subject"``; empty: the whole.

        line, column: The place in that field, from 1; 0: none in particular.

        is_error: Whether it has to be mended; otherwise it can be accepted.
    """

    code: str
    reason: str
    where: str = ""
    line: int = 0
    column: int = 0
    is_error: bool = True


def with_nearest(text: str, given: str, known: Iterable[str]) -> str:
    """Return *text* and, if *given* is nearly one of *known*, a question whether that was meant."""
    nearest = difflib.get_close_matches(given, list(known), n=1)
    if not nearest:
        return text
    question = _("Did you mean “%(nearest)s”?") % {"nearest": nearest[0]}
    return f"{text} {question}"


class RefusedError(CampaignError):
    """
    What was to be saved or scheduled cannot be; nothing was changed.

    Attributes:
        problems: All that is wrong with it.
    """

    code = "refused"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(str(problem.reason) for problem in problems))
        self.problems = list(problems)
