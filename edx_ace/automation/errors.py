"""
Public: the errors of automation; all derive from `edx_ace.errors.AceError`.

::

    AceError
    ├── AutomationError (ValueError)
    │   ├── StrategyError
    │   ├── GoneError (LookupError)
    │   ├── PastError
    │   ├── RenderingError
    │   └── RefusedError
    ├── ForbiddenError
    ├── NotFoundError (LookupError)
    ├── UnknownActionError (LookupError)
    └── ConflictError
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from django.utils.translation import gettext as _

from edx_ace.errors import AceError


class AutomationError(AceError, ValueError):
    """Something about a scheduled message, its action or its template is not as it has to be."""

    code = "bad_automation"


class StrategyError(AutomationError):
    """A strategy has no signal to go with it."""

    code = "unmapped_strategy"


class GoneError(AutomationError, LookupError):
    """An object that a scheduled message refers to is gone."""

    code = "gone"


class PastError(AutomationError):
    """A time has passed for which something was to be scheduled."""

    code = "past"


class ForbiddenError(AceError):
    """The user does not have the permission for that."""

    code = "forbidden"


class NotFoundError(AceError, LookupError):
    """There is no such message or attachment."""

    code = "not_found"


class UnknownActionError(AceError, LookupError):
    """No action of that name is registered."""

    code = "unknown_action"


class ConflictError(AceError):
    """The message is in a state in which this cannot be done, or another was faster."""

    code = "conflict"


@attrs.frozen
class Problem:
    """
    One thing that is wrong with what somebody wrote.

    Attributes:
        code: Short and stable.

        reason: A sentence for whoever wrote it.

        where: The field that it is about, such as ``"en.body"`` or ``"cc"``; empty: the whole.

        line: In that field, from 1; 0: none in particular.
    """

    code: str
    reason: str
    where: str = ""
    line: int = 0

    def __str__(self) -> str:
        line = _("line %(line)d") % {"line": self.line} if self.line else ""
        place = ", ".join(filter(None, (self.where, line)))
        return f"{place}: {self.reason}" if place else self.reason


class RenderingError(AutomationError):
    """
    A template cannot be read, or what it says cannot be rendered: what it needs is not there, or it makes too much.

    Attributes:
        problems: All that is wrong with a template that cannot be read; of one that was rendered what went wrong first.
    """

    code = "cannot_render"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(code=problems[0].code)
        self.problems = list(problems)

    def __str__(self) -> str:
        return " ".join(map(str, self.problems))


class RefusedError(AutomationError):
    """
    What was to be saved cannot be; nothing was changed.

    Attributes:
        problems: All that is wrong with it.
    """

    code = "refused"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(str(problem) for problem in problems))
        self.problems = list(problems)
