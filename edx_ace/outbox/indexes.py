"""
Internal: an index over some of the rows, as each database does it best.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement


class PartialIndex(models.Index):
    """
    An index over the rows that *where* matches; where the database has no such indexes, over all rows.

    A table that keeps what was sent has few rows that workers look for. This is no `Index` with a condition, as MySQL
    and MariaDB would leave that out.

    Args:
        where: Matches the rows.

        otherwise: The fields of the index over all rows.
    """

    def __init__(self, *, where: models.Q, otherwise: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.where = where
        self.otherwise = tuple(otherwise)

    def create_sql(
        self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Statement:
        """Return the statement that creates the index."""
        if schema_editor.connection.features.supports_partial_indexes:
            index = models.Index(fields=self.fields, name=self.name, condition=self.where)
        else:
            index = models.Index(fields=self.otherwise, name=self.name)
        return index.create_sql(model, schema_editor, using, **kwargs)

    def deconstruct(self) -> Any:
        """Return what a migration writes down."""
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "where": self.where, "otherwise": self.otherwise}
