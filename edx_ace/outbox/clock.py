"""
Internal: the database's clock, the only one by which the outbox decides: the clocks of workers may differ.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now
from django.db.models.sql.compiler import SQLCompiler
from django.utils.dateparse import parse_datetime

#: What every database and every offset from UTC can name.
FIRST_MOMENT = datetime(1000, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(9999, 12, 30, tzinfo=UTC)


class DatabaseNow(Now):
    """The moment at which the statement runs, in UTC whatever zone a MySQL or MariaDB server is set to."""

    def as_mysql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        """Return the SQL for MySQL and MariaDB."""
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)


def from_now(delay: timedelta) -> models.Expression:
    """Return the moment that is *delay* after the one at which the statement runs."""
    return cast(models.Expression, DatabaseNow() + models.Value(delay, output_field=models.DurationField()))


def database_now(model: type[models.Model], using: str) -> datetime:
    """Return what time it is for the database *using* (aware, UTC)."""
    compiler = model._base_manager.using(using).query.get_compiler(using)
    sql, params = compiler.compile(DatabaseNow())
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {sql}", params)
        [value] = cursor.fetchone()
    moment = parse_datetime(value) if isinstance(value, str) else value
    assert isinstance(moment, datetime)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
