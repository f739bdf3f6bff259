"""
Public: guards, the conditions that forbid a delivery at the moment of its permit.

A policy is asked when a message is prepared, a guard is part of the UPDATE that permits its hand-over. A sub-app that
keeps who opted out registers one in ``AppConfig.ready``::

    register(Guard("opted_out", "The person opted out.", lambda: Q(recipient__in=OptOut.objects.values("person"))))
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Func, Q
from django.db.models.sql.compiler import SQLCompiler


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


#: A name in the SQL of a condition.
_NAME = re.compile(r"\{(\w+)\}")


class SqlCondition(Func):
    """
    A condition of a guard in SQL of its own, for one that is asked about each message of a site.

    For the ORM it takes longer to compile a subquery for the permits of a claim than for the database to answer it.

    Args:
        sql: The same for every database; a name in braces stands for that column of the delivery.

        columns: Further names and their expressions.
    """

    output_field = BooleanField()

    def __init__(self, sql: str, **columns: Any) -> None:
        self.sql = sql
        self.names = tuple(dict.fromkeys(_NAME.findall(sql)))
        super().__init__(*(columns.get(name, name) for name in self.names))

    def as_sql(  # type: ignore[override]  # `Func` takes more, which concerns its template
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        """Return the SQL and its parameters, in the order of the names."""
        columns = dict(zip(self.names, map(compiler.compile, self.get_source_expressions()), strict=True))
        params = tuple(param for name in _NAME.findall(self.sql) for param in columns[name][1])
        return _NAME.sub(lambda name: columns[name[1]][0], self.sql), params


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
