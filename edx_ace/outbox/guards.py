"""
Public: guards, the conditions that forbid a delivery at the moment of its permit.

A policy is asked when a message is prepared, a guard is part of the UPDATE that permits its hand-over. A sub-app that
keeps who opted out registers one in ``AppConfig.ready``::

    register(Guard("opted_out", "The person opted out.", lambda: Q(recipient__in=OptOut.objects.values("person"))))
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from django.db.models import Q


@attrs.frozen
class Guard:
    """
    One condition.

    Attributes:
        code: Short and stable: what skipped deliveries are grouped by.

        reason: A sentence for people.

        forbids: Returns what matches the deliveries (`edx_ace.outbox.models.Delivery`) that must not go: a condition
            that the database evaluates with each permit, while the function is called once for the permits of a claim.

        waits: Whether what it forbids waits and is asked about again, instead of ending as skipped.
    """

    code: str
    reason: str
    forbids: Callable[[], Q]
    waits: bool = False


_guards: list[Guard] = []


def register(guard: Guard) -> None:
    """Ask *guard* before every hand-over from now on; once, however often it is registered."""
    if guard not in _guards:
        _guards.append(guard)


def unregister(guard: Guard) -> None:
    """Ask *guard* no more."""
    _guards.remove(guard)


def guards() -> tuple[Guard, ...]:
    """Return the guards, in the order in which they were registered."""
    return tuple(_guards)
