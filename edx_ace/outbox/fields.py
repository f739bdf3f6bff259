"""
Internal: the column of a key that has to be unique.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class KeyField(models.CharField):  # type: ignore[type-arg]  # at run time it takes no parameters
    """Text of which only the very same is equal, where MySQL and MariaDB would ignore case and accents, too."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """Return what the column is made with."""
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters
