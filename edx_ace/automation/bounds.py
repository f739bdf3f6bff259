"""
Internal: what one rendering of a template may make and take, and what is said when it does more, or goes wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from decimal import Decimal
from typing import Any

from django.utils import translation

from edx_ace.automation.conf import settings

#: Longest text that is read, in characters.
MAX_SOURCE_LENGTH = 100_000
#: How many brackets Markdown may have, before each of which it looks for the beginning of a link.
MAX_BRACKETS = 5_000
#: How many lines Markdown may have.
MAX_LINES = 10_000
#: How many tags a body may have: reading those that stand one in the other takes the square of their number.
MAX_TAGS = 10_000
#: How many items a range, a list that is written, or a relation may have.
MAX_ITEMS = 1_000
#: How often all loops together may turn.
MAX_TURNS = 10_000
#: How much one rendering may make of texts and lists, in characters and items, whether or not they are put out.
MAX_MADE = 5_000_000
#: How long one rendering may compute, in seconds; the time that the database takes does not count.
MAX_SECONDS = 2.0
#: Largest number that is computed with.
MAX_NUMBER = 10**30
#: Most places that a number is rounded to.
MAX_PLACES = 20
#: How many problems of one text are told.
MAX_PROBLEMS = 50


#: The language of whoever is told what is wrong, while the active one is that of the recipient; None: the active one.
reader: ContextVar[str | None] = ContextVar("edx_ace_automation_reader", default=None)


def told(text: str) -> str:
    """Return *text* in the language of whoever is told."""
    language = reader.get()
    if language is None:
        return translation.gettext(text)
    with translation.override(language):
        return translation.gettext(text)


_ = told


class LimitError(Exception):
    """A rendering makes or takes too much."""


class NotGivenError(Exception):
    """A template asks for what it must not have, or for what there is not."""


class Run:
    """What one rendering has made and taken so far, and what becomes of the values that it puts out."""

    def __init__(self, put: Callable[[str], str]) -> None:
        self.put = put
        self.most = settings.AUTOMATION_MAX_OUTPUT_LENGTH
        self._out = self._made = self._turns = 0
        self._end = time.thread_time() + MAX_SECONDS

    def check_time(self) -> None:
        """Look whether there is time left; as all that follows, raises `LimitError` if there is not."""
        if time.thread_time() > self._end:
            raise LimitError(_("It takes too long to compute."))

    def turn(self) -> None:
        """Count a turn of a loop."""
        self._turns += 1
        if self._turns > MAX_TURNS:
            raise LimitError(_("Its loops turn more than %(most)d times.") % {"most": MAX_TURNS})
        self.check_time()

    def put_out(self, length: int) -> None:
        """Count *length* characters that are put out."""
        self._out += length
        if self._out > self.most:
            raise LimitError(_("It is longer than %(most)d characters.") % {"most": self.most})

    def make(self, size: int) -> None:
        """Count *size* characters or items that are made."""
        self._made += size
        if self._made > MAX_MADE:
            raise LimitError(_("It computes too long a text."))

    def bounded(self, value: Any) -> Any:
        """Return *value*, which was made just now, if it is not too large."""
        if isinstance(value, int | float | Decimal):
            if value > MAX_NUMBER or value < -MAX_NUMBER:
                raise LimitError(_("It computes too large a number."))
        elif isinstance(value, str | list | tuple | dict):
            self.make(len(value))
        return value


#: The one that is under way.
run: ContextVar[Run] = ContextVar("edx_ace_automation_run")
