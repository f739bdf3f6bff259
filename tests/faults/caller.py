"""
Internal: ``python -m tests.faults.caller BATCH NUMBER``: enqueue so many messages of a send from one generator.

Prints, as JSON, how many it wrote, and the peak of its resident memory when a tenth was taken and at the end, in KiB.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import django


def peak_kib() -> int:
    """Return the largest resident memory that this program had so far; of its own, not of the one that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def main(batch: UUID, number: int) -> None:
    """Enqueue *number* messages of the send *batch*."""
    from edx_ace import Message
    from edx_ace.outbox import enqueue
    from tests.faults import mail

    peaks: list[int] = []

    def messages() -> Iterator[Message]:
        letters = mail.letters((f"fine{n}" for n in range(number)), send_uuid=batch)
        for position, letter in enumerate(letters):
            if position == number // 10:
                peaks.append(peak_kib())
            yield letter

    written = enqueue(messages()).messages
    peaks.append(peak_kib())
    print(json.dumps({"written": written, "peaks_kib": peaks}))


if __name__ == "__main__":
    django.setup()
    main(UUID(sys.argv[1]), int(sys.argv[2]))
