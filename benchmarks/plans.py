"""
Internal: reads the plans of PostgreSQL.
"""

from __future__ import annotations

import json
from typing import Any

from django.db import connection


def scans(sql: str, table: str) -> list[str]:
    """Return the kind of each scan of *table* in the plan for *sql*."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql)
        [[plan]] = cursor.fetchall()
    return _scans(plan if isinstance(plan, list) else json.loads(plan), table)


def _scans(plan: Any, table: str) -> list[str]:
    if isinstance(plan, list):
        return [scan for one in plan for scan in _scans(one, table)]
    if not isinstance(plan, dict):
        return []
    here = [plan["Node Type"]] if plan.get("Relation Name") == table else []
    return here + [scan for one in plan.values() for scan in _scans(one, table)]
