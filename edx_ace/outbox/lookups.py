"""
Internal: a condition on a column that may have one of many values.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field
from django.db.models.lookups import In
from django.db.models.sql.compiler import SQLCompiler


class OneOf(In):
    """
    What ``column__in=values`` means, in one parameter on PostgreSQL: ``filter(OneOf(F("column"), values))``.

    For hundreds of values the ORM and the driver take longer to write a placeholder for each than the database to find
    their rows. Values are given as they are, so they are what the column holds.
    """

    prepare_rhs = False
    # Resolved by then.
    lhs: Any

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        """Return the SQL for PostgreSQL."""
        sql, params = self.process_lhs(compiler, connection)
        field: Field[Any, Any] = self.lhs.output_field
        return f"{sql} = ANY(%s::{field.db_type(connection)}[])", (*params, list(self.rhs))
