"""
Public: `once`, for functions whose first result holds for the life of the process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

T = TypeVar("T")


def once(func: Callable[[], T]) -> Callable[[], T]:
    """Return *func*, called at most once: every call returns the first result."""
    return cache(func)
