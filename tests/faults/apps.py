"""
Internal: what the workers of tests of faults have that others have not: a guard, a journal of permits, and traits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.models import Q
from django.utils.module_loading import import_string

from edx_ace.outbox import guards

#: How often these workers sweep: more often than others, as tests wait for it.
SWEEP_SECONDS = 1


class FaultsConfig(AppConfig):
    """Prepares a worker for a test of faults."""

    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        """Register the guard, take on the traits that the test asks for, and keep the journal."""
        from django.contrib.auth.models import User

        from edx_ace.outbox import worker

        worker.SWEEP_SECONDS = SWEEP_SECONDS
        # Whoever has an account in this site has opted out: a table that any site has is enough for that.
        opted_out = guards.Guard(
            "opted_out", "The person opted out.", lambda: Q(recipient__in=User.objects.values("username"))
        )
        guards.register(opted_out)
        for trait in settings.FAULTS["traits"]:
            import_string(f"tests.faults.{trait}")()
        _keep_journal(Path(settings.FAULTS["journal"]))


def _keep_journal(path: Path) -> None:
    """Append a line to *path* for each permit that is given: whose, and when it was asked for."""
    from edx_ace.outbox import leases

    permission = leases.permission

    def noted(*args: Any) -> Callable[[Sequence[Any]], list[Any]]:
        permit = permission(*args)

        def give(rows: Sequence[Any]) -> list[Any]:
            asked_at = time.time()
            given = permit(rows)
            lines = [json.dumps({"message": str(row.payload_id), "fence": row.fence, "at": asked_at}) for row in given]
            with path.open("ab", buffering=0) as file:
                file.write("".join(f"{line}\n" for line in lines).encode())
            return given

        return give

    leases.permission = noted
