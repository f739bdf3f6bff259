"""
Internal: the column of a key that has to be unique, and how many keys are looked up at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.lookups import In
from django.db.models.sql.compiler import SQLCompiler


class KeyField(models.CharField):  # type: ignore[type-arg]  # at run time it takes no parameters
    """Text of which only the very same is equal, where MySQL and MariaDB would ignore case and accents, too."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """Return what the column is made with."""
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


@KeyField.register_lookup
class KeyIn(In):
    """The lookup ``in`` that gives PostgreSQL all keys as one parameter: one for each takes many times as long."""

    def get_prep_lookup(self) -> Any:
        """Return what is looked up."""
        keys = self.rhs
        # Nothing has to be done to texts, which Django would take one by one.
        return list(keys) if _are_texts(keys) else super().get_prep_lookup()

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        """Return the condition and its parameters."""
        if not self.rhs or not _are_texts(self.rhs):
            return self.as_sql(compiler, connection)
        column, params = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*params, _as_array(self.rhs)]


def _are_texts(keys: object) -> bool:
    return isinstance(keys, list | set | tuple) and all(type(key) is str for key in keys)


def _as_array(keys: Iterable[str]) -> str:
    """Return *keys* as PostgreSQL reads an array, which takes psycopg four times as long to write."""
    escaped = (key.replace("\\", "\\\\").replace('"', '\\"') for key in keys)
    return '{"' + '","'.join(escaped) + '"}'
