"""
Internal: many new rows at a time, as each database takes them fastest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

Model = TypeVar("Model", bound=models.Model)

#: Looking for conflicts takes PostgreSQL as long as inserting, and mostly there is none. An error that is caught there
#: does not get into its log, with all that was to be inserted.
_UNLESS_THERE = """
    DECLARE
        statement text := %s;
    BEGIN
        EXECUTE statement;
    EXCEPTION WHEN unique_violation THEN
        EXECUTE statement || ' ON CONFLICT DO NOTHING';
    END
"""


def new(model: type[Model], **values: Any) -> Model:
    """
    Return a new row of *model*, as ``model(**values)`` does in twice the time.

    Args:
        model: What the row is of; its defaults are the same for each row.

        values: By the attribute, ``payload_id`` and not ``payload``; none of another name.
    """
    # In the order of the columns, with which Django looks for no names.
    return model(*{**_defaults(model), **values}.values())


@cache
def _defaults(model: type[models.Model]) -> dict[str, Any]:
    return {field.attname: field.get_default() for field in model._meta.concrete_fields}


def insert(rows: Sequence[models.Model], using: str) -> None:
    """
    Insert *rows* of one model, whose keys stay unknown where the database gives them.

    PostgreSQL copies them: preparing an INSERT takes the ORM longer than all the rest. Values are written as they are,
    so fields hold what their columns do and no expressions.
    """
    if not rows:
        return
    model, connection = type(rows[0]), connections[using]
    with connection.cursor() as cursor:
        # Not with psycopg 2.
        if connection.vendor != "postgresql" or not hasattr(cursor, "copy"):
            model._base_manager.using(using).bulk_create(rows)
            return
        fields = _written(model)
        names = [field.attname for field in fields]
        with (
            connection.wrap_database_errors,
            cursor.copy(f"COPY {_into(fields, connection)} FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row([getattr(row, name) for name in names])


def insert_lines(
    model: type[models.Model],
    common: Mapping[str, Any],
    names: Sequence[str],
    lines: Sequence[Sequence[Any]],
    using: str,
    *,
    ignore_conflicts: bool = False,
) -> None:
    """
    Insert rows that differ in a few columns, as `insert` does those that may differ in each, in a third of its time.

    Args:
        model: What the rows are of.

        common: Values of all rows, by the attribute.

        names: The attributes whose values differ.

        lines: These values, in the order of *names*.

        using: The database.

        ignore_conflicts: Leave out what has the place of another in a unique key.
    """
    connection = connections[using]
    if not lines:
        return
    if connection.vendor != "postgresql":
        rows = [new(model, **{**common, **dict(zip(names, line, strict=True))}) for line in lines]
        model._base_manager.using(using).bulk_create(rows, ignore_conflicts=ignore_conflicts)
        return
    fields = {field.attname: field for field in _written(model)}
    values = {**_defaults(model), **common}
    columns = {}
    for name, column in zip(names, zip(*lines, strict=True), strict=True):
        # Given once, what is the same costs nothing; and there has to be a column.
        if name == names[0] or len(set(column)) > 1:
            # Python writes and PostgreSQL reads JSON faster than an array.
            columns[name] = json.dumps(column, default=str)
        else:
            values[name] = column[0]
    same = {name: values[name] for name in fields if name not in columns}
    types = {name: field.db_type(connection) for name, field in fields.items()}
    selected = [f"%s::{types[name]}" for name in same]
    selected += [f"given.c{number}::{types[name]}" for number, name in enumerate(columns)]
    elements = ", ".join(["json_array_elements_text(%s::json)"] * len(columns))
    aliases = ", ".join(f"c{number}" for number in range(len(columns)))
    sql = (
        f"INSERT INTO {_into([fields[name] for name in (*same, *columns)], connection)} "
        f"SELECT {', '.join(selected)} FROM ROWS FROM ({elements}) AS given ({aliases})"
    )
    params = [*same.values(), *columns.values()]
    with connection.cursor() as cursor:
        if ignore_conflicts:
            ops: Any = connection.ops
            statement = ops.compose_sql(sql, params)
            block = ops.compose_sql(_UNLESS_THERE, [statement])
            cursor.execute(ops.compose_sql("DO %s", [block]))
        else:
            cursor.execute(sql, params)


def _written(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    """Return the fields whose values the database does not give."""
    return [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]


def _into(fields: Sequence[models.Field[Any, Any]], connection: BaseDatabaseWrapper) -> str:
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    return f"{quote(fields[0].model._meta.db_table)} ({columns})"
