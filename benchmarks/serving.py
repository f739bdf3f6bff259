"""
Internal: the loop of a process that is one side of a comparison, and the clock it measures with; needs no package.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: ``ru_maxrss`` is in bytes on macOS and in KiB elsewhere.
RSS_UNITS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10


class _NoErrors(logging.Handler):
    """What fails early is fast, so a logged error ends the measurement."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        sys.exit(f"Nothing may fail while it is measured: {self.format(record)}")


def serve(functions: Mapping[str, Callable[..., Any]]) -> None:
    """
    Answer each line of input, JSON of the name of one of *functions* and its arguments, with a line of JSON.
    """
    logging.getLogger().addHandler(_NoErrors())
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(functions[name](**arguments)), flush=True)


def timed(act: Callable[..., Any], items: Iterable[Any]) -> dict[str, float]:
    """Return what *act* takes for all *items*: seconds on the clock and of this process's processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    for item in items:
        act(item)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def peak_memory() -> float:
    """Return the most memory that this process has had so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / RSS_UNITS_PER_MIB
